"""Parameters that a scene states.

It may come from others, so that what cannot be used is replaced by the default; and others may change it at any time.
"""

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


class LiveParameters:
    """The parameters of a node as it has them, by the names that they have as attributes of the wrapper.

    The wrapper itself keeps values: an observer that is called before its own ones finds those from before a change,
    and it misses for good how an observer changes the parameter that it is writing.

    Args:
        wrapper: what `parametersOf` returns; it gives a parameter that is removed from the node its default.
    """

    def __init__(self, wrapper: Any) -> None:
        vars(self).update(wrapper=wrapper, parameterNode=wrapper.parameterNode)

    def __getattr__(self, name: str) -> Any:
        return self._serializer(name).read(self.parameterNode, name)

    def __setattr__(self, name: str, value: Any) -> None:
        with slicer.util.NodeModify(self.parameterNode):
            self._serializer(name).write(self.parameterNode, name, value)

    def _serializer(self, name: str) -> Any:
        parameters = vars(self)["wrapper"].allParameters
        if name not in parameters:
            raise AttributeError(f"there is no parameter {name}")
        return parameters[name].serializer


def isListed(node, className: str) -> bool:
    """Return whether a selector of a class of volumes, and not of those derived from it, lists a node.

    A panel uses no other node, because it could not show which one it uses.
    """
    return node.GetClassName() == className and not node.GetHideFromEditors()


def unusable(kind: type, node) -> list[str]:
    """Return the parameters of a node that cannot be used.

    The wrapper cannot read them or would not write them, or they are nodes that no selector lists.

    A wrapper of the node itself would raise exceptions in its observers, which VTK prints, and check only what it
    writes. Therefore what it reads and writes with is asked, and nothing is written.
    """
    other, found = slicer.vtkMRMLScriptedModuleNode(), []
    for name, parameter in kind.allParameters.items():
        serializer = parameter.serializer
        try:
            if serializer.isIn(node, name):
                value = serializer.read(node, name)
                serializer.write(other, name, value)
                if isinstance(value, slicer.vtkMRMLNode) and not isListed(value, kind.dataType(name).__name__):
                    found.append(name)
        except (TypeError, ValueError):
            found.append(name)
    return found
