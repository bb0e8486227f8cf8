"""How a DICOM object says that it is synthetic, and how that is recognised again."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from medsynth_core.io.suv.tags import plain

MARK = "SYNTHETIC - not for diagnosis"
# The standard's own statement, by number: pydicom before version 3 does not know its keyword (SyntheticData).
SYNTHETIC_DATA: BaseTag = Tag(0x0008, 0x001C)
SYNTHESIZING_EQUIPMENT = ("109100", "DCM", "Synthesizing Equipment")
# What a reader that looks at few tags has to ask for, so that `is_synthetic` can tell.
MARK_TAGS = (SYNTHETIC_DATA, Tag("ContributingEquipmentSequence"))


def is_synthetic(header: Dataset) -> bool:
    """Tell whether the header of a DICOM object states that its pixels were made by a model.

    It does so by Synthetic Data (0008,001C), or by a contributing equipment whose purpose was synthesizing.
    MedSynth writes both; the second one survives systems that drop attributes which they do not know.

    Args:
        header: with at least the tags of `MARK_TAGS`, where the object has them.
    """
    stated = header.get(SYNTHETIC_DATA)
    # Without stated types, pydicom before version 3 gives bytes.
    if stated is not None and plain(stated.value) == "YES":
        return True
    return any(
        (purpose.get("CodeValue"), purpose.get("CodingSchemeDesignator")) == SYNTHESIZING_EQUIPMENT[:2]
        for equipment in header.get("ContributingEquipmentSequence") or []
        for purpose in equipment.get("PurposeOfReferenceCodeSequence") or []
    )
