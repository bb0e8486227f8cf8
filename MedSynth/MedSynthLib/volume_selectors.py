"""Selectors of volumes for as many roles as a model or a recipe has; the scene keeps what is chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from MedSynthLib.connections import Connections
from MedSynthLib.input_follower import InputFollower
from MedSynthLib.messages import asItIs, plainLabel
from MedSynthLib.scene_parameters import isListed

CHANGED = "currentNodeChanged(vtkMRMLNode*)"
CLASS = "vtkMRMLScalarVolumeNode"


@dataclass(frozen=True)
class VolumeSlot:
    """What a selector asks for.

    Attributes:
        role: role of the image in the model or recipe.
        caption: label in front of the selector.
        toolTip: tool tip of the selector.
        empty: what the selector shows while no volume is chosen.
    """

    role: str
    caption: str
    toolTip: str = ""
    empty: str = ""


class VolumeSelectors:
    """Rows of a form, each a caption and a selector of scalar volumes, shown for as many roles as are asked for.

    The choice for a role is a node reference of the parameter node. ``parameterNodeWrapper`` could keep it as
    ``dict[str, vtkMRMLScalarVolumeNode]``, but caches the nodes of a dictionary, so that they would outlive their
    scene; MRML itself drops a reference when its node is removed.

    Args:
        form: form layout that gets the rows.
        row: row of the form in which the first selector is inserted.
        reference: name of the node references; the role follows after a dot.
        onModified: called as ``onModified(caller, event)`` when a chosen volume has been modified. Another choice
            modifies the parameter node instead.
    """

    def __init__(self, form, row: int, reference: str, onModified: Callable[[Any, Any], None]) -> None:
        self._form, self._row, self._reference, self._onModified = form, row, reference, onModified
        self._slots: tuple[VolumeSlot, ...] = ()
        self._rows: list[_Row] = []
        self._parameterNode: Any = None

    def follow(self, parameterNode) -> None:
        """Keep the choices in a parameter node (vtkMRMLScriptedModuleNode); with None nothing of a scene is held."""
        self._parameterNode = parameterNode
        if parameterNode is None:
            for row in self._rows:
                row.follower.clear()

    def show(self, slots: Sequence[VolumeSlot], enabled: bool = True) -> None:
        """Show a selector for each slot, with what is chosen for its role; the other rows are hidden."""
        self._slots = tuple(slots)
        while len(self._rows) < len(self._slots):
            self._addRow()
        chosen = self.chosen()
        for index, row in enumerate(self._rows):
            slot = self._slots[index] if index < len(self._slots) else None
            row.show(slot, chosen.get(slot.role) if slot else None)
            row.selector.enabled = enabled

    def chosen(self) -> dict[str, Any]:
        """Return the chosen volume nodes by role; a role without one is left out."""
        if self._parameterNode is None:
            return {}
        nodes = {slot.role: self._parameterNode.GetNodeReference(self._name(slot.role)) for slot in self._slots}
        # A scene of others may refer to anything.
        return {role: node for role, node in nodes.items() if node is not None and isListed(node, CLASS)}

    def selector(self, role: str):
        """Return the selector for a role; None if none is shown for it."""
        return next(
            (row.selector for row, slot in zip(self._rows, self._slots, strict=False) if slot.role == role), None
        )

    def close(self) -> None:
        """Disconnect the selectors; nothing of the scene is observed from then on."""
        self.follow(None)
        while self._rows:
            self._rows.pop().disconnect()

    def _addRow(self) -> None:
        row = _Row(lambda role, node: self._choose(role, node), self._onModified)
        self._form.insertRow(self._row + len(self._rows), row.caption, row.selector)
        self._rows.append(row)

    def _choose(self, role: str, node) -> None:
        if self._parameterNode is not None:
            self._parameterNode.SetNodeReferenceID(self._name(role), node.GetID() if node is not None else None)

    def _name(self, role: str) -> str:
        return f"{self._reference}.{role}"


class _Row:
    """A caption and a selector, for one role after the other.

    Args:
        onChosen: called as ``onChosen(role, node)`` when the user chooses a volume, or None.
        onModified: see `VolumeSelectors`.
    """

    def __init__(self, onChosen: Callable[[str, Any], None], onModified: Callable[[Any, Any], None]) -> None:
        self._onChosen, self._role = onChosen, ""
        self.follower = InputFollower(onModified, lambda: None)
        self.caption, self.selector = plainLabel(), slicer.qMRMLNodeComboBox()
        self.selector.nodeTypes = [CLASS]
        self.selector.showChildNodeTypes = False
        self.selector.noneEnabled = True
        self.selector.addEnabled = self.selector.removeEnabled = False
        self.selector.setMRMLScene(slicer.mrmlScene)
        self._connections = Connections()
        self._connections.connect(self.selector, CHANGED, self._choose)

    def show(self, slot: VolumeSlot | None, node) -> None:
        self.caption.visible = self.selector.visible = slot is not None
        self._role = slot.role if slot else ""
        self.follower.follow(node)
        if slot is None:
            return
        self.caption.text, self.selector.toolTip = slot.caption, asItIs(slot.toolTip)
        self.selector.noneDisplay = slot.empty or _("None")
        wasBlocked = self.selector.blockSignals(True)
        self.selector.setCurrentNode(node)
        self.selector.blockSignals(wasBlocked)

    def disconnect(self) -> None:
        self._connections.close()

    def _choose(self, node) -> None:
        if self._role:
            self._onChosen(self._role, node)
