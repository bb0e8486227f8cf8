"""The studies in Slicer's DICOM database that have a series of some modality."""

from collections.abc import Iterator
from dataclasses import dataclass

import slicer

from medsynth_core.batches.study_number import name_of_number, number_of
from MedSynthLib.dicom_bridge import MODALITY

PATIENT_NAME, STUDY_DATE, STUDY_DESCRIPTION = "0010,0010", "0008,0020", "0008,1030"


@dataclass(frozen=True)
class DatabaseStudy:
    """A study of the DICOM database.

    Attributes:
        uid: its Study Instance UID.
        text: patient, date and description, and the name of the folder of its results, for lists on the screen.
        files: the files of all its series.
    """

    uid: str
    text: str
    files: tuple[str, ...]


def studiesWith(modality: str) -> list[DatabaseStudy]:
    """Return the studies of the DICOM database with a series of a modality; [] if no database is open."""
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return []
    return [study for uid in _studies(database) if (study := _study(database, uid, modality)) is not None]


def _studies(database) -> Iterator[str]:
    for patient in database.patients():
        yield from database.studiesForPatient(patient)


def _study(database, uid: str, modality: str) -> DatabaseStudy | None:
    series = database.seriesForStudy(uid)
    firsts = [instances[0] for one in series if (instances := database.instancesForSeries(one))]
    if modality not in [database.instanceValue(first, MODALITY).strip() for first in firsts]:
        return None
    facts = [database.instanceValue(firsts[0], tag).strip() for tag in (PATIENT_NAME, STUDY_DATE, STUDY_DESCRIPTION)]
    text = f"{', '.join(fact for fact in facts if fact)} ({name_of_number(number_of(uid))})".strip()
    return DatabaseStudy(uid, text, tuple(file for one in series for file in database.filesForSeries(one)))
