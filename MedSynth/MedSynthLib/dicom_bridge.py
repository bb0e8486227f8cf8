"""Facts from Slicer's DICOM database about the series that a volume node was loaded from."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.ucum import unit_of_tags

INSTANCE_UIDS = "DICOM.instanceUIDs"
MODALITY, UNITS, SUV_TYPE = "0008,0060", "0054,1001", "0054,1006"
STUDY_UID, SERIES_UID = "0020,000D", "0020,000E"
SYNTHETIC_DATA, SERIES_DESCRIPTION = "0008,001C", "0008,103E"


def instanceUIDs(volumeNode) -> list[str]:
    """Return the UIDs of the DICOM instances that a node was loaded from; [] if it was not loaded from DICOM."""
    return (volumeNode.GetAttribute(INSTANCE_UIDS) or "").split()


def valueOf(volumeNode, tag: str) -> str:
    """Return the value of a tag in the first instance of a node; "" if it is not in the database."""
    uids, database = instanceUIDs(volumeNode), _database()
    return database.instanceValue(uids[0], tag).strip() if uids and database else ""


def modalityOf(volumeNode) -> str:
    """Return the modality of a node's series; "" if it is not in the database."""
    return valueOf(volumeNode, MODALITY)


def unitOf(volumeNode) -> str:
    """Return the unit of a node's PET series, by MedSynth's name or else by DICOM's; "" if unknown."""
    if modalityOf(volumeNode) != "PT":
        return ""
    return unit_of_tags(valueOf(volumeNode, UNITS), valueOf(volumeNode, SUV_TYPE))


def isConverted(volumeNode, unit: str) -> bool:
    """Return whether a node has another unit than its series, so that the series' SUV factor does not apply to it."""
    own = unitOf(volumeNode)
    return bool(unit and own) and unit != own


def isSynthetic(volumeNode) -> bool:
    """Return whether a node's series is marked as made by a model."""
    from medsynth_core.io.dicom.synthetic_mark import MARK

    # Programs that drop the attribute Synthetic Data, which they do not know, keep the series description.
    marked = valueOf(volumeNode, SERIES_DESCRIPTION).startswith(MARK)
    return marked or valueOf(volumeNode, SYNTHETIC_DATA) == "YES"


def isErrorMap(volumeNode) -> bool:
    """Return whether a node's series is marked as the errors of a synthetic series."""
    from medsynth_core.io.dicom.synthetic_mark import ERROR_MAP, MARK

    return valueOf(volumeNode, SERIES_DESCRIPTION).startswith(f"{MARK}: {ERROR_MAP}")


def seriesFacts(volumeNode) -> dict[str, str]:
    """Return the UIDs of a node's study and series by their DICOM keywords, as far as they are known."""
    facts = {
        "StudyInstanceUID": valueOf(volumeNode, STUDY_UID), "SeriesInstanceUID": valueOf(volumeNode, SERIES_UID),
    }  # fmt: skip
    return {keyword: uid for keyword, uid in facts.items() if uid}


def fileOf(uid: str) -> Path | None:
    """Return the file of an instance; None if it is not in the database."""
    database = _database()
    file = database.fileForInstance(uid) if database else ""
    return Path(file) if file else None


def filesOf(volumeNode) -> list[Path]:
    """Return the files that a node was loaded from.

    Raises:
        MedSynthError: it was not loaded from DICOM, or some of its instances are not in the database.
    """
    uids, name = instanceUIDs(volumeNode), volumeNode.GetName()
    if not uids:
        raise MedSynthError(
            _(
                "The volume {name} was not loaded from DICOM, so its values cannot be converted to SUV; "
                "load it from its DICOM series."
            ).format(name=name)
        )
    files = [file for uid in uids if (file := fileOf(uid)) is not None]
    if len(files) < len(uids):
        raise MedSynthError(
            _(
                "{missing} of the {count} DICOM files of the volume {name} are not in Slicer's DICOM database; "
                "import the series again."
            ).format(missing=len(uids) - len(files), count=len(uids), name=name)
        )
    return files


def _database():
    """Return Slicer's DICOM database; None if it is not open."""
    database = getattr(slicer, "dicomDatabase", None)
    return database if database is not None and database.isOpen else None
