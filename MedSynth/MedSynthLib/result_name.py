"""Names of results: what MedSynth calls them, and renaming a volume that gets the result of another model or input."""

import re

import slicer
from slicer.i18n import tr as _

from medsynth_core.modality import MODALITIES, modality_name
from MedSynthLib import provenance


def baseName(inputName: str, modality: str) -> str:
    """Return the name of a result, before it is made unique in the scene."""
    return _("{input} synthetic {modality}").format(input=inputName, modality=modality_name(modality))


def isOwnName(node) -> bool:
    """Return whether a volume has the name that MedSynth gave it as a result; not if the user named it."""
    names = [baseName(node.GetAttribute(provenance.INPUT_NAME) or "", modality) for modality in MODALITIES]
    return bool(provenance.textOf(node, "model")) and _withoutNumber(node) in names


def rename(node, name: str, companions: list) -> None:
    """Give a volume that MedSynth named the name of its new result, and likewise the volumes that belong to it.

    Args:
        node: the volume, with the provenance of its earlier result; one that the user named keeps its name.
        name: `baseName` of the new result.
        companions: volumes that are named after it.
    """
    former = node.GetName()
    if not isOwnName(node) or _withoutNumber(node) == name:
        return
    node.SetName(slicer.mrmlScene.GenerateUniqueName(name))
    for companion in companions:
        if companion is not None and companion.GetName().startswith(f"{former} "):
            rest = companion.GetName().removeprefix(former)
            companion.SetName(slicer.mrmlScene.GenerateUniqueName(f"{node.GetName()}{rest}"))


def _withoutNumber(node) -> str:
    """Return the name of a node without the number that made it unique in the scene."""
    return re.sub(r"_\d+$", "", node.GetName())
