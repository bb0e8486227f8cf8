"""The models that can be chosen, and whether a volume fits one."""

from dataclasses import dataclass

from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib import dicom_bridge as dicom
from MedSynthLib.volume_bridge import coreVolume


@dataclass(frozen=True)
class Fit:
    """What was found about a volume as the input of a model.

    Attributes:
        misfits: a sentence for each reason why it cannot be; () if it can.
        convertible: whether it is a PET that its DICOM series may turn into the SUVbw that the model takes.
        assumption: what is taken for granted of a volume that fits but states no unit; "" if it does.
        synthetic: whether a model made the volume.
        comparable: whether the model gives what it takes, modality and unit, so that a difference means something.
    """

    misfits: tuple[str, ...]
    convertible: bool = False
    assumption: str = ""
    synthetic: bool = False
    comparable: bool = False


def availableModels() -> list:
    """Return a summary of each model in the library; none while the packages to read them are missing."""
    try:
        from medsynth_core.models.library import list_models
    except ImportError:  # missing, or too old
        return []
    return list_models()


def fitOf(volumeNode, model: str) -> Fit:
    """Return whether a volume node can be the input of a model of the library."""
    from medsynth_core.models.library import load_model

    try:
        contract, volume = load_model(model).contract, coreVolume(volumeNode)
    except MedSynthError as problem:
        return Fit((problem.message,))
    given, wanted = contract.output, contract.input
    misfits = contract.misfits(volume)
    uids = dicom.instanceUIDs(volumeNode)
    isOtherPet = volume.modality == "PT" and wanted.unit == "SUVbw" and volume.unit != "SUVbw"
    ofSeries = bool(uids) and not dicom.isConverted(volumeNode, volume.unit)
    if isOtherPet and uids and not volume.unit and not misfits:
        misfits = [_("Nothing says what unit the volume is in, but this model takes SUVbw; convert it first.")]
    return Fit(
        tuple(misfits),
        convertible=isOtherPet and ofSeries and dicom.fileOf(uids[0]) is not None,
        assumption="" if misfits else contract.assumption(volume),
        synthetic=volume.is_synthetic,
        comparable=(given.modality, given.unit) == (wanted.modality, wanted.unit),
    )
