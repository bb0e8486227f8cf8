"""Parameters that a scene states: it may come from others, and what cannot be used is replaced by the default."""

import logging
from typing import Any

import slicer

# What parameterNodeWrapper raises for a value of the wrong type or range.
UNUSABLE = (TypeError, ValueError)


def parametersOf(kind: type, node) -> Any:
    """Return the parameters in a node as an object of a class with ``@parameterNodeWrapper``.

    Values that are no numbers, or out of their range, and references to nodes of another class are removed from the
    node first, so that they have their defaults: the wrapper would raise an exception, and no panel would open.

    Args:
        kind: the class.
        node: vtkMRMLScriptedModuleNode.
    """
    for name in kind.allParameters:
        if node.HasParameter(name) and not _isUsable(kind, name, node.GetParameter(name)):
            logging.warning("MedSynth: the scene's value of %s cannot be used; it is reset.", name)
            node.UnsetParameter(name)
    parameters = kind(node)
    for name in kind.allParameters:
        try:
            checked(parameters, name)
        except UNUSABLE:
            logging.warning("MedSynth: the scene's node for %s is of another class; it is not used.", name)
            node.RemoveNodeReferenceIDs(name)
    return parameters


def checked(parameters: Any, name: str) -> Any:
    """Return the value of a parameter.

    Raises:
        TypeError, ValueError: it is of another type or out of its range, which the wrapper checks only when it writes.
    """
    value = parameters.getValue(name)
    parameters.setValue(name, value)
    return value


def _isUsable(kind: type, name: str, text: str) -> bool:
    """Return whether the wrapper reads a text for a parameter, and would write what it has read."""
    alone = slicer.vtkMRMLScriptedModuleNode()
    alone.SetParameter(name, text)
    try:
        checked(kind(alone), name)
    except UNUSABLE:
        return False
    return True
