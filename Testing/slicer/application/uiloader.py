"""``qt.QUiLoader``: Qt's real loader, which makes PythonQt-like widgets and Slicer's own classes."""

from __future__ import annotations

import xml.etree.ElementTree as xml

from PySide6 import QtCore, QtUiTools, QtWidgets

from application.widgets import WIDGETS


class QUiLoader(QtUiTools.QUiLoader):
    """Loads a ``.ui`` file and makes the connections it declares, failing on any that cannot be made."""

    def load(self, device, parentWidget=None):
        tree = xml.fromstring(bytes(device.readAll()))
        connections = tree.find("connections")
        if connections is not None:
            tree.remove(connections)  # Qt's loader knows only signals that C++ declares
        values = _takeOwnProperties(tree)
        buffer = QtCore.QBuffer()
        buffer.setData(xml.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(buffer, parentWidget)
        for name, key, value in values:
            setattr(_named(widget, name), key, value)
        for connection in connections if connections is not None else ():
            _connect(widget, *(connection.findtext(k) for k in ("sender", "signal", "receiver", "slot")))
        return widget

    def createWidget(self, className: str, parent=None, name: str = ""):
        import qt

        kind = WIDGETS.get(className) or getattr(qt, className)
        widget = kind(parent)
        QtCore.QObject.setObjectName(widget, name)
        return widget


def _takeOwnProperties(tree) -> list[tuple[str, str, object]]:
    """Take the properties that only Slicer's classes have out of the tree: (widget, property, value)."""
    taken = []
    for widget in tree.iter("widget"):
        kind = WIDGETS.get(widget.get("class"))
        if kind is None:
            continue
        for element in widget.findall("property"):
            key = element.get("name")
            if element.get("stdset") != "0" and kind.staticMetaObject.indexOfProperty(key) < 0:
                taken.append((widget.get("name"), key, _value(element[0])))
                widget.remove(element)
    return taken


def _value(element):
    if element.tag == "bool":
        return element.text == "true"
    if element.tag == "stringlist":
        return [string.text for string in element]
    return element.text


def _connect(root, sender: str, signal: str, receiver: str, slot: str) -> None:
    # A connection within Qt, which holds no callable of Python.
    _named(root, sender)._signal(signal).connect(getattr(_named(root, receiver), slot.split("(")[0]))


def _named(root, name: str):
    if QtCore.QObject.objectName(root) == name:
        return root
    found = root.findChild(QtWidgets.QWidget, name)
    if found is None:
        raise AttributeError(f"the .ui file connects {name!r}, which it does not contain")
    return found


def install(qt) -> None:
    """Make the loader an attribute of the module ``qt``."""
    qt.QUiLoader = QUiLoader
