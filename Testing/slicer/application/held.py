"""What PythonQt and Slicer hold: connected callables and timers, counted so that tests see what is left of a panel.

PythonQt holds a callable until it is disconnected or the sender is deleted. PySide does so for functions, but holds
methods weakly, and would hide that a panel is never freed.
"""

from __future__ import annotations

import shiboken6
from PySide6 import QtCore

# Warnings about signals that do not exist; PythonQt prints them, and `connect` returns False.
unknownSignals: list[str] = []
# Address of the sender → what is connected: (signal, slot).
_connected: dict[int, list[tuple[str, object]]] = {}
_timers: set[int] = set()


def connect(sender, name: str, slot, signal) -> bool:
    """Connect a slot to a signal (which has ``connect``) of a sender, and hold the slot."""
    address = _address(sender)
    if address not in _connected:
        _connected[address] = []
        whenDestroyed(sender, lambda: _connected.pop(address, None))
    signal.connect(slot)
    _connected[address].append((name, slot))
    return True


def disconnect(sender, name: str, slot, signal) -> bool:
    """Disconnect a slot; return False if it is not connected."""
    made = _connected.get(_address(sender), [])
    if (name, slot) not in made:
        return False
    made.remove((name, slot))
    signal.disconnect(slot)
    return True


def connections() -> int:
    """Return how many callables are held by signals."""
    return sum(len(made) for made in _connected.values())


def timers() -> int:
    """Return how many timers there are, running or not."""
    return len(_timers)


def countTimer(timer) -> None:
    """Count a timer until it is deleted."""
    address = _address(timer)
    _timers.add(address)
    whenDestroyed(timer, lambda: _timers.discard(address))


def whenDestroyed(sender, call) -> None:
    """Call a function, which must not refer to the sender, when the sender is deleted."""
    QtCore.QObject.connect(sender, QtCore.SIGNAL("destroyed()"), call)


class BySignature:
    """A signal of a sender by its C++ signature."""

    def __init__(self, sender, signature: str) -> None:
        self._sender, self._signal = sender, QtCore.SIGNAL(signature)

    def connect(self, slot) -> None:
        QtCore.QObject.connect(self._sender, self._signal, slot)

    def disconnect(self, slot) -> None:
        QtCore.QObject.disconnect(self._sender, self._signal, slot)


class Signal:
    """A signal as an attribute of its sender: ``box.valueChanged.connect(f)``."""

    def __init__(self, sender, name: str, signal) -> None:
        self._sender, self._name, self._signal = sender, name, signal

    def connect(self, slot) -> bool:
        self._checkAlive()
        return connect(self._sender, self._name, slot, self._signal)

    def disconnect(self, slot) -> bool:
        self._checkAlive()
        return disconnect(self._sender, self._name, slot, self._signal)

    def _checkAlive(self) -> None:
        if not shiboken6.isValid(self._sender):
            raise SystemError(f"the sender of the signal {self._name} has been deleted")

    def emit(self, *arguments) -> None:
        self._signal.emit(*arguments)


def _address(sender) -> int:
    return shiboken6.getCppPointer(sender)[0]
