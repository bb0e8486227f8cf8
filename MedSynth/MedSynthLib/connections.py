"""Signals and timers of which nothing is left when a panel or a job ends."""

import logging
from collections.abc import Callable
from typing import Any

import qt
import slicer

# What touching a widget raises that Qt has deleted meanwhile: PythonQt and PySide raise different exceptions.
GONE = (AttributeError, RuntimeError, SystemError, ValueError)


class Connections:
    """Signals that are connected to callables, until `close` disconnects all of them.

    PythonQt holds a callable, and with it the object it is bound to, until it is disconnected or the sender is deleted;
    the widgets of a panel are not deleted when its module is reloaded.
    """

    def __init__(self) -> None:
        self._made: list[tuple[Any, str, Callable[..., Any]]] = []

    def connect(self, sender, signal: str, slot: Callable[..., Any]) -> None:
        """Connect a signal, such as ``"clicked(bool)"``, of a widget or another Qt object."""
        sender.connect(signal, slot)
        self._made.append((sender, signal, slot))

    def close(self) -> None:
        """Disconnect everything, also if some of the senders no longer exist."""
        while self._made:
            sender, signal, slot = self._made.pop()
            try:
                sender.disconnect(signal, slot)
            except GONE:
                logging.debug("MedSynth: the sender of %s has been deleted", signal)


class Timer:
    """Calls a function in the main thread, again and again or once, until it is closed.

    Args:
        slot: called without arguments.
        interval: milliseconds between two calls, or before the only one.
        once: call only once after each `start`. ``qt.QTimer.singleShot`` of Slicer would hold the callable forever.
    """

    def __init__(self, slot: Callable[[], None], interval: int, once: bool = False) -> None:
        self._slot = slot
        # It belongs to Qt, so that a timer that is closed by its own call is not deleted before that returns.
        self._timer: Any = qt.QTimer(slicer.app.moduleManager())
        self._timer.setInterval(interval)
        self._timer.setSingleShot(once)
        self._timer.connect("timeout()", slot)

    def start(self) -> None:
        """Start, or start again; does nothing after `close`."""
        if self._timer is not None:
            self._timer.start()

    def stop(self) -> None:
        """Make no more calls until the next start."""
        if self._timer is not None:
            self._timer.stop()

    def close(self) -> None:
        """Make no more calls, and release the function."""
        timer, self._timer = self._timer, None
        if timer is None:
            return
        try:
            timer.stop()
            timer.disconnect("timeout()", self._slot)
            timer.deleteLater()
        except GONE:  # the application is ending
            logging.debug("MedSynth: a timer has been deleted before it was closed")
        del self._slot
