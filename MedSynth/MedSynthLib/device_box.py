"""The combo box of devices; the choice is kept in the application settings, not in the scene."""

import qt
import slicer
from slicer.i18n import tr as _

from MedSynthLib.connections import Connections

AUTOMATIC = "auto"


class DeviceBox:
    """Fills a combo box with devices and remembers the chosen one.

    Args:
        box: the combo box.
        setting: key in the application settings.
    """

    def __init__(self, box, setting: str) -> None:
        self._box, self._setting = box, setting
        self.show([])
        self._connections = Connections()
        self._connections.connect(box, "currentIndexChanged(int)", self._remember)

    def close(self) -> None:
        """Disconnect the widget."""
        self._connections.close()

    @property
    def device(self) -> str:
        """The chosen device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``."""
        return self._box.itemData(self._box.currentIndex)

    def show(self, devices: list[dict[str, str]]) -> None:
        """List the devices that were found, and select the one that was chosen before."""
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
