"""The part of the panel for structure maps: settings, a preview of the shown slice, and the button."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.structure.settings import PRESETS, StructureSettings, settings_for
from MedSynthLib.connections import Connections
from MedSynthLib.structure_preview import StructurePreview

# The widgets of the thresholds that have one, by the name of the setting.
THRESHOLDS = {"alpha": "structureAlphaSpinBox", "beta": "structureBetaSpinBox", "gamma": "structureGammaSpinBox"}


class StructureSection:
    """Shows the settings of structure maps, and previews them.

    Args:
        ui: the panel's widgets: ``structurePresetComboBox``, ``structurePreviewCheckBox``, ``structureLabel``,
            ``structureButton`` and those of the thresholds.
        parameters: returns the scene's parameters; None while no scene is followed.
        make: called without arguments when the button is pressed.
    """

    def __init__(self, ui, parameters: Callable[[], Any], make: Callable[[], None]) -> None:
        self._ui, self._parameters, self._make = ui, parameters, make
        self._preview = StructurePreview(self._say)
        ui.structurePresetComboBox.addItem(_("Automatic"), "")
        for name in PRESETS:
            ui.structurePresetComboBox.addItem(name, name)
        self._connections = Connections()
        self._connections.connect(ui.structurePresetComboBox, "activated(int)", self._onPreset)
        self._connections.connect(ui.structurePreviewCheckBox, "toggled(bool)", self._onPreview)
        self._connections.connect(ui.structureButton, "clicked(bool)", self._onMake)

    def close(self) -> None:
        """Remove the preview and disconnect the widgets."""
        self._connections.close()
        self._preview.close()

    def hide(self) -> None:
        """Remove the preview, as when the panel or the scene is closed."""
        self._preview.hide()

    def update(self, running: bool) -> None:
        """Show the settings, and bring the preview up to date.

        Args:
            running: whether a job is running.
        """
        parameters, ui = self._parameters(), self._ui
        # A scene may name a preset that does not exist; no entry is shown then, as none is used in its place.
        ui.structurePresetComboBox.setCurrentIndex(ui.structurePresetComboBox.findData(parameters.structurePreset))
        ui.structureButton.enabled = parameters.inputVolume is not None and not running
        if not ui.structurePreviewCheckBox.checked or parameters.inputVolume is None:
            self._preview.hide()
            self._say("")
            return
        try:
            settings = self.settings()
        except MedSynthError as problem:
            self._preview.hide()
            self._say(problem.message)
            return
        self._preview.show(parameters.inputVolume, settings, parameters.lesionVolume)

    def settings(self) -> StructureSettings:
        """Return the chosen settings.

        Raises:
            MedSynthError: the scene names a preset that does not exist.
        """
        return settings_for(self._parameters().structurePreset, self.thresholds())

    def thresholds(self) -> dict[str, float]:
        """Return the thresholds that take the place of those of the preset, as the panel shows them.

        A script may give the parameters more decimals than the widgets have: what is shown is what is computed.
        """
        shown = {setting: getattr(self._ui, name).value for setting, name in THRESHOLDS.items()}
        return {setting: value for setting, value in shown.items() if value > 0}

    def _onPreset(self, index: int) -> None:
        self._parameters().structurePreset = self._ui.structurePresetComboBox.itemData(index)

    def _onPreview(self, _shown: bool) -> None:
        if self._parameters() is not None:
            self.update(running=not self._ui.structureButton.enabled)

    def _onMake(self, *_clicked: Any) -> None:
        self._ui.structurePreviewCheckBox.checked = False  # the map itself is shown then
        self._make()

    def _say(self, text: str) -> None:
        self._ui.structureLabel.text, self._ui.structureLabel.visible = text, bool(text)
