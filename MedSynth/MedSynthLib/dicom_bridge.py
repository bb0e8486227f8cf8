"""What Slicer's DICOM database knows of the series that a volume node was loaded from."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError

INSTANCE_UIDS = "DICOM.instanceUIDs"
MODALITY, UNITS, SUV_TYPE = "0008,0060", "0054,1001", "0054,1006"
STUDY_UID, SERIES_UID = "0020,000D", "0020,000E"
SYNTHETIC_DATA, SERIES_DESCRIPTION = "0008,001C", "0008,103E"
# With this MedSynth begins the series description of what it exports; it survives where Synthetic Data does not.
SYNTHETIC_MARK = "SYNTHETIC"
UNIT_OF_TAG = {"BQML": "Bq/mL", "CM2ML": "SUVbsa"}
SUV_OF_TYPE = {
    "": "SUVbw", "BW": "SUVbw", "LBM": "SUVlbm", "LBMJAMES128": "SUVlbm-james", "LBMJANMA": "SUVlbm-janma",
    "BSA": "SUVbsa", "IBW": "SUVibw",
}  # fmt: skip


def instanceUIDs(volumeNode) -> list[str]:
    """Return the UIDs of the DICOM instances that a node was loaded from; [] where it was not."""
    return (volumeNode.GetAttribute(INSTANCE_UIDS) or "").split()


def valueOf(volumeNode, tag: str) -> str:
    """Return a tag of the first instance of a node; "" where the database knows none, or not this node."""
    uids, database = instanceUIDs(volumeNode), _database()
    return database.instanceValue(uids[0], tag).strip() if uids and database else ""


def modalityOf(volumeNode) -> str:
    """Return the modality of a node's series; "" where the database does not know it."""
    return valueOf(volumeNode, MODALITY)


def unitOf(volumeNode) -> str:
    """Return the unit in which a node's PET series is stored, as MedSynth or else DICOM names it; "" if unknown."""
    if modalityOf(volumeNode) != "PT":
        return ""
    unit = valueOf(volumeNode, UNITS)
    if unit == "GML":
        return SUV_OF_TYPE.get(valueOf(volumeNode, SUV_TYPE), "SUV")
    return UNIT_OF_TAG.get(unit, unit)


def isConverted(volumeNode, unit: str) -> bool:
    """Tell whether the unit of a node is another than that of its series, so that the series' factors do not hold."""
    own = unitOf(volumeNode)
    return bool(unit and own) and unit != own


def isSynthetic(volumeNode) -> bool:
    """Tell whether a node's series says that a model made it."""
    marked = valueOf(volumeNode, SERIES_DESCRIPTION).startswith(SYNTHETIC_MARK)
    return marked or valueOf(volumeNode, SYNTHETIC_DATA) == "YES"


def seriesFacts(volumeNode) -> dict[str, str]:
    """Return the UIDs of study and series of a node, by their DICOM keywords, as far as they are known."""
    facts = {
        "StudyInstanceUID": valueOf(volumeNode, STUDY_UID), "SeriesInstanceUID": valueOf(volumeNode, SERIES_UID),
    }  # fmt: skip
    return {keyword: uid for keyword, uid in facts.items() if uid}


def fileOf(uid: str) -> Path | None:
    """Return the file of an instance; None where the database does not know it."""
    database = _database()
    file = database.fileForInstance(uid) if database else ""
    return Path(file) if file else None


def filesOf(volumeNode) -> list[Path]:
    """Return the files that a node was loaded from.

    Raises:
        MedSynthError: it was not loaded from DICOM, or the database does not know all of its instances.
    """
    uids, name = instanceUIDs(volumeNode), volumeNode.GetName()
    if not uids:
        raise MedSynthError(
            _(
                "The volume {name} was not loaded from DICOM, so nothing says how its values become SUV; "
                "import its DICOM series."
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
    """Return Slicer's DICOM database, None where there is none to ask."""
    database = getattr(slicer, "dicomDatabase", None)
    return database if database is not None and database.isOpen else None
