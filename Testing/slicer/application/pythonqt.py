"""The module ``qt``: PySide's real classes with the attribute semantics of PythonQt.

PythonQt turns each property of a class's meta-object into an attribute (``label.text = "…"``), connects signals by
their C++ signature (``button.connect("clicked(bool)", f)``) and makes tuples of Qt's lists; PySide has methods for the
first, knows nothing of the second, and makes lists.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

from application import held

_PYSIDE = (QtCore, QtGui, QtWidgets)
# A static function of the same name hides the property in Python: QTimer.singleShot(0, f).
_HIDDEN_PROPERTIES = {"singleShot"}


class PythonQtObject:
    """What PythonQt adds to every QObject."""

    customSignals: dict[str, str] = {}

    def __getattribute__(self, key: str):
        # PySide puts its own `connect` and `disconnect` into each object, over those of the class.
        if key in ("connect", "disconnect"):
            return getattr(PythonQtObject, key).__get__(self)
        found = super().__getattribute__(key)
        if isinstance(found, types.BuiltinMethodType):
            return _Method(found)
        return held.Signal(self, key, found) if isinstance(found, QtCore.SignalInstance) else found

    def connect(self, signature: str, slot) -> bool:
        """Connect a signal, and hold the slot until it is disconnected or this object is deleted."""
        self._checkAlive("connect")
        signal = self._signal(signature)
        return signal is not None and held.connect(self, signature, slot, signal)

    def disconnect(self, signature: str, slot) -> bool:
        """Disconnect a slot; return False if it was not connected."""
        self._checkAlive("disconnect")
        signal = self._signal(signature)
        return signal is not None and held.disconnect(self, signature, slot, signal)

    def className(self) -> str:
        return type(self).__name__

    @property
    def name(self) -> str:
        return QtCore.QObject.objectName(self)

    @name.setter
    def name(self, value: str) -> None:
        QtCore.QObject.setObjectName(self, value)

    def __setattr__(self, key: str, value) -> None:
        if isinstance(value, QtCore.QObject) and QtCore.QObject.objectName(value) == key:
            return  # PySide's .ui loader would give the root an attribute for each child; PythonQt's does not
        if not key.startswith("_") and not hasattr(type(self), key):
            raise AttributeError(f"{type(self).__name__} has no attribute {key!r}")
        super().__setattr__(key, value)

    def _checkAlive(self, called: str) -> None:
        if not shiboken6.isValid(self):
            raise ValueError(f"Trying to call '{called}' on a destroyed {type(self).__name__} object")

    def _signal(self, signature: str):
        """Return what connects and disconnects a signal; None, and a warning, if there is no such signal."""
        if signature in self.customSignals:
            return super().__getattribute__(self.customSignals[signature])
        normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()
        if QtCore.QObject.metaObject(self).indexOfSignal(normalized) < 0:
            held.unknownSignals.append(f"signal '{signature}' does not exist on {type(self).__name__}")
            return None
        return held.BySignature(self, signature)


class _Method:
    """A method of Qt, whose lists PythonQt turns into tuples."""

    def __init__(self, method) -> None:
        self._method = method

    def __call__(self, *arguments, **options):
        result = self._method(*arguments, **options)
        return tuple(result) if isinstance(result, list) else result

    def __eq__(self, other) -> bool:
        return isinstance(other, _Method) and self._method == other._method

    def __hash__(self) -> int:
        return hash(self._method)


def propertiesOf(base: type) -> dict[str, property]:
    """Return a Python property for each property that ``base`` and its ancestors declare to Qt."""
    meta, found = base.staticMetaObject, {}
    for index in range(meta.propertyCount()):
        declared = meta.property(index)
        if declared.name() not in _HIDDEN_PROPERTIES:
            found[declared.name()] = _asAttribute(declared.name(), declared.isWritable())
    if issubclass(base, QtWidgets.QProgressBar):
        # Its getter is virtual: Qt asks the Python class for it, which must not ask Qt again.
        found["text"] = property(lambda self: QtWidgets.QProgressBar.text(self))
    return found


def _asAttribute(key: str, writable: bool) -> property:
    def read(self):
        if not shiboken6.isValid(self):
            raise ValueError(f"Trying to read property '{key}' from a destroyed {type(self).__name__} object")
        value = QtCore.QObject.property(self, key)
        return tuple(value) if isinstance(value, list) else value

    def write(self, value):
        if not shiboken6.isValid(self):
            raise AttributeError(f"Trying to set property '{key}' on a destroyed {type(self).__name__} object")
        QtCore.QObject.setProperty(self, key, list(value) if isinstance(value, tuple) else value)

    return property(read, write if writable else None)


def pythonQtClass(base: type) -> type:
    """Return ``base`` with PythonQt's attribute semantics."""
    return type(base.__name__, (PythonQtObject, base), propertiesOf(base))


class _QtModule(types.ModuleType):
    def __getattr__(self, name: str):
        for library in _PYSIDE:
            if hasattr(library, name):
                found = getattr(library, name)
                if isinstance(found, type) and issubclass(found, QtCore.QObject):
                    found = pythonQtClass(found)
                setattr(self, name, found)
                return found
        raise AttributeError(f"module 'qt' has no attribute {name!r}")


def _timerClass() -> type:
    """Return ``qt.QTimer``, whose objects are counted, with Slicer's own ``singleShot``."""

    class QTimer(pythonQtClass(QtCore.QTimer)):
        def __init__(self, *arguments) -> None:
            super().__init__(*arguments)
            held.countTimer(self)

        @staticmethod
        def singleShot(milliseconds: int, slot) -> None:
            """Call a slot once. As in Slicer the timer, and with it the slot, is kept as long as the application."""
            import slicer

            timer = QTimer(slicer.app.moduleManager())
            timer.setSingleShot(True)
            timer.connect("timeout()", slot)
            timer.start(milliseconds)

    return QTimer


def module(settingsFolder: Path) -> types.ModuleType:
    """Return the module ``qt`` after starting Qt; user settings go to ``settingsFolder``."""
    QtCore.QSettings.setDefaultFormat(QtCore.QSettings.Format.IniFormat)
    QtCore.QSettings.setPath(QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Scope.UserScope, str(settingsFolder))
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(sys.argv[:1])
    application.setOrganizationName("MedSynth")
    application.setApplicationName("TestApplication")
    application.setStyle("Fusion")
    qt = _QtModule("qt")
    qt.QApplication = QtWidgets.QApplication
    qt.QTimer = _timerClass()
    return qt
