"""The choice of a model: its card in a sentence, what it cannot know, and whether the input fits."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from MedSynthLib import models
from MedSynthLib.volume_bridge import stateOf


class ModelSection:
    """Fills the list of models and says of the chosen one what it does and whether the input fits.

    Args:
        ui: the panel's widgets: ``modelComboBox``, ``modelLabel``, ``limitsLabel``, ``fitLabel``, ``convertButton`` and
            ``differenceCheckBox``.
        onChosen: called with the name of a model that the user chose.
    """

    def __init__(self, ui, onChosen: Callable[[str], None]) -> None:
        self._ui, self._onChosen = ui, onChosen
        self._models: dict[str, Any] = {}
        self._checked: tuple | None = None
        self._fit = models.Fit(())
        ui.modelComboBox.connect("currentIndexChanged(int)", self._choose)

    def refresh(self) -> None:
        """List the models of the library again."""
        self._models = {model.name: model for model in models.availableModels()}
        box = self._ui.modelComboBox
        wasBlocked = box.blockSignals(True)
        box.clear()
        for model in self._models.values():
            box.addItem(model.title, model.name)
        box.blockSignals(wasBlocked)

    def update(self, name: str, inputVolume) -> None:
        """Show the model ``name`` and check the input volume against it."""
        box = self._ui.modelComboBox
        index = box.findData(name)
        if index != box.currentIndex:
            wasBlocked = box.blockSignals(True)
            box.setCurrentIndex(index)
            box.blockSignals(wasBlocked)
        model = self._models.get(name)
        self._ui.modelLabel.text = model.description if model else ""
        self._showLimits(model.limits if model else [])
        self._checkFit(name, inputVolume)

    def _showLimits(self, limits: list[str]) -> None:
        """Show the first limit, which is the gravest, and all of them in the tool tip."""
        text = _("Limits: {first}").format(first=limits[0]) if limits else ""
        if len(limits) > 1:
            text += " " + _("({count} more in the tool tip)").format(count=len(limits) - 1)
        self._ui.limitsLabel.text = text
        self._ui.limitsLabel.toolTip = "\n\n".join(limits)
        self._ui.limitsLabel.visible = bool(limits)

    def _checkFit(self, name: str, inputVolume) -> None:
        # The check looks at every voxel, so it is done once for each state of the model and the volume.
        key = (name, self._models.get(name), *stateOf(inputVolume))
        if key == self._checked:
            return
        self._checked = key
        self._fit = self._judged(name, inputVolume)
        lines = ["✗ " + " ".join(self._fit.misfits) if self._fit.misfits else _("✓ The volume fits the model.")]
        if self._fit.assumption:
            lines.append(self._fit.assumption)
        if self._fit.synthetic:
            lines.append(_("The volume is itself synthetic: a model would guess from what a model guessed."))
        self._ui.fitLabel.text = " ".join(lines)
        self._ui.convertButton.visible = self._fit.convertible
        self._ui.differenceCheckBox.visible = self._fit.comparable

    @property
    def fits(self) -> bool:
        """Whether the input volume, when last looked at, was what the model takes."""
        return self._checked is not None and not self._fit.misfits

    def _judged(self, name: str, inputVolume) -> models.Fit:
        if not self._models:
            return models.Fit((_("No model can be read yet: press Install under Setup."),))
        if name not in self._models:
            return models.Fit((_("The model {name} is not in the library; choose another.").format(name=name),))
        if inputVolume is None:
            return models.Fit((_("Choose an input volume."),))
        return models.fitOf(inputVolume, name)

    def _choose(self, index: int) -> None:
        if index >= 0:
            self._onChosen(self._ui.modelComboBox.itemData(index))
