"""The mark of synthetic DICOM objects, and its detection."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from medsynth_core.io.suv.tags import listed, plain, text
from medsynth_core.volume import Volume

MARK = "SYNTHETIC - not for diagnosis"
# The mark of a map of errors, after MARK in the series description, and value 3 of its image type.
ERROR_MAP, ERROR_MAP_TYPE = "ERROR MAP", "ERROR_MAP"
# The standard attribute, by number because pydicom before version 3 does not know its keyword (SyntheticData).
SYNTHETIC_DATA: BaseTag = Tag(0x0008, 0x001C)
SYNTHESIZING_EQUIPMENT = ("109100", "DCM", "Synthesizing Equipment")
# Tags that a selective reader must read for `is_synthetic`.
MARK_TAGS = (SYNTHETIC_DATA, Tag("ContributingEquipmentSequence"), Tag("SeriesDescription"), Tag("ImageType"))


def missing_mark(volume: Volume, name: str) -> list[str]:
    """Return a warning if a volume to be exported as synthetic does not state that it is synthetic; else [].

    Args:
        volume: the volume to export.
        name: name of the volume in the message.
    """
    if volume.metadata.get("synthetic"):
        return []
    return [f"Warning: {name} does not state that it is synthetic, but the exported series will."]


def is_synthetic(header: Dataset) -> bool:
    """Return whether the header of a DICOM object states that its pixels were made by a model.

    The mark is Synthetic Data (0008,001C), contributing equipment with the purpose of synthesizing, or a series
    description that begins with `MARK`. MedSynth has always written all three; systems that drop unknown attributes
    and sequences keep the last. The image type says nothing: for PET it is that of any derived image.

    Args:
        header: header with at least the tags of `MARK_TAGS`, if the object has them.
    """
    stated = header.get(SYNTHETIC_DATA)
    # If the VR is not stated, pydicom before version 3 returns bytes.
    if stated is not None and plain(stated.value) == "YES":
        return True
    if text(header, "SeriesDescription").startswith(MARK):
        return True
    return any(
        (purpose.get("CodeValue"), purpose.get("CodingSchemeDesignator")) == SYNTHESIZING_EQUIPMENT[:2]
        for equipment in header.get("ContributingEquipmentSequence") or []
        for purpose in equipment.get("PurposeOfReferenceCodeSequence") or []
    )


def is_error_map(header: Dataset) -> bool:
    """Return whether the pixels of a DICOM object are the errors of a synthetic image, not an image of the patient.

    Args:
        header: header with at least the tags of `MARK_TAGS`, if the object has them.
    """
    called = text(header, "SeriesDescription").startswith(f"{MARK}: {ERROR_MAP}")
    return called or ERROR_MAP_TYPE in listed(header, "ImageType")
