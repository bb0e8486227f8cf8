"""Attributes of a synthetic volume node: that it is synthetic, from which volume it was made, and how."""

import json
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

import slicer

from medsynth_core.io.json_reading import parse_json
from MedSynthLib import dicom_bridge as dicom

PREFIX = "MedSynth."
INPUT_NAME = "MedSynth.InputName"
SYNTHETIC, SOURCE_UIDS = "MedSynth.Synthetic", "MedSynth.SourceInstanceUIDs"
Kind = TypeVar("Kind", float, list, dict)
INPUT, FURTHER, SUV_REFUSED = "MedSynth.Input", "MedSynth.FurtherInput", "MedSynth.SuvRefused"


def setProvenance(node, inputVolume, facts: dict[str, Any], further: Mapping[str, Any] | None = None) -> None:
    """Mark a node as synthetic, and remove attributes of what it was before.

    Args:
        node: gets the facts as attributes ``MedSynth.*``, and references to the inputs.
        inputVolume: the volume that it was made from, whose grid it has; None if it was made from noise.
        facts: metadata of a ``medsynth_core.volume.Volume``.
        further: the other volumes that it was made from by role; their names are in ``MedSynth.FurtherInputNames``.
    """
    for name in list(node.GetAttributeNames()):
        if name.startswith((PREFIX, "DICOM.")):
            node.RemoveAttribute(name)
    node.SetAttribute(SYNTHETIC, "true")
    node.SetNodeReferenceID(INPUT, inputVolume.GetID() if inputVolume is not None else None)
    if inputVolume is not None:
        setSource(node, inputVolume)
    _setFurther(node, further or {})
    for key, value in facts.items():
        node.SetAttribute(_attribute(key), value if isinstance(value, str) else json.dumps(value))


def setSource(node, inputVolume) -> None:
    """State on a node the name of the volume that it was made from, and the DICOM instances of that one."""
    node.SetAttribute(INPUT_NAME, inputVolume.GetName())
    sources = sourceUIDs(inputVolume)
    if sources:
        node.SetAttribute(SOURCE_UIDS, " ".join(sources))


def _setFurther(node, further: Mapping[str, Any]) -> None:
    node.RemoveNodeReferenceIDs(FURTHER)
    for other in further.values():
        if slicer.mrmlScene.IsNodePresent(other):  # not removed while the worker was computing
            node.AddNodeReferenceID(FURTHER, other.GetID())
    if further:
        node.SetAttribute(FURTHER + "Names", json.dumps({role: other.GetName() for role, other in further.items()}))


def textOf(node, key: str) -> str:
    """Return a fact of a node that is a text; "" if it has none."""
    return node.GetAttribute(_attribute(key)) or ""


def modelFacts(node) -> dict[str, str]:
    """Return which model made a node, as far as it is known."""
    return {key: value for key in ("model", "model_version", "weights_sha256") if (value := textOf(node, key))}


def valueOf(node, key: str, kind: type[Kind]) -> Kind | None:
    """Return a fact of a node that is not a text; None if it has none, or one that cannot be used.

    A scene may come from others, who can write anything into the attributes of its nodes.

    Args:
        node: a volume node.
        key: name of the fact, as in ``medsynth_core.volume.Volume.metadata``.
        kind: ``float`` (for whole numbers too), ``list`` or ``dict``.
    """
    try:
        value = parse_json(textOf(node, key))
    except ValueError:
        return None
    return kind(value) if isUsable(value, kind) else None


def isUsable(value: Any, kind: type) -> bool:
    """Return whether a value is of a kind (see `valueOf`); a number must be finite."""
    if kind is not float:
        return isinstance(value, kind)
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def rememberRefusal(node, error: Exception | None) -> None:
    """Keep on a node why its values could not be converted to SUVbw by its tags, or remove that after they were."""
    if error is None:
        node.RemoveAttribute(SUV_REFUSED)
    elif getattr(error, "kind", "") == "input":  # not for other errors, such as lack of memory
        node.SetAttribute(SUV_REFUSED, str(error))


def suvRefusal(node) -> str:
    """Return why the values of a node could not be converted to SUVbw; "" if that was not tried, or succeeded."""
    return node.GetAttribute(SUV_REFUSED) or ""


def isSynthetic(node) -> bool:
    """Return whether a node, or the DICOM series that it was loaded from, is marked as made by a model."""
    return node.GetAttribute(SYNTHETIC) == "true" or dicom.isSynthetic(node)


def isErrorMap(node) -> bool:
    """Return whether a node shows the errors of a synthetic volume, or was loaded from a series that does."""
    return bool(textOf(node, "error_of_model")) or dicom.isErrorMap(node)


def madeFrom(node):
    """Return the volume node from which a synthetic volume was made; None for other volumes."""
    return node.GetNodeReference(INPUT)


def isFor(node, model: str, inputs: tuple) -> bool:
    """Return whether a volume can get the next result of a model for some inputs: it holds no result of others.

    Also not one whose inputs have been removed from the scene, which nobody can make again.

    Args:
        node: volume node.
        model: name of the model.
        inputs: the volume nodes that the next result is made from.
    """
    if not textOf(node, "model"):
        return True
    further = [node.GetNthNodeReference(FURTHER, index) for index in range(node.GetNumberOfNodeReferences(FURTHER))]
    ofTheSame = textOf(node, "model") == model and madeFrom(node) in inputs[:1]
    areThere = len(further) == len(valueOf(node, "further_input_names", dict) or {})
    return ofTheSame and areThere and all(other in inputs for other in further)


def sourceUIDs(node) -> list[str]:
    """Return the UIDs of the DICOM instances that a node was loaded from, or directly or indirectly made from."""
    return dicom.instanceUIDs(node) or (node.GetAttribute(SOURCE_UIDS) or "").split()


def _attribute(key: str) -> str:
    return PREFIX + "".join(part[:1].upper() + part[1:] for part in key.split("_"))
