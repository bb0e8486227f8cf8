"""The module ``qt``: PySide's real classes with the attribute semantics of PythonQt.

PythonQt turns each property of a class's meta-object into an attribute (``label.text = "…"``) and connects
signals by their C++ signature (``button.connect("clicked(bool)", f)``); PySide has methods for the first
and knows nothing of the second.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

from PySide6 import QtCore, QtGui, QtWidgets

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
        return super().__getattribute__(key)

    def connect(self, signature: str, slot) -> bool:
        self._signal(signature, slot, "connect")
        return True

    def disconnect(self, signature: str, slot) -> bool:
        self._signal(signature, slot, "disconnect")
        return True

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

    def _signal(self, signature: str, slot, action: str) -> None:
        if signature in self.customSignals:
            getattr(getattr(self, self.customSignals[signature]), action)(slot)
            return
        normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature)).decode()
        if QtCore.QObject.metaObject(self).indexOfSignal(normalized) < 0:
            raise AttributeError(f"{type(self).__name__} has no signal {signature}")
        getattr(QtCore.QObject, action)(self, QtCore.SIGNAL(signature), slot)


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
        return QtCore.QObject.property(self, key)

    def write(self, value):
        QtCore.QObject.setProperty(self, key, value)

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
    return qt
