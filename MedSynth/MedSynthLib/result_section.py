"""What is said of a result, and its export: which dose its input looked like, and whether the activity was kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from MedSynthLib import provenance
from MedSynthLib.export import whyNot
from MedSynthLib.folders import freePlace, safeName
from MedSynthLib.wording import told

# Shares of the activity that may be lost or won in the body, and lie outside, as `medsynth_core.inference.dose` has it.
ACTIVITY_TOLERANCE, OUTSIDE_TOLERANCE = 0.02, 0.1


class ResultSection:
    """Says what a synthetic volume knows of itself, and lets it be exported.

    Args:
        ui: the panel's widgets: ``resultLabel`` and ``exportButton``.
        result: returns the result that is chosen, None where there is none.
        export: called with the result and the folder for its DICOM series.
        onProblem: called with a sentence.
    """

    def __init__(
        self,
        ui,
        result: Callable[[], Any],
        export: Callable[[Any, Path], None],
        onProblem: Callable[[str], None],
    ) -> None:
        self._ui, self._result, self._export = ui, result, export
        ui.exportButton.connect("clicked(bool)", told(self._askForFolder, onProblem))

    def update(self, running: bool) -> None:
        """Show the result that is chosen now.

        Args:
            running: whether a job is under way.
        """
        node, label, button = self._result(), self._ui.resultLabel, self._ui.exportButton
        known = node is not None and bool(provenance.textOf(node, "model"))
        label.text, label.toolTip = (doseText(node), probabilitiesText(node)) if known else ("", "")
        label.visible = bool(label.text)
        reason = whyNot(node) if known else ""
        button.visible, button.enabled = known, not reason and not running
        button.toolTip = reason or _("Write a DICOM series of the same patient and study, marked as synthetic.")

    def exportBelow(self, folder: Path) -> None:
        """Export the result into a new folder of its name."""
        node = self._result()
        self._export(node, freePlace(folder, safeName(node.GetName(), "series")))

    def _askForFolder(self) -> None:
        folder = qt.QFileDialog.getExistingDirectory(
            self._ui.exportButton, _("Folder in which the folder of the series is made"), ""
        )
        if folder:
            self.exportBelow(Path(folder))


def doseText(node) -> str:
    """Return which dose the input of a result looked like and how much activity was kept; "" where nothing is known."""
    factor = provenance.valueOf(node, "dose_reduction_factor")
    ratio, outside = provenance.valueOf(node, "activity_ratio"), provenance.valueOf(node, "activity_outside")
    parts, warnings = [], []
    if factor is not None:
        share = provenance.valueOf(node, "dose_probabilities")[f"{factor:g}"]
        seen = _("full dose") if factor == 1 else _("1/{factor:g} of the dose").format(factor=factor)
        parts.append(_("input looks like {dose} ({share:.0f} %)").format(dose=seen, share=100 * share))
    if ratio is not None:
        parts.append(_("activity kept in the body: {ratio:.1f} %").format(ratio=100 * ratio))
        if round(abs(ratio - 1), 4) > ACTIVITY_TOLERANCE:
            warnings.append(_("more than 2 % off: do not measure uptake in it"))
    if outside is not None:
        parts.append(_("of all, {outside:.1f} % lay in the air around").format(outside=100 * outside))
        if outside > OUTSIDE_TOLERANCE:
            warnings.append(_("more than 10 %: look whether a part of the patient is missing"))
    text = "; ".join([*parts, *warnings])
    text = f"{'⚠ ' if warnings else ''}{text[:1].upper()}{text[1:]}"
    return text and f"{text}."


def probabilitiesText(node) -> str:
    """Return how probable each dose is in the eyes of the model, a line each; "" where it does not tell doses apart."""
    shares = provenance.valueOf(node, "dose_probabilities") or {}
    lines = [_("1/{factor} of the dose: {share:.1f} %").format(factor=f, share=100 * s) for f, s in shares.items()]
    return "\n".join([_("How probable the model finds each dose:"), *lines]) if lines else ""
