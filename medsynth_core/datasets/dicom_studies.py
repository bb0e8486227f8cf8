"""Cases from DICOM studies: the required series, converted to NIfTI files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from medsynth_core.datasets.examinations import Examination, Wanted, Where, examinations, place_of, wanted_series
from medsynth_core.datasets.identities import FILE, Identities, Identity
from medsynth_core.datasets.manifest import Case, check_roles
from medsynth_core.datasets.patients import doubt_patients, told_apart
from medsynth_core.datasets.series_choice import Choice, choices, reason
from medsynth_core.datasets.series_doubts import doubt_choice, doubt_contrasts
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.atomic import whole_folder
from medsynth_core.io.dicom.series import Series, find_series
from medsynth_core.io.dicom.series_choice import image_series
from medsynth_core.io.dicom.series_reading import read_series
from medsynth_core.io.facts import doubts_of
from medsynth_core.io.suv.attenuation import attenuation
from medsynth_core.io.writing import write_labelled
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.version import __version__
from medsynth_core.volume import Volume


def cases_from_dicom(
    root: str | Path,
    roles: Mapping[str, str],
    output: str | Path,
    progress: Progress | ProgressCallback | None = None,
    *,
    known: Sequence[Path] = (),
) -> list[Case]:
    """Write the images of DICOM studies as ``OUTPUT/CASE/ROLE.nii.gz``, and return the cases, without a split.

    A study with an image of every role is a case. A patient without such a study, but with all images spread over
    several studies (CT and MR on different days), is one case. `series_choice.choices` says which of several series
    of a modality is used; synthetic series and maps of their errors are ignored. ``progress.log`` reports what is
    skipped or chosen, and why, what is doubtful about the images of a case, and what the reader of the chosen series
    doubts.

    CT is written in HU, PET in SUVbw; modality, unit and doubts are written to a JSON file beside each image. A study
    whose PET cannot be converted to SUVbw is skipped, because a data set must not mix units. Patients are told apart
    by the Patient ID; `patients_of` describes what is done without one. They and their cases are numbered;
    `identities` describes the table ``OUTPUT/identities.csv`` that says who they are. Nothing else of the patient is
    written.

    Args:
        root: folder to search, including all subfolders.
        roles: role → DICOM modality (``CT``, ``PT``, ``MR``), a different one for each; or a modality with a pattern
            for the Series Description (``MR:*T1*``; case is ignored).
        output: folder for the images; created if it does not exist.
        progress: called as ``progress(fraction, message)``.
        known: folders of earlier conversions into the same data set, whose patients keep their numbers.

    Raises:
        MedSynthError: two roles have the same modality, a file is damaged, no study can be used, or a file cannot be
            written.
        Cancelled: the progress callback asked to stop.
    """
    if not roles:
        raise MedSynthError("No kind of image is asked for; name the modality of each, such as ct=CT.")
    check_roles(roles)
    root, output = Path(root), Path(output)
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    wanted = wanted_series(roles)
    progress(0.0, "Looking for DICOM studies")
    try:
        found = examinations(root, image_series(find_series(root)), list(wanted.values()), progress)
    except OSError as error:
        raise MedSynthError(f"The folder {root} cannot be read: {reason_of(error)}.") from error
    identities = Identities.read(known, output)
    made: list[_Made] = []
    for index, examination in enumerate(found):
        who = identities.number(examination.patient.key, examination.study)
        progress(0.1 + 0.9 * index / len(found), f"Writing {who.case}")
        where = Where(f"{who.case} (in {place_of(root, examination.series)})", progress)
        images = _read(examination, wanted, where)
        if images:
            volumes = {role: volume for role, (_, volume) in images.items()}
            series = {role: chosen for role, (chosen, _) in images.items()}
            made.append(_Made(_written(who, volumes, output, identities), examination, series))
    if not made:
        named = " and ".join(sorted(set(map(str, wanted.values()))))
        raise MedSynthError(f"{root} contains no usable DICOM study with {named} images; choose another folder.")
    _report_all(made, wanted, output, progress)
    progress(1.0, "All studies are written")
    return [one.case for one in made]


@dataclass(frozen=True)
class _Made:
    """A case that was written, and what it was made from."""

    case: Case
    examination: Examination
    series: Mapping[str, Series]


def _report_all(made: Sequence[_Made], wanted: Mapping[str, Wanted], output: Path, progress: Progress) -> None:
    for role, one in wanted.items():
        if one.modality == "MR":
            doubt_contrasts(role, {each.case.name: each.series[role] for each in made}, progress)
    for doubt in doubt_patients(
        [(each.case.patient, each.examination.patient, one.headers[0]) for each in made for one in each.series.values()]
    ):
        progress.log(doubt)
    count, patients = len(made), len({each.case.patient for each in made})
    who = {each.examination.study: each.examination.patient for each in made}
    progress.log(
        f"{count} case{'s' * (count != 1)} of {patients} patient{'s' * (patients != 1)}, numbered; patients were told "
        f"apart by {told_apart(who)}. {output / FILE} lists who they are; do not publish it."
    )


_Images = dict[str, tuple[Series, Volume]]


def _read(examination: Examination, wanted: Mapping[str, Wanted], where: Where) -> _Images:
    """Return series and image of each role; {} if one has no series that is a volume in a usable unit."""
    by_role = {role: one.among(examination.series) for role, one in wanted.items()}
    try:
        ranked = choices(by_role)
    except MedSynthError as error:  # a tag that ranks them is damaged
        where.log(f" is skipped: {error.message}.")
        return {}
    if not ranked:
        where.log(f" is skipped: {why_none(by_role)}.")
    volumes: dict[str, Volume] = {}
    failed: set[str] = set()
    for choice in ranked:
        if failed.isdisjoint(series.uid for series in choice.series.values()) and _read_all(
            choice, ranked, volumes, failed, where
        ):
            _report(choice, ranked, by_role, failed, where)
            for series in choice.series.values():
                for warning in doubts_of(volumes[series.uid].metadata):
                    where.log(f": warning: {warning}")
            return {role: (series, volumes[series.uid]) for role, series in choice.series.items()}
    return {}


def why_none(by_role: Mapping[str, Sequence[Series]]) -> str:
    """Return why an examination with series for each role has no usable ones, as part of a sentence."""
    pets = [series for several in by_role.values() for series in several if series.modality == "PT"]
    uncorrected = [series for series in pets if attenuation(series.headers).corrected is False]
    if not uncorrected:
        return "several roles need the same series"
    return (
        f"its PT series '{uncorrected[0].description}' is not attenuation-corrected, so its SUVs are not valid "
        f"({attenuation(uncorrected[0].headers).because})"
    )


def _read_all(
    choice: Choice, ranked: Sequence[Choice], volumes: dict[str, Volume], failed: set[str], where: Where
) -> bool:
    """Read the series of a choice into ``volumes``, and return whether all can be read; others get into ``failed``."""
    for role, series in choice.series.items():
        if series.uid in volumes:
            continue
        try:
            volume = read_series(series, "SUVbw" if series.modality == "PT" else "")
            volume.lps_frame()  # refuses sheared axes
        except MedSynthError as error:
            failed.add(series.uid)
            left = any(one.series[role].uid not in failed for one in ranked)
            where.log(f"{': the next series is tried.' if left else ' is skipped:'} {error.message}")
            return False
        volumes[series.uid] = volume
    return True


def _report(
    choice: Choice, ranked: Sequence[Choice], by_role: Mapping[str, Sequence[Series]], failed: set[str], where: Where
) -> None:
    chosen = [series.uid for series in choice.series.values()]
    for role, series in choice.series.items():
        others = [other for other in by_role[role] if other.uid not in chosen]
        if others:
            where.log(
                f": of {len(others) + 1} {series.modality} series, '{series.description}' with {series.slices} slices "
                f"is used, because {reason(choice, role, ranked, failed)}; not "
                + ", ".join(f"'{other.description}' with {other.slices}" for other in others)
                + "."
            )
    for doubt in doubt_choice(choice):
        where.log(f": {doubt}")


def _written(who: Identity, volumes: Mapping[str, Volume], output: Path, identities: Identities) -> Case:
    """Write the images of a case, all or none, and list it in the table of patients; an earlier build is replaced."""
    folder = output / who.case
    with nullcontext(folder) if os.path.isdir(folder) else whole_folder(folder) as place:
        for role, volume in volumes.items():
            facts = {"medsynth_version": __version__, "source": "DICOM"}
            found = {"warnings": doubts_of(volume.metadata)} if doubts_of(volume.metadata) else {}
            doubts = {"suv": found} if found and "suv" in volume.metadata else found
            write_labelled(volume.replace(metadata={**facts, **doubts}), place / f"{role}.nii.gz")
        identities.write(output)
    return Case(who.case, "", {role: folder / f"{role}.nii.gz" for role in volumes}, who.patient)
