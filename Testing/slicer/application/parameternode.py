"""``slicer.parameterNodeWrapper``: typed attributes on a parameter node, and their widgets."""

from __future__ import annotations

import dataclasses
import typing
import weakref

import slicer
import vtk
from PySide6 import QtWidgets

from application import VERSION


@dataclasses.dataclass
class WithinRange:
    """A number's smallest and largest value."""

    minimum: float
    maximum: float

    def validate(self, value) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} and {self.maximum}")


class _Serializer:
    """Reads and writes a value of one type, kept as text or as a node reference."""

    def __init__(self, kind: type, validators: list[WithinRange]) -> None:
        self.kind, self.validators = kind, validators
        self.isNode = isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)
        if not self.isNode and kind not in (int, float, str, bool):
            raise TypeError(f"cannot keep a {kind} in a parameter node")

    def isIn(self, node, name: str) -> bool:
        return node.HasParameter(name)

    def read(self, node, name: str):
        """Return what a node has, which is not validated."""
        if self.isNode:
            return node.GetNodeReference(name)
        text = node.GetParameter(name)
        return text == "True" if self.kind is bool else self.kind(text)

    def write(self, node, name: str, value) -> None:
        if not (self.isNode and value is None) and not isinstance(value, self.kind):
            raise TypeError(f"{name} must be a {self.kind.__name__}, not {value!r}")
        for validator in self.validators:
            validator.validate(value)
        # A reference has an empty text as well, by which None differs from nothing.
        node.SetParameter(name, "" if self.isNode else str(value))
        if self.isNode:
            node.SetNodeReferenceID(name, value.GetID() if value else None)


def _serializerOf(annotation) -> _Serializer:
    extras = getattr(annotation, "__metadata__", ())
    kind = annotation.__origin__ if extras else annotation
    return _Serializer(kind, [extra for extra in extras if isinstance(extra, WithinRange)])


class _Parameter:
    """One typed attribute of a wrapper."""

    def __init__(self, name: str, annotation, default) -> None:
        self.name, self.annotation, self.serializer = name, annotation, _serializerOf(annotation)
        self.default = default if default is not None or self.serializer.isNode else self.serializer.kind()

    def __get__(self, wrapper, owner=None):
        return self if wrapper is None else wrapper.values[self.name].value

    def __set__(self, wrapper, value) -> None:
        wrapper.values[self.name].write(value)

    def read(self, node):
        """Return the value that a node has; first give it the default if it has none."""
        if not self.serializer.isIn(node, self.name):
            self.serializer.write(node, self.name, self.default)
        return self.serializer.read(node, self.name)


class _Kept:
    """A parameter's value as a wrapper keeps it: read again by an observer of its own after each change of the node.

    Slicer keeps it so, and VTK calls the node's first observer last: another observer may find the value from before.
    """

    def __init__(self, parameter: _Parameter, node) -> None:
        self.parameter, self.node, self._writing = parameter, node, False
        self.value = parameter.read(node)
        kept = weakref.ref(self)
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: kept().readAgain())

    def __del__(self) -> None:
        if hasattr(self, "_tag"):
            self.node.RemoveObserver(self._tag)

    def readAgain(self) -> None:
        if not self._writing:
            self.value = self.parameter.read(self.node)

    def write(self, value) -> None:
        self._writing, before = True, self.node.StartModify()
        try:
            self.parameter.serializer.write(self.node, self.parameter.name, value)
            self.value = self.parameter.read(self.node)
        finally:
            self.node.EndModify(before)
            self._writing = False


class GuiConnector:
    """Reads and writes the value of a widget, and calls back when the user changes it."""

    def __init__(self, widget, changed) -> None:
        self.widget, self._changed, self._callback = widget, changed, None

    def onChanged(self, callback) -> None:
        """Call ``callback`` after each change; with None, nothing."""
        if callback is None:
            self._changed.disconnect(self.changed)
        else:
            self._changed.connect(self.changed)
        self._callback = callback

    def changed(self, *_) -> None:
        if self._callback is not None:
            self._callback()


class _NodeConnector(GuiConnector):
    def __init__(self, widget, type_: _Serializer) -> None:
        super().__init__(widget, widget.currentNodeChanged)
        widget.nodeTypes = [type_.kind.__name__]

    def read(self):
        return self.widget.currentNode()

    def write(self, value) -> None:
        self.widget.setCurrentNode(value)


class _ValueConnector(GuiConnector):
    def __init__(self, widget, attribute: str, changed) -> None:
        super().__init__(widget, changed)
        self.attribute = attribute

    def read(self):
        return getattr(self.widget, self.attribute)

    def write(self, value) -> None:
        setattr(self.widget, self.attribute, value)


def createGuiConnector(widget, annotation) -> GuiConnector:
    """Return what joins a widget's value to a parameter, chosen by the exact types as Slicer does."""
    import qt

    type_ = _serializerOf(annotation)
    if type_.isNode and type(widget) is slicer.qMRMLNodeComboBox:
        return _NodeConnector(widget, type_)
    if type_.kind is int and type(widget) is qt.QSpinBox:
        for limits in type_.validators:
            widget.setRange(limits.minimum, limits.maximum)
        return _ValueConnector(widget, "value", widget.valueChanged)
    if type_.kind is float and type(widget) is qt.QDoubleSpinBox:
        for limits in type_.validators:
            widget.setRange(limits.minimum, limits.maximum)
        return _ValueConnector(widget, "value", widget.valueChanged)
    if type_.kind is bool and type(widget) is qt.QCheckBox:
        return _ValueConnector(widget, "checked", widget.stateChanged)
    raise RuntimeError(f"Unable to connect a {type(widget).__name__} to a {type_.kind}")


class _Wrapper:
    """What every wrapped class can do."""

    allParameters: dict[str, _Parameter]

    def __init__(self, parameterNode) -> None:
        self.parameterNode, self._guis, self._nextTag, self._updating = parameterNode, {}, 0, False
        self.values = {parameter.name: _Kept(parameter, parameterNode) for parameter in self.allParameters.values()}

    @classmethod
    def dataType(cls, name: str):
        """Return the annotated type, which `createGuiConnector` takes."""
        return cls.allParameters[name].annotation

    def getValue(self, name: str):
        return getattr(self, name)

    def setValue(self, name: str, value) -> None:
        setattr(self, name, value)

    def connectGui(self, gui) -> None:
        """As in Slicer, there is no tag: what is connected in this way stays connected."""
        children = gui.findChildren(QtWidgets.QWidget) if isinstance(gui, QtWidgets.QWidget) else vars(gui).values()
        widgets = {widget.property("SlicerParameterName"): widget for widget in children}
        widgets.pop(None, None)
        self.connectParametersToGui(widgets)

    def connectParametersToGui(self, widgets: dict) -> int:
        unknown = set(widgets) - set(self.allParameters)
        if unknown:
            raise ValueError(f"Cannot find a param with the given name: {unknown}")
        connectors = {name: createGuiConnector(w, self.dataType(name)) for name, w in widgets.items()}
        for name, connector in connectors.items():
            connector.write(getattr(self, name))
            connector.onChanged(self._writer(name, connector))
        tag, self._nextTag = self._nextTag, self._nextTag + 1
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._updateGuis())
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, tag: int) -> None:
        connectors, observer = self._guis.pop(tag, ({}, None))
        for connector in connectors.values():
            connector.onChanged(None)
        if observer is not None and VERSION != "5.10":
            self.RemoveObserver(observer)

    def AddObserver(self, event, callback, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def _writer(self, name: str, connector: GuiConnector):
        def write():
            if not self._updating:
                setattr(self, name, connector.read())

        return write

    def _updateGuis(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            for connectors, _ in self._guis.values():
                for name, connector in connectors.items():
                    connector.write(getattr(self, name))
        finally:
            self._updating = False


def parameterNodeWrapper(described: type) -> type:
    """Return a wrapper of a parameter node with the typed attributes that ``described`` declares."""
    hints = typing.get_type_hints(described, include_extras=True)
    parameters = {name: _Parameter(name, hint, getattr(described, name, None)) for name, hint in hints.items()}
    return type(described.__name__, (_Wrapper,), {**parameters, "allParameters": parameters})


PUBLIC = {
    "parameterNodeWrapper": parameterNodeWrapper,
    "WithinRange": WithinRange,
    "createGuiConnector": createGuiConnector,
}
