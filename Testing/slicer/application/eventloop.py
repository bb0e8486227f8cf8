"""Qt's event loop as it runs in Slicer: while it waits for events, it keeps Python's interpreter to itself.

PySide lets other threads run meanwhile, which would hide that a thread gets hardly a turn in Slicer.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

import PySide6
from PySide6 import QtCore

_WAIT = 0x04  # QEventLoop::WaitForMoreEvents
_EVENTS = "_ZN16QCoreApplication13processEventsE6QFlagsIN10QEventLoop17ProcessEventsFlagEE"


def _processEventsOf(library: Path):
    """Return Qt's ``processEvents(flags)``, called without releasing the interpreter; None if it is not found."""
    try:
        function = getattr(ctypes.PyDLL(str(library)), _EVENTS)
    except (OSError, AttributeError):  # not Linux, or another build of Qt
        return None
    function.argtypes, function.restype = [ctypes.c_int], None
    return function


_process = _processEventsOf(Path(PySide6.__file__).parent / "Qt" / "lib" / "libQt6Core.so.6")


def keepsTheInterpreter() -> bool:
    """Return whether other threads wait while the event loop does, as in Slicer."""
    return _process is not None


def processEvents() -> None:
    """Handle the events that have arrived, and delete what was to be deleted later."""
    if _process is not None:
        _process(0)
    else:
        QtCore.QCoreApplication.processEvents()
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)


def idle(milliseconds: int = 10) -> None:
    """Let the event loop run for some time, in which nothing but the slots of timers and events runs in Python."""
    alarm, rung = QtCore.QTimer(), []
    alarm.setSingleShot(True)
    alarm.timeout.connect(lambda: rung.append(True))
    alarm.start(milliseconds)
    while not rung:
        if _process is not None:
            _process(_WAIT)
        else:
            QtCore.QCoreApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    processEvents()
