"""Widgets and the parameters of a scene that follow each other, and observers that outlive nothing."""

import logging
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import vtk
from slicer.parameterNodeWrapper import createGuiConnector

from MedSynthLib.connections import GONE
from MedSynthLib.scene_parameters import unusable

# Observers of lower priority are called later. The wrapper keeps values and updates them by observers of its own, of
# priority 0, and among observers of the same priority VTK calls the one that was added first last.
_AFTER_THE_WRAPPER = -1.0


class ParameterGui:
    """Keeps widgets and the parameters of a parameter node wrapper equal, until it is closed.

    The wrapper's own ``connectGui`` does this too, but what Slicer 5.10 connects cannot be disconnected: its observer
    stays in the node, and the next change of the node ends the process once the wrapper has been garbage-collected.

    Args:
        parameters: what a class with ``@parameterNodeWrapper`` makes of a node.
        widgets: the widgets by the names of their parameters.
        onChanged: called as ``onChanged(caller, event)`` after each change of the node.
    """

    def __init__(self, parameters: Any, widgets: Mapping[str, Any], onChanged: Callable[[Any, Any], None]) -> None:
        self._parameters, self._onChanged, self._showing = parameters, onChanged, False
        self._connectors = {
            name: createGuiConnector(widget, parameters.dataType(name)) for name, widget in widgets.items()
        }
        self._show()
        for name, connector in self._connectors.items():
            connector.onChanged(self._taker(name, connector))
        observer = weakly(self._onModified)
        self._tag = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, observer, _AFTER_THE_WRAPPER)

    def close(self) -> None:
        """Leave node and widgets alone from now on, also if the widgets no longer exist."""
        self._parameters.RemoveObserver(self._tag)
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
                self._parameters.setValue(name, connector.read())

        return take

    def _onModified(self, caller: Any, event: Any) -> None:
        self._show()
        self._onChanged(caller, event)

    def _show(self) -> None:
        """Show the values of the parameters in the widgets, and write only to those that cannot be used."""
        if self._showing:
            return
        self._showing = True
        try:
            # Written by a script, or by a scene that was added to this one.
            for name in self._connectors.keys() & unusable(type(self._parameters), self._parameters.parameterNode):
                logging.warning("MedSynth: the value of %s cannot be used; the one before is kept.", name)
                self._parameters.setValue(name, self._connectors[name].read())
            for name, connector in self._connectors.items():
                connector.write(self._parameters.getValue(name))
        finally:
            self._showing = False


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
