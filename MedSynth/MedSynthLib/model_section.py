"""The choice of a model: its description, its limits, and whether the input fits."""

from collections.abc import Callable, Mapping
from typing import Any

from slicer.i18n import tr as _

from MedSynthLib import models
from MedSynthLib.connections import Connections
from MedSynthLib.messages import asItIs
from MedSynthLib.volume_bridge import placeOf, stateOf


class ModelSection:
    """Lists the models, and shows the description and limits of the chosen one and whether the inputs fit.

    Args:
        ui: the panel's widgets: ``modelComboBox``, ``modelLabel``, ``limitsLabel``, ``fitLabel``, ``convertButton`` and
            ``differenceCheckBox``.
        onChosen: called with the name of the model when the user chooses one.
    """

    def __init__(self, ui, onChosen: Callable[[str], None]) -> None:
        self._ui, self._onChosen = ui, onChosen
        self._models: dict[str, Any] = {}
        self._checked: tuple | None = None
        self._fit = models.Fit(())
        self._connections = Connections()
        self._connections.connect(ui.modelComboBox, "currentIndexChanged(int)", self._choose)

    def close(self) -> None:
        """Disconnect the widgets."""
        self._connections.close()

    def refresh(self) -> None:
        """List the models of the library again."""
        self._models = {model.name: model for model in models.availableModels()}
        box = self._ui.modelComboBox
        wasBlocked = box.blockSignals(True)
        box.clear()
        for model in self._models.values():
            box.addItem(model.title, model.name)
        box.blockSignals(wasBlocked)

    def model(self, name: str):
        """Return the summary of a model of the library by its name; None if there is none."""
        return self._models.get(name)

    def update(self, name: str, inputVolume, further: Mapping[str, Any]) -> None:
        """Show the model ``name`` and check the input volume, and the further ones by role, against it."""
        box = self._ui.modelComboBox
        index = box.findData(name)
        if index != box.currentIndex:
            wasBlocked = box.blockSignals(True)
            box.setCurrentIndex(index)
            box.blockSignals(wasBlocked)
        model = self._models.get(name)
        # The combo box cuts off a long title.
        self._ui.modelLabel.text = f"{model.title}. {model.description}" if model else ""
        self._showLimits(model.limits if model else [])
        self._checkFit(name, inputVolume, further)

    def _showLimits(self, limits: list[str]) -> None:
        """Show the first limit, which is the most serious, and all of them in the tool tip."""
        text = _("Limits: {first}").format(first=limits[0]) if limits else ""
        if len(limits) > 1:
            text += " " + _("({count} more in the tooltip)").format(count=len(limits) - 1)
        self._ui.limitsLabel.text = text
        self._ui.limitsLabel.toolTip = asItIs("\n\n".join(limits))
        self._ui.limitsLabel.visible = bool(limits)

    def _checkFit(self, name: str, inputVolume, further: Mapping[str, Any]) -> None:
        # The check reads every voxel, so that it is repeated only when the model or a volume has changed.
        others = [(role, placeOf(node, inputVolume), *stateOf(node)) for role, node in further.items()]
        key = (name, self._models.get(name), *stateOf(inputVolume), *others)
        if key == self._checked:
            return
        self._checked = key
        self._fit = self._fitOf(name, inputVolume, further)
        self._ui.fitLabel.text = fitInWords(self._fit)
        self._ui.convertButton.visible = self._fit.convertible
        self._ui.differenceCheckBox.visible = self._fit.comparable

    @property
    def fits(self) -> bool:
        """Whether the chosen volumes can be the inputs of the model, as of the last check."""
        return self._checked is not None and not self._fit.misfits

    def _fitOf(self, name: str, inputVolume, further: Mapping[str, Any]) -> models.Fit:
        if not self._models:
            return models.Fit((_("Models cannot be read yet: press Install under Setup."),))
        if name not in self._models:
            return models.Fit((_("The model {name} is not in the library; choose another.").format(name=name),))
        if inputVolume is None:
            return models.Fit((_("Choose an input volume."),))
        return models.fitOf(inputVolume, name, further)

    def _choose(self, index: int) -> None:
        if index >= 0:
            self._onChosen(self._ui.modelComboBox.itemData(index))


def fitInWords(fit: models.Fit) -> str:
    """Return in a line whether volumes fit a model; reservations are marked, so that they do not read as approval."""
    if fit.misfits:
        return "✗ " + " ".join(fit.misfits)
    one = fit.count == 1
    warnings = [fit.assumption] if fit.assumption else []
    if fit.synthetic:
        warnings.append(
            _("The volume is itself synthetic, so the errors of two models add up.") if one
            else _("One of the volumes is itself synthetic, so the errors of two models add up.")
        )  # fmt: skip
    if warnings:
        return " ".join(["⚠", *warnings])
    return _("✓ The volume fits the model.") if one else _("✓ The volumes fit the model.")
