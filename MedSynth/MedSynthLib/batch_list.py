"""A list of what a batch may work on, each with a check box."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import qt

from MedSynthLib.connections import Connections


@dataclass(frozen=True)
class Entry:
    """An entry of the list.

    Attributes:
        key: what identifies it.
        text: what is shown.
        checked: whether it is checked until the user says otherwise.
    """

    key: str
    text: str
    checked: bool = False


class BatchList:
    """Shows entries with check boxes, and remembers what the user has checked and unchecked.

    Args:
        widget: QListWidget.
        onChanged: called when the user has changed a check box.
    """

    def __init__(self, widget, onChanged: Callable[[], None]) -> None:
        self._widget, self._onChanged = widget, onChanged
        self._entries: list[Entry] = []
        self._said: dict[str, bool] = {}
        self._connections = Connections()
        self._connections.connect(widget, "itemChanged(QListWidgetItem*)", self._onItem)

    def close(self) -> None:
        """Disconnect the widget."""
        self._connections.close()

    def forget(self) -> None:
        """Forget what was checked: another scene gives the same keys to other volumes."""
        self._said.clear()

    def show(self, entries: list[Entry]) -> None:
        """Show entries in place of those that are shown."""
        if entries == self._entries:
            return
        self._entries = entries
        wasBlocked = self._widget.blockSignals(True)
        self._widget.clear()
        for entry in entries:
            item = qt.QListWidgetItem(entry.text)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            item.setCheckState(qt.Qt.Checked if self._isChecked(entry) else qt.Qt.Unchecked)
            self._widget.addItem(item)
        self._widget.blockSignals(wasBlocked)

    def checked(self) -> list[str]:
        """Return the keys of the checked entries in the order of the list."""
        return [entry.key for entry in self._entries if self._isChecked(entry)]

    def _isChecked(self, entry: Entry) -> bool:
        return self._said.get(entry.key, entry.checked)

    def _onItem(self, item: Any) -> None:
        entry = self._entries[self._widget.row(item)]
        self._said[entry.key] = item.checkState() == qt.Qt.Checked
        self._onChanged()
