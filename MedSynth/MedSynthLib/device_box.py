"""The combo box of devices; what is chosen there is a choice of this computer, not of the scene."""

import qt
import slicer
from slicer.i18n import tr as _

AUTOMATIC = "auto"


class DeviceBox:
    """Fills a combo box with devices and remembers which one is chosen.

    Args:
        box: the combo box.
        setting: key in the settings of the application.
    """

    def __init__(self, box, setting: str) -> None:
        self._box, self._setting = box, setting
        self.show([])
        box.connect("currentIndexChanged(int)", self._remember)

    @property
    def device(self) -> str:
        """The device that is chosen: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``."""
        return self._box.itemData(self._box.currentIndex)

    def show(self, devices: list[dict[str, str]]) -> None:
        """List the devices that were found, with the one that was chosen before."""
        wasBlocked = self._box.blockSignals(True)
        self._box.clear()
        self._box.addItem(_("Automatic"), AUTOMATIC)
        for device in devices:
            self._box.addItem(device["name"], device["id"])
        chosen = slicer.util.settingsValue(self._setting, AUTOMATIC)
        self._box.setCurrentIndex(max(0, self._box.findData(chosen)))
        self._box.blockSignals(wasBlocked)

    def _remember(self, index: int) -> None:
        qt.QSettings().setValue(self._setting, self.device)
