"""Studies in DICOM files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from medsynth_core.batches.study import Study, name_of_parts, required_roles
from medsynth_core.batches.study_number import name_of_number, number_of
from medsynth_core.datasets.dicom_studies import why_none
from medsynth_core.datasets.examinations import Examination, Wanted, examinations, wanted_series
from medsynth_core.datasets.series_choice import choices
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.dicom.errors import path_of
from medsynth_core.io.dicom.series import Series, series_in
from medsynth_core.io.dicom.series_choice import image_series
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.progress import Progress


def studies_in_dicom(
    root: Path,
    files: list[Path],
    contract: SynthesisContract,
    patterns: Mapping[str, str],
    progress: Progress,
    numbered: bool = False,
) -> list[Study]:
    """Return the DICOM studies in files below ``root`` with a series for each input; arguments as for `list_studies`.

    They are named after the folder of the series of the first input. Where several studies are in one folder, a number
    that stays the same is added. Neither tells more of the patient than the folders do. A folder with a damaged file
    is a study that fails, because nobody knows what the file belongs to. With ``numbered`` the number alone is the name
    (`name_of_number`).

    Raises:
        MedSynthError: a folder cannot be read, a pattern is not understood, or there is no such study.
    """
    required = required_roles(contract)
    stated = {role: patterns.get(role, side.modality) for role, side in contract.inputs.items()}
    wanted = wanted_series({role: stated[role] for role in stated if role in required or role in patterns})
    damaged: dict[Path, str] = {}
    try:
        series = image_series(series_in(files, lambda file, error: _note(damaged, file, error)))
        found = examinations(root, series, list(wanted.values()), progress)
    except OSError as error:
        raise MedSynthError(f"The folder {root} cannot be read: {reason_of(error)}.") from error
    studies = [_study(one, wanted, contract.input_role, damaged) for one in found]
    seen = {folder for one in found for each in one.series for folder in _folders(each)}
    studies += [(folder, Study("", problem=problem), "") for folder, problem in damaged.items() if folder not in seen]
    if not studies:
        kinds = " and ".join(sorted({str(one) for one in wanted.values()}))
        raise MedSynthError(
            f"{root} has neither image files nor a DICOM study with {kinds} images; choose another folder."
        )
    if numbered:
        return [
            replace(study, name=name_of_number(number or number_of(str(folder)))) for folder, study, number in studies
        ]
    at_place = Counter(folder for folder, _, _ in studies)
    return [
        replace(study, name=_name(root, folder, number if at_place[folder] > 1 else ""))
        for folder, study, number in studies
    ]


def _note(damaged: dict[Path, str], file: Path, error: MedSynthError) -> None:
    damaged.setdefault(file.parent, error.message)


def _folders(series: Series) -> set[Path]:
    return {Path(path_of(header)).parent for header in series.headers}


def _study(
    one: Examination, wanted: Mapping[str, Wanted], first: str, damaged: Mapping[Path, str]
) -> tuple[Path, Study, str]:
    """Return the folder, the study still without a name, and the number of an examination."""
    number = number_of(one.study)
    by_role = {role: each.among(one.series) for role, each in wanted.items()}
    problem = ""
    try:
        ranked = choices(by_role)
        if not ranked:
            problem = f"The study cannot be used: {why_none(by_role)}."
    except MedSynthError as error:  # a tag that ranks the series is damaged
        ranked, problem = [], error.message
    chosen = ranked[0].series if ranked else {role: several[0] for role, several in by_role.items()}
    problem = problem or next((damaged[at] for each in chosen.values() for at in _folders(each) if at in damaged), "")
    series = {role: tuple(Path(path_of(header)) for header in each.headers) for role, each in chosen.items()}
    folder = Path(os.path.commonpath(_folders(chosen[first])))
    return folder, Study("", {role: files[0] for role, files in series.items()}, series, problem=problem), number


def _name(root: Path, folder: Path, number: str) -> str:
    parts = Path(os.path.relpath(folder, root)).parts or (root.resolve().name,)
    return name_of_parts([*parts, *([number] if number else [])])
