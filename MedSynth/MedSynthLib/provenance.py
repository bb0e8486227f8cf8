"""What a synthetic volume node says of itself: that it is synthetic, from which volume it was made, and how."""

import json
from typing import Any

from MedSynthLib import dicom_bridge as dicom

PREFIX = "MedSynth."
SYNTHETIC, SOURCE_UIDS = "MedSynth.Synthetic", "MedSynth.SourceInstanceUIDs"
INPUT, SUV_REFUSED = "MedSynth.Input", "MedSynth.SuvRefused"


def setProvenance(node, inputVolume, facts: dict[str, Any]) -> None:
    """Say on a node that it is synthetic, and forget what it was before.

    Args:
        node: gets the facts as attributes ``MedSynth.*``, and a reference to the input.
        inputVolume: what it was made from.
        facts: metadata of a ``medsynth_core.volume.Volume``.
    """
    sources = sourceUIDs(inputVolume)
    for name in list(node.GetAttributeNames()):
        if name.startswith((PREFIX, "DICOM.")):
            node.RemoveAttribute(name)
    node.SetAttribute(SYNTHETIC, "true")
    node.SetAttribute("MedSynth.InputName", inputVolume.GetName())
    node.SetNodeReferenceID(INPUT, inputVolume.GetID())
    if sources:
        node.SetAttribute(SOURCE_UIDS, " ".join(sources))
    for key, value in facts.items():
        node.SetAttribute(_attribute(key), value if isinstance(value, str) else json.dumps(value))


def textOf(node, key: str) -> str:
    """Return a fact of a node that is a text; "" where it has none."""
    return node.GetAttribute(_attribute(key)) or ""


def valueOf(node, key: str) -> Any:
    """Return a fact of a node that is no text (a number, a list, an object); None where it has none."""
    text = textOf(node, key)
    return json.loads(text) if text else None


def rememberRefusal(node, error: Exception | None) -> None:
    """Keep on a node why its values could not become SUVbw by its tags; forget it after they have."""
    if error is None:
        node.RemoveAttribute(SUV_REFUSED)
    elif getattr(error, "kind", "") == "input":  # not that memory ran out, say
        node.SetAttribute(SUV_REFUSED, str(error))


def suvRefusal(node) -> str:
    """Return why the values of a node could not become SUVbw; "" where nobody has tried, or they could."""
    return node.GetAttribute(SUV_REFUSED) or ""


def isSynthetic(node) -> bool:
    """Tell whether a node, or the DICOM series that it was loaded from, says that a model made it."""
    return node.GetAttribute(SYNTHETIC) == "true" or dicom.isSynthetic(node)


def madeFrom(node):
    """Return the volume node from which a synthetic volume was made; None for other volumes."""
    return node.GetNodeReference(INPUT)


def sourceUIDs(node) -> list[str]:
    """Return the UIDs of the DICOM instances from which a node was loaded or, on whatever way, made."""
    return dicom.instanceUIDs(node) or (node.GetAttribute(SOURCE_UIDS) or "").split()


def _attribute(key: str) -> str:
    return PREFIX + "".join(part[:1].upper() + part[1:] for part in key.split("_"))
