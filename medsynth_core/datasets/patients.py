"""Which patient the series of a DICOM study belong to."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.dataset import FileDataset

from medsynth_core.datasets.spelling import is_placeholder, spelling
from medsynth_core.io.dicom.errors import path_of
from medsynth_core.io.dicom.series import Series
from medsynth_core.io.suv.tags import text

# De-identification leaves the year of birth, and 1 January; most 1900.
_NO_BIRTHDAY = re.compile(r"1900.*|.*0101|0*")
# Patients that a sentence names.
MOST_NAMED = 5
_SURE = ("Patient ID", "Other Patient IDs", "name")


@dataclass(frozen=True)
class Patient:
    """A patient, and what tells this patient from others.

    Attributes:
        key: text that is the same in all series of the patient.
        evidence: where it is from, in words.
    """

    key: str
    evidence: str

    @property
    def is_sure(self) -> bool:
        """Whether series of several studies belong together beyond doubt, so that one case may use them."""
        return self.evidence in _SURE


def patients_of(images: Sequence[Series], root: Path) -> dict[str, Patient]:
    """Return the patient of each series by its UID.

    The first of these that is stated tells the patient: Patient ID, also that of another series of the study; one of
    the Other Patient IDs; the name; birth date and sex; the folder in which folders of patients lie side by side; the
    study. Placeholders such as "Anonymous" do not count.
    """
    stated: dict[str, set[str]] = defaultdict(set)
    for series in images:
        if one := _id(series.headers[0]):
            stated[study_of(series)].add(one)
    folders = _folders(images, root)
    found = {}
    for series in images:
        of_study = stated[study_of(series)]
        own = _id(series.headers[0]) or (next(iter(of_study)) if len(of_study) == 1 else "")
        found[series.uid] = Patient(own, "Patient ID") if own else _without_id(series, folders.get(series.uid, ""))
    return found


def study_of(series: Series) -> str:
    """Return the Study Instance UID of a series, or the UID of the series if there is none."""
    return text(series.headers[0], "StudyInstanceUID") or series.uid


def doubt_patients(numbers: Sequence[tuple[str, Patient, FileDataset]]) -> list[str]:
    """Return which patients may be one person: a sentence each, with their numbers.

    Args:
        numbers: the number of the patient, the patient and a header of each study.
    """
    ids: dict[tuple[str, ...], set[str]] = defaultdict(set)
    persons: dict[tuple[tuple[str, ...], str], set[str]] = defaultdict(set)
    for number, patient, header in numbers:
        if patient.is_sure:
            ids[spelling(patient.key)].add(number)
            ids[("", re.sub(r"[\W_]", "", patient.key.casefold()))].add(number)
        if person := _person(header):
            persons[person].add(number)
    doubts = [
        *(("IDs that differ only in letter case, signs or leading zeros", several) for several in _groups(ids)),
        *(("the same name and birth date, but different IDs", several) for several in _groups(persons)),
    ]
    return [
        f"Patients {_listed(several)} have {what}; if they are one person, give them one number in the column patient "
        "of the manifest."
        for what, several in doubts
    ]


def _groups(numbers: Mapping[Any, set[str]]) -> list[tuple[str, ...]]:
    """Return the numbers of several patients that share a key, each group once."""
    return list(dict.fromkeys(tuple(sorted(several)) for several in numbers.values() if len(several) > 1))


def _listed(numbers: Sequence[str]) -> str:
    named = [*numbers[:MOST_NAMED], f"{len(numbers) - MOST_NAMED} others"] if len(numbers) > MOST_NAMED else numbers
    return f"{', '.join(named[:-1])} and {named[-1]}"


def _person(header: FileDataset) -> tuple[tuple[str, ...], str] | None:
    """Return name and birth date; None if either is missing or a placeholder."""
    name, born = text(header, "PatientName"), text(header, "PatientBirthDate").strip()
    known = not is_placeholder(name) and born and not _NO_BIRTHDAY.fullmatch(born)
    return (spelling(name), born) if known else None


def told_apart(patients: Mapping[str, Patient]) -> str:
    """Return, as part of a sentence, what told the patients apart, and what to check if that was not their ID.

    Args:
        patients: the patient of each study that became a case.
    """
    counts = Counter(patient.evidence for patient in patients.values())
    if set(counts) <= {"Patient ID"}:
        return "their Patient ID"
    listed = ", ".join(
        f"{evidence} ({number} {'study' if number == 1 else 'studies'})" for evidence, number in counts.most_common()
    )
    if all(patient.is_sure for patient in patients.values()):
        return listed
    return (
        f"{listed}. Studies without a Patient ID may belong to one person, whose images must not be in both training "
        "and test: check them, and correct the column patient of the manifest before it is split"
    )


def _without_id(series: Series, folder: str) -> Patient:
    header = series.headers[0]
    born, sex, name = text(header, "PatientBirthDate"), text(header, "PatientSex"), text(header, "PatientName")
    others = _other_ids(header)
    if others:
        return Patient(others[0], "Other Patient IDs")
    if not is_placeholder(name):
        return Patient(name, "name")
    if born and sex and not _NO_BIRTHDAY.fullmatch(born):
        return Patient(f"born {born}, {sex}", "birth date and sex")
    return Patient(f"folder {folder}", "folder") if folder else Patient(study_of(series), "nothing but the study")


def _id(header: FileDataset) -> str:
    stated = text(header, "PatientID").strip()
    return "" if is_placeholder(stated) else stated


def _other_ids(header: FileDataset) -> list[str]:
    listed = header.get("OtherPatientIDs") or []
    several = [listed] if isinstance(listed, str) else list(listed)
    several += [text(item, "PatientID") for item in header.get("OtherPatientIDsSequence") or []]
    return sorted(str(one).strip() for one in several if not is_placeholder(str(one)))


def _folders(images: Sequence[Series], root: Path) -> dict[str, str]:
    """Return for each series the folder below which only its patient lies, if several studies lie in it.

    Folders of patients lie side by side in one folder. If each of them has a single study, they may as well be folders
    of studies, which say nothing.
    """
    below = {series.uid: _parts(series, root) for series in images}
    shared = len(os.path.commonprefix(list(below.values()))) if below else 0
    studies: dict[str, set[str]] = defaultdict(set)
    found = {
        series.uid: "/".join(below[series.uid][: shared + 1]) for series in images if len(below[series.uid]) > shared
    }
    for series in images:
        studies[found.get(series.uid, "")].add(study_of(series))
    return {uid: folder for uid, folder in found.items() if len(studies[folder]) > 1}


def _parts(series: Series, root: Path) -> tuple[str, ...]:
    folder = Path(path_of(series.headers[0])).parent
    return folder.relative_to(root).parts if root.is_dir() and folder.is_relative_to(root) else ()
