"""Cases from DICOM studies: the series that are needed, as NIfTI files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from medsynth_core import __version__
from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import make_folder
from medsynth_core.io.dicom.choice import MODALITIES, image_series
from medsynth_core.io.dicom.derived_mark import is_synthetic
from medsynth_core.io.dicom.reading import read_series
from medsynth_core.io.dicom.series import Series, find_series
from medsynth_core.io.writing import write_labelled
from medsynth_core.progress import Progress, ProgressCallback

# A PatientID that may serve as the name of a case: a short code, and with a digit, as names have none.
CODE = re.compile(r"(?=.*\d)[A-Za-z0-9][A-Za-z0-9_-]{0,15}")


@dataclass(frozen=True)
class _Examination:
    """Series that make a case: those of one study, or of all studies of a patient."""

    patient: str
    series: list[Series]


def cases_from_dicom(
    root: str | Path,
    roles: Mapping[str, str],
    output: str | Path,
    progress: Progress | ProgressCallback | None = None,
) -> list[Case]:
    """Write the images of DICOM studies as ``OUTPUT/CASE/ROLE.nii.gz``, and return the cases, without a split.

    A study that has an image of every role is a case. A patient without such a study, but with all images in several
    studies (a CT and an MR on different days), is one case. Of several series of a modality the one with the most
    slices is taken; synthetic series do not count. What is left out or chosen, and why, is told to ``progress.log``.

    CT is written in HU, PET in SUVbw; modality and unit are written beside each image. A study whose PET cannot be
    turned into SUVbw is left out, for a data set does not mix units. Cases are called by the PatientID if that is a
    short code without a part of the patient's name, else by a hash of it; nothing else of the patient is written.

    Args:
        root: folder that is searched with all folders below it.
        roles: role → DICOM modality (``CT``, ``PT``, ``MR``), a different one for each.
        output: folder for the images; made if it is not there.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: roles that DICOM cannot tell apart, a damaged file, no study that can be used, or a file that
            cannot be written.
        Cancelled: the progress callback asked to stop.
    """
    root, output = Path(root), Path(output)
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    _check_roles(roles)
    progress(0.0, "Looking for DICOM studies")
    try:
        found = _examinations(image_series(find_series(root)), set(roles.values()), progress)
    except OSError as error:
        raise MedSynthError(f"The folder {root} cannot be read: {error.strerror or error}.") from error
    cases = []
    for index, (name, examination) in enumerate(_named(found).items()):
        progress(0.1 + 0.9 * index / len(found), f"Writing {name}")
        case = _written(name, examination, roles, output, progress)
        cases += [case] if case else []
    if not cases:
        wanted = " and ".join(sorted(set(roles.values())))
        raise MedSynthError(
            f"{root} holds no DICOM study with {wanted} images that can be used; choose another folder."
        )
    progress(1.0, "All studies are written")
    return cases


def _check_roles(roles: Mapping[str, str]) -> None:
    for role, modality in roles.items():
        if modality not in MODALITIES:
            raise MedSynthError(f"The role '{role}' has the modality '{modality}'; use one of {', '.join(MODALITIES)}.")
        if list(roles.values()).count(modality) > 1:
            raise MedSynthError(
                f"Several roles have the modality {modality}, and DICOM does not say which series is which; "
                "convert the series to image files and build the manifest from their folders."
            )


def _examinations(images: list[Series], modalities: set[str], progress: Progress) -> list[_Examination]:
    patients: dict[str, dict[str, list[Series]]] = {}
    for series in images:
        study = str(series.headers[0].get("StudyInstanceUID") or series.uid)
        patient = str(series.headers[0].get("PatientID") or "").strip() or study
        if is_synthetic(series.headers[0]):
            progress.log(
                f"{_name(patient, [series])}: the {series.modality} series '{series.description}' is left out, because "
                "it is synthetic."
            )
            continue
        patients.setdefault(patient, {}).setdefault(study, []).append(series)
    found = []
    for patient, studies in sorted(patients.items()):
        complete = [several for _, several in sorted(studies.items()) if modalities <= _modalities(several)]
        everything = [series for several in studies.values() for series in several]
        if complete:
            found += [_Examination(patient, several) for several in complete]
        elif modalities <= _modalities(everything):
            progress.log(f"{_name(patient, everything)}: the images come from {len(studies)} studies.")
            found.append(_Examination(patient, everything))
        else:
            missing = ", ".join(sorted(modalities - _modalities(everything)))
            progress.log(f"{_name(patient, everything)} is left out: it has no {missing} images.")
    return found


def _modalities(several: list[Series]) -> set[str]:
    return {series.modality for series in several}


def _named(found: list[_Examination]) -> dict[str, _Examination]:
    """Return examinations by the names of their cases; several of a patient are numbered."""
    named: dict[str, _Examination] = {}
    for examination in found:
        same = [other for other in found if other.patient == examination.patient]
        number = f"-{same.index(examination) + 1}" if len(same) > 1 else ""
        name = _name(examination.patient, examination.series) + number
        # Another patient's code may end like a number.
        while name in named:
            name += "b"
        named[name] = examination
    return named


def _name(patient: str, several: list[Series]) -> str:
    """Return what a patient is called here."""
    name = str(several[0].headers[0].get("PatientName") or "")
    # Who removed names from files may have put the code there too.
    parts = [] if name == patient else re.findall(r"[^\W\d_]{3,}", name.lower())
    if CODE.fullmatch(patient) and not any(part in patient.lower() for part in parts):
        return patient
    return "P" + blake2b(patient.encode(), digest_size=4).hexdigest()


def _written(
    name: str, examination: _Examination, roles: Mapping[str, str], output: Path, progress: Progress
) -> Case | None:
    """Write the images of a case; None, after telling why, if one of them is no volume or in no unit for it."""
    try:
        volumes = {
            role: read_series(_chosen(name, examination, modality, progress), "SUVbw" if modality == "PT" else "")
            for role, modality in roles.items()
        }
        for volume in volumes.values():
            volume.lps_frame()  # refuses sheared axes
    except MedSynthError as error:
        progress.log(f"{name} is left out: {error.message}")
        return None
    folder = output / name
    make_folder(folder)
    files = {}
    for role, volume in volumes.items():
        anonymous = volume.replace(metadata={"medsynth_version": __version__, "source": "DICOM"})
        files[role] = write_labelled(anonymous, folder / f"{role}.nii.gz")
    return Case(name, "", files, _name(examination.patient, examination.series))


def _chosen(name: str, examination: _Examination, modality: str, progress: Progress) -> Series:
    several = [series for series in examination.series if series.modality == modality]
    chosen = max(several, key=lambda series: series.slices)
    if len(several) > 1:
        progress.log(
            f"{name}: of {len(several)} {modality} series the one with most slices was taken, "
            f"'{chosen.description}' with {chosen.slices}."
        )
    return chosen
