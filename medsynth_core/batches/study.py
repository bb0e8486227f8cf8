"""What a batch works on: studies, each with the files of a model's inputs."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from medsynth_core.datasets.case_names import LONGEST_NAME, check_folder_names, folder_name_problem
from medsynth_core.errors import MedSynthError
from medsynth_core.io.nifti import PAIR_SUFFIXES
from medsynth_core.io.reading import ITK_SUFFIXES, NIFTI_SUFFIXES
from medsynth_core.io.sidecar import split_suffix
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.text import visible

# Ends of the names of image files, in small letters.
IMAGES = (*NIFTI_SUFFIXES, *ITK_SUFFIXES, *PAIR_SUFFIXES)


@dataclass(frozen=True)
class Study:
    """One study of a batch.

    Attributes:
        name: unique name, also of the folder of its results.
        files: role → image file, DICOM folder, or a file of the DICOM series.
        series: role → all files of the DICOM series, where they are known.
        reference: real image that the first result is compared with; None for none.
        problem: sentence that says why it cannot be computed, where that is known from the list; "" if it can.
    """

    name: str
    files: dict[str, Path] = field(default_factory=dict)
    series: dict[str, tuple[Path, ...]] = field(default_factory=dict)
    reference: Path | None = None
    problem: str = ""


def check_names(studies: Sequence[Study], source: Path) -> None:
    """Check that there are studies, and that each has a folder of its own.

    Raises:
        MedSynthError: there is none, two have the same name, or a name cannot be that of a folder.
    """
    if not studies:
        raise MedSynthError(f"{source} has no study; choose another file or folder.")
    seen: dict[str, Study] = {}
    for study in studies:
        other = seen.setdefault(unicodedata.normalize("NFC", study.name), study)
        if other is not study:
            places = " and ".join(str(next(iter(each.files.values()), each.name)) for each in (other, study))
            raise MedSynthError(
                f"Two studies of {source} have the name '{study.name}' ({places}); give each a unique name."
            )
    check_folder_names(study.name for study in studies)


def name_of(path: PurePath) -> str:
    """Return the name of the study in an image file, whatever else is there.

    It consists of the names of the folders and of the file: ``P1/ct.nii.gz`` → ``P1_ct``. Where a file already begins
    with the name of its first folder, as in BIDS, that of the file is enough.

    Args:
        path: relative to the folder of all studies.
    """
    stem = split_suffix(path)[0]
    if len(path.parts) > 1 and stem.startswith(path.parts[0]):
        return name_of_parts([stem])
    return name_of_parts([*path.parts[:-1], stem])


def name_of_parts(parts: Sequence[str]) -> str:
    """Return a name of names of folders and files that can be that of a folder on every system.

    Signs that some system does not allow are replaced, and long names are shortened; a number of the whole keeps both
    apart from others.
    """
    whole = "_".join(parts)
    name = re.sub(r'[/\\:*?"<>|]', "_", visible(whole)).lstrip(". ~-").rstrip(". ")
    if name == whole and not folder_name_problem(name):
        return name
    short = name.encode()[: LONGEST_NAME - 20].decode(errors="ignore")
    return f"{short or 'study'}_{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def required_roles(contract: SynthesisContract) -> list[str]:
    """Return the roles of the inputs that a model cannot do without."""
    return [role for role, side in contract.inputs.items() if not side.optional]


def lacking(name: str, files: Iterable[str], required: Iterable[str]) -> str:
    """Return a sentence on the first required role without a file; "" if all have one."""
    there = set(files)
    missing = next((role for role in required if role not in there), "")
    return f"The study {name} has no file for '{missing}'; add it." if missing else ""
