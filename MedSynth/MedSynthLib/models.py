"""The models in the library, and whether a volume fits one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib import dicom_bridge as dicom
from MedSynthLib.further_inputs import misfitsOf
from MedSynthLib.provenance import isSynthetic
from MedSynthLib.volume_bridge import coreVolume


@dataclass(frozen=True)
class Fit:
    """Whether volumes can be the inputs of a model.

    ``convertible`` and ``comparable`` refer to the first input; ``misfits``, ``assumption`` and ``synthetic`` to all.

    Attributes:
        misfits: a sentence for each reason why they cannot; () if they can.
        convertible: whether it is a PET that may be converted to SUVbw, which the model takes, with its DICOM tags.
        assumption: sentences about volumes that fit: the unit assumed of one that states none, doubts about values,
            and voxels that are averaged; "" if there is nothing to say.
        synthetic: whether a model made one of the volumes.
        comparable: whether output and input of the model have the same modality and unit.
        count: how many volumes were checked.
    """

    misfits: tuple[str, ...]
    convertible: bool = False
    assumption: str = ""
    synthetic: bool = False
    comparable: bool = False
    count: int = 1


def availableModels() -> list:
    """Return a summary of each synthesis model in the library; [] while the packages to read them are missing."""
    try:
        from medsynth_core.models.library import list_models
    except ImportError:  # missing, or too old
        return []
    return [model for model in list_models() if model.kind == "synthesis"]


def availableGenerators() -> list:
    """Return a summary of each generator of volumes in the library; [] while the packages to read them are missing.

    Images in colour are no volumes, so their models are left out.
    """
    try:
        from medsynth_core.generation.available import list_generators
    except ImportError:
        return []
    return [model for model in list_generators() if not model.in_colour]


def fitOf(volumeNode, model: str, further: Mapping[str, Any] | None = None) -> Fit:
    """Return whether volume nodes can be the inputs of a model of the library.

    Args:
        volumeNode: scalar volume for the first, or only, input.
        model: name of the model.
        further: volume nodes for the other inputs by role.
    """
    from medsynth_core.models.library import load_model

    try:
        contract, volume = load_model(model).synthesis.contract, coreVolume(volumeNode)
        contract.check_one_output()
    except MedSynthError as problem:
        return Fit((problem.message,))
    given, wanted = contract.output, contract.input
    misfits = contract.misfits(volume)
    uids = dicom.instanceUIDs(volumeNode)
    isOtherPet = volume.modality == "PT" and wanted.unit == "SUVbw" and volume.unit != "SUVbw"
    ofSeries = bool(uids) and not dicom.isConverted(volumeNode, volume.unit)
    if isOtherPet and uids and not volume.unit and not misfits:
        misfits = [_("The unit of the volume is not known, and this model takes SUVbw; convert the volume first.")]
    others = further or {}
    misfits = misfits + misfitsOf(contract, volumeNode, others)
    return Fit(
        tuple(misfits),
        convertible=isOtherPet and ofSeries and dicom.fileOf(uids[0]) is not None,
        assumption="" if misfits else _assumptions(contract, volume, others),
        synthetic=any(isSynthetic(node) for node in (volumeNode, *others.values())),
        comparable=(given.modality, given.unit) == (wanted.modality, wanted.unit),
        count=1 + len(others),
    )


def _assumptions(contract, volume, further: Mapping[str, Any]) -> str:
    others = [f"{role}: {note}" for role, node in further.items() for note in contract.notes(coreVolume(node), role)]
    return " ".join([*contract.notes(volume), *others])
