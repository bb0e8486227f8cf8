"""Studies in DICOM files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePath

from medsynth_core.batches.study import Study, lacking, required_roles
from medsynth_core.datasets.examinations import Examination, examinations, place_of, wanted_series
from medsynth_core.datasets.series_choice import choices
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.dicom.errors import path_of
from medsynth_core.io.dicom.series import find_series
from medsynth_core.io.dicom.series_choice import image_series
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.progress import Progress


def studies_in_dicom(
    root: Path, contract: SynthesisContract, patterns: Mapping[str, str], progress: Progress
) -> list[Study]:
    """Return the DICOM studies below ``root`` with a series for each input; arguments as for `list_studies`.

    They are named after their folders. Where several are in one folder, a number that stays the same is added. Neither
    tells more of the patient than the folders do.

    Raises:
        MedSynthError: the folder cannot be read, a file is damaged, a pattern is not understood, or there is no such
            study.
    """
    required = required_roles(contract)
    stated = {role: patterns.get(role, side.modality) for role, side in contract.inputs.items()}
    wanted = wanted_series({role: stated[role] for role in stated if role in required or role in patterns})
    try:
        found = examinations(root, image_series(find_series(root)), list(wanted.values()), progress)
    except OSError as error:
        raise MedSynthError(f"The folder {root} cannot be read: {reason_of(error)}.") from error
    if not found:
        kinds = " and ".join(sorted({str(one) for one in wanted.values()}))
        raise MedSynthError(
            f"{root} has neither image files nor a DICOM study with {kinds} images; choose another folder."
        )
    at_place = Counter(_place(root, one) for one in found)
    studies = []
    for one in found:
        place = _place(root, one)
        name = f"{place}_{_number(one)}" if at_place[place] > 1 else place
        ranked = choices({role: each.among(one.series) for role, each in wanted.items()})
        chosen = ranked[0].series if ranked else {}
        series = {role: tuple(Path(path_of(header)) for header in each.headers) for role, each in chosen.items()}
        files = {role: several[0] for role, several in series.items()}
        studies.append(Study(name, files, series, problem=lacking(name, files, required)))
    return studies


def _place(root: Path, one: Examination) -> str:
    return "_".join(PurePath(place_of(root, one.series)).parts) or root.resolve().name


def _number(one: Examination) -> str:
    return hashlib.sha256(one.study.encode()).hexdigest()[:8]
