"""Parameters that a scene states: it may come from others, and what cannot be used is replaced by the default."""

import logging
from typing import Any

import slicer


def parametersOf(kind: type, node) -> Any:
    """Return the parameters in a node as an object of a class with ``@parameterNodeWrapper``.

    Values that are no numbers, or out of their range, and references to nodes of another class are removed from the
    node first, so that they have their defaults: the wrapper would raise an exception, and no panel would open.

    Args:
        kind: the class.
        node: vtkMRMLScriptedModuleNode.
    """
    for name in unusable(kind, node):
        logging.warning("MedSynth: the scene's value of %s cannot be used; it is reset.", name)
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)
    return kind(node)


def unusable(kind: type, node) -> list[str]:
    """Return the parameters that a node has, but that the wrapper cannot read or would not write; write nothing.

    A wrapper of the node itself would raise exceptions in its observers, which VTK prints, and check only what it
    writes. Therefore what it reads and writes with is asked.
    """
    other, found = slicer.vtkMRMLScriptedModuleNode(), []
    for name, parameter in kind.allParameters.items():
        serializer = parameter.serializer
        try:
            if serializer.isIn(node, name):
                serializer.write(other, name, serializer.read(node, name))
        except (TypeError, ValueError):
            found.append(name)
    return found
