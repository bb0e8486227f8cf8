"""Which patient the series of a DICOM study belong to."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import FileDataset

from medsynth_core.io.dicom.errors import path_of
from medsynth_core.io.dicom.series import Series
from medsynth_core.io.suv.tags import text

# What programs write where they remove an ID or a name. Numbered ones ("Anonymous 7") tell patients apart.
_PLACEHOLDER = re.compile(
    r"\W*|0+|x+|anon(?:ym\w*)?(?:[ ^]?(?:patient|name))?|de-?identified|unknown|removed|redacted|none|null|n/?a"
    r"|no ?(?:name|id)|(?:patient|subject)(?:[ ^]?(?:name|id))?",
    re.IGNORECASE,
)
# De-identification leaves the year of birth, and 1 January; most 1900.
_NO_BIRTHDAY = re.compile(r"1900.*|.*0101|0*")
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


def alike_patients(numbers: Mapping[Patient, str]) -> list[str]:
    """Return the numbers of patients whose IDs differ only in letter case, spaces or signs, as ``001 and 002``."""
    alike: dict[str, set[str]] = defaultdict(set)
    for patient, number in numbers.items():
        if patient.is_sure:
            alike[re.sub(r"[\W_]", "", patient.key).casefold()].add(number)
    return [" and ".join(sorted(several)) for several in alike.values() if len(several) > 1]


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
    if not _is_placeholder(name):
        return Patient(name, "name")
    if born and sex and not _NO_BIRTHDAY.fullmatch(born):
        return Patient(f"born {born}, {sex}", "birth date and sex")
    return Patient(f"folder {folder}", "folder") if folder else Patient(study_of(series), "nothing but the study")


def _id(header: FileDataset) -> str:
    stated = text(header, "PatientID").strip()
    return "" if _is_placeholder(stated) else stated


def _other_ids(header: FileDataset) -> list[str]:
    listed = header.get("OtherPatientIDs") or []
    several = [listed] if isinstance(listed, str) else list(listed)
    several += [text(item, "PatientID") for item in header.get("OtherPatientIDsSequence") or []]
    return sorted(str(one).strip() for one in several if not _is_placeholder(str(one)))


def _is_placeholder(stated: str) -> bool:
    return _PLACEHOLDER.fullmatch(stated.strip()) is not None


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
