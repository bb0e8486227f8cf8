"""The series in a folder, by patient and examination."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from medsynth_core.datasets.patients import Patient, patients_of, study_of
from medsynth_core.errors import MedSynthError
from medsynth_core.io.dicom.errors import path_of
from medsynth_core.io.dicom.series import Series
from medsynth_core.io.dicom.synthetic_mark import is_synthetic
from medsynth_core.modality import MODALITIES
from medsynth_core.progress import Progress


@dataclass(frozen=True)
class Wanted:
    """The series that a role needs: a modality, and a pattern for the Series Description; "" for any."""

    modality: str
    pattern: str = ""

    def among(self, several: Sequence[Series]) -> list[Series]:
        """Return those of ``several`` that the role may use."""
        return [series for series in several if series.modality == self.modality and self._fits(series.description)]

    def _fits(self, description: str) -> bool:
        return not self.pattern or fnmatchcase(description.strip().lower(), self.pattern.lower())

    def __str__(self) -> str:
        return f"{self.modality} ('{self.pattern}')" if self.pattern else self.modality


@dataclass(frozen=True)
class Examination:
    """The series of one case: those of one study, or of all studies of a patient."""

    patient: Patient
    series: list[Series]

    @property
    def study(self) -> str:
        """The UIDs of its studies."""
        return " ".join(sorted({study_of(series) for series in self.series}))


@dataclass(frozen=True)
class Where:
    """A case in messages, and where they go."""

    name: str
    progress: Progress

    def log(self, message: str) -> None:
        """Log what goes on after the name of the case."""
        self.progress.log(f"{self.name}{message}")


def wanted_series(roles: Mapping[str, str]) -> dict[str, Wanted]:
    """Return what each role needs, from ``CT`` or ``MR:*T1*``.

    Raises:
        MedSynthError: a modality is unknown, or two roles need the same series.
    """
    wanted = {}
    for role, stated in roles.items():
        modality, _, pattern = stated.partition(":")
        if modality not in MODALITIES:
            raise MedSynthError(
                f"The role '{role}' has the unknown modality '{modality}'; use one of {', '.join(MODALITIES)}."
            )
        wanted[role] = Wanted(modality, pattern)
    for role, one in wanted.items():
        alike = [other for other in wanted.values() if other.modality == one.modality]
        if len(alike) > 1 and (not one.pattern or alike.count(one) > 1):
            raise MedSynthError(
                f"Several roles have the modality {one.modality}, but DICOM does not state which series belongs to "
                f"which role; add a pattern of the series description to each, such as {role}={one.modality}:*T1*."
            )
    return wanted


def examinations(
    root: Path, images: Sequence[Series], wanted: Sequence[Wanted], progress: Progress
) -> list[Examination]:
    """Return the examinations with a series for each role; ``progress.log`` says which others there are."""
    acquired = _acquired(root, images, progress)
    patients = patients_of(acquired, root)
    by_patient: dict[str, dict[str, list[Series]]] = defaultdict(lambda: defaultdict(list))
    for series in acquired:
        by_patient[patients[series.uid].key][study_of(series)].append(series)
    found = []
    for _, studies in sorted(by_patient.items()):
        several = [one for _, one in sorted(studies.items())]
        patient = patients[several[0][0].uid]
        found += _of_patient(root, patient, several, wanted, progress)
    return found


def place_of(root: Path, several: Sequence[Series]) -> str:
    """Return the folder of some series below ``root``, by which the user knows them."""
    folders = [Path(path_of(header)).parent for series in several for header in series.headers]
    return os.path.relpath(os.path.commonpath(folders), root if root.is_dir() else root.parent)


def _of_patient(
    root: Path, patient: Patient, studies: Sequence[list[Series]], wanted: Sequence[Wanted], progress: Progress
) -> list[Examination]:
    complete = [several for several in studies if not _lacking(several, wanted)]
    everything = [series for several in studies for series in several]
    where = Where(place_of(root, everything), progress)
    if complete:
        return [Examination(patient, several) for several in complete]
    if _lacking(everything, wanted):
        where.log(f" is skipped: it has no {', '.join(_lacking(everything, wanted))} images.")
        return []
    if not patient.is_sure:
        where.log(
            f" is skipped: none of its {len(studies)} studies has all images, and that they are of one patient is only "
            f"known from the {patient.evidence}."
        )
        return []
    where.log(f": the images come from {len(studies)} studies of the patient.")
    return [Examination(patient, everything)]


def _lacking(several: Sequence[Series], wanted: Sequence[Wanted]) -> list[str]:
    return sorted({str(one) for one in wanted if not one.among(several)})


def _acquired(root: Path, images: Sequence[Series], progress: Progress) -> list[Series]:
    """Return the series that were acquired, not made by a model."""
    made = [series for series in images if is_synthetic(series.headers[0])]
    for series in made:
        Where(place_of(root, [series]), progress).log(
            f": the {series.modality} series '{series.description}' is skipped because it is synthetic."
        )
    return [series for series in images if series not in made]
