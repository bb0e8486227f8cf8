"""Widgets and the parameters of a scene that follow each other, and observers that outlive nothing."""

import logging
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import vtk
from slicer.parameterNodeWrapper import createGuiConnector

from MedSynthLib.connections import GONE
from MedSynthLib.scene_parameters import LiveParameters, unusable

# VTK calls observers of lower priority later: the wrapper's own observers first give removed parameters their defaults.
_AFTER_THE_WRAPPER = -1.0


class ParameterGui:
    """Keeps widgets and the parameters of a node equal, until it is closed.

    The wrapper's own ``connectGui`` does this too, but what Slicer 5.10 connects cannot be disconnected: its observer
    stays in the node, and the next change of the node ends the process once the wrapper has been garbage-collected.

    Args:
        parameters: the parameters.
        widgets: the widgets by the names of their parameters.
        onChanged: called as ``onChanged(caller, event)`` after each change of the node.
    """

    def __init__(
        self, parameters: LiveParameters, widgets: Mapping[str, Any], onChanged: Callable[[Any, Any], None]
    ) -> None:
        self._parameters, self._onChanged = parameters, onChanged
        self._showing, self._isCurrent = False, False
        self._connectors = {
            name: createGuiConnector(widget, parameters.wrapper.dataType(name)) for name, widget in widgets.items()
        }
        self._show()
        for name, connector in self._connectors.items():
            connector.onChanged(self._taker(name, connector))
        observer = weakly(self._onModified)
        self._tag = parameters.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, observer, _AFTER_THE_WRAPPER)

    def close(self) -> None:
        """Leave node and widgets alone from now on, also if the widgets no longer exist."""
        self._parameters.parameterNode.RemoveObserver(self._tag)
        while self._connectors:
            _name, connector = self._connectors.popitem()
            try:
                connector.onChanged(None)
            except GONE:
                continue

    def _taker(self, name: str, connector: Any) -> Callable[[], None]:
        """Return a function that writes the value of a widget into its parameter."""

        def take() -> None:
            if not self._showing:
                setattr(self._parameters, name, connector.read())

        return take

    def _onModified(self, caller: Any, event: Any) -> None:
        self._show()
        self._onChanged(caller, event)

    def _show(self) -> None:
        """Show the values of the parameters in the widgets, and write only to those that cannot be used."""
        self._isCurrent = False
        if self._showing:
            return
        self._showing = True
        try:
            while not self._isCurrent:  # what is told of a widget may change parameters that were shown before
                self._isCurrent = True
                self._showOnce()
        finally:
            self._showing = False

    def _showOnce(self) -> None:
        parameters = self._parameters
        # Written by a script, or by a scene that was added to this one.
        for name in self._unusable():
            logging.warning("MedSynth: the value of %s cannot be used; the one before is kept.", name)
            setattr(parameters, name, self._connectors[name].read())
        for name in self._unusable():  # a node that has been hidden since it was chosen
            parameters.parameterNode.RemoveNodeReferenceIDs(name)
        for name, connector in self._connectors.items():
            value = getattr(parameters, name)
            if connector.read() != value:  # else a number that is being typed would be written in full
                connector.write(value)

    def _unusable(self) -> list[str]:
        found = unusable(type(self._parameters.wrapper), self._parameters.parameterNode)
        return [name for name in found if name in self._connectors]


def weakly(method: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Return an observer for ``AddObserver`` that calls a bound method as long as its object lives.

    A VTK object shows its observers to Python's garbage collector, which takes the object of an observer for garbage
    if it refers back to the node and nothing else refers to either; the node itself lives on in the scene, and would
    call what has been freed.
    """
    reference = weakref.WeakMethod(method)

    def call(caller: Any, event: Any) -> None:
        found = reference()
        if found is not None:
            found(caller, event)

    return call
