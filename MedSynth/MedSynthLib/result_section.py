"""What is known of a result (estimated dose of its input, activity that was kept) and its export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.inference.activity import ACTIVITY_TOLERANCE, OUTSIDE_TOLERANCE, is_activity_kept, is_body_complete
from MedSynthLib import provenance
from MedSynthLib.connections import Connections
from MedSynthLib.export import whyNot
from MedSynthLib.folders import freePlace, safeName
from MedSynthLib.messages import asItIs, told


class ResultSection:
    """Shows what is known of a result, and exports it.

    Args:
        ui: the panel's widgets: ``resultLabel`` and ``exportButton``.
        result: returns the chosen result; None if there is none.
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
        self._connections = Connections()
        self._connections.connect(ui.exportButton, "clicked(bool)", told(self._askForFolder, onProblem))

    def close(self) -> None:
        """Disconnect the widgets."""
        self._connections.close()

    def update(self, running: bool) -> None:
        """Show the chosen result.

        Args:
            running: whether a job is running.
        """
        node, label, button = self._result(), self._ui.resultLabel, self._ui.exportButton
        known = node is not None and bool(provenance.textOf(node, "model"))
        label.text = doseText(node) if known else ""
        label.toolTip = asItIs(probabilitiesText(node)) if known else ""
        label.visible = bool(label.text)
        reason = whyNot(node) if known else ""
        button.visible, button.enabled = known, not reason and not running
        button.toolTip = asItIs(reason) or _("Write a DICOM series of the same patient and study, marked as synthetic.")

    def exportBelow(self, folder: Path) -> None:
        """Export the result to a new folder named after it."""
        self._exportNode(self._result(), folder)

    def _askForFolder(self) -> None:
        node = self._result()  # before the question: another may be chosen while it is open
        folder = qt.QFileDialog.getExistingDirectory(
            self._ui.exportButton, _("Folder for the new folder of the series"), ""
        )
        if not folder:
            return
        if not slicer.mrmlScene.IsNodePresent(node):
            raise MedSynthError(
                _("The volume {name} was removed in the meantime, so nothing was exported.").format(name=node.GetName())
            )
        self._exportNode(node, Path(folder))

    def _exportNode(self, node, folder: Path) -> None:
        self._export(node, freePlace(folder, safeName(node.GetName(), "series")))


def doseText(node) -> str:
    """Return the estimated dose of a result's input and the activity that was kept; "" if neither is known."""
    factor = provenance.valueOf(node, "dose_reduction_factor", float)
    ratio = provenance.valueOf(node, "activity_ratio", float)
    outside = provenance.valueOf(node, "activity_outside", float)
    parts, warnings = [], []
    if factor is not None:
        seen = _("full dose") if factor == 1 else _("1/{factor:g} of full dose").format(factor=factor)
        share = _probabilities(node).get(f"{factor:g}")
        sure = f" ({100 * share:.0f} %)" if share is not None else ""
        parts.append(_("estimated dose of the input: {dose}").format(dose=seen) + sure)
    if ratio is not None:
        parts.append(_("activity kept in the body: {ratio:.1f} %").format(ratio=100 * ratio))
        if not is_activity_kept(ratio):
            warnings.append(
                _("the activity changed by more than {percent:g} %: do not measure uptake in this volume").format(
                    percent=100 * ACTIVITY_TOLERANCE
                )
            )
    if outside is not None:
        parts.append(_("{outside:.1f} % of the input's activity is outside the body").format(outside=100 * outside))
        if not is_body_complete(outside):
            warnings.append(
                _("more than {percent:g} % is outside: check whether a part of the patient is missing").format(
                    percent=100 * OUTSIDE_TOLERANCE
                )
            )
    text = "; ".join([*parts, *warnings])
    text = f"{'⚠ ' if warnings else ''}{text[:1].upper()}{text[1:]}"
    return text and f"{text}."


def probabilitiesText(node) -> str:
    """Return the probability of each dose by the model, one per line; "" if the model does not estimate the dose."""
    lines = [
        _("1/{factor} of full dose: {share:.1f} %").format(factor=factor, share=100 * share)
        for factor, share in _probabilities(node).items()
    ]
    return "\n".join([_("Probability of each dose by the model:"), *lines]) if lines else ""


def _probabilities(node) -> dict[str, float]:
    """Return the probability of each dose, by the factor of its reduction; {} if they are not known."""
    shares = provenance.valueOf(node, "dose_probabilities", dict) or {}
    return {factor: share for factor, share in shares.items() if provenance.isUsable(share, float)}
