"""Cases from a folder tree with image files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from medsynth_core.datasets.layouts.choosing import Group, Reading, read_tree
from medsynth_core.datasets.layouts.data_sets.finding import name_of_data_set
from medsynth_core.datasets.layouts.doubts import doubts_of
from medsynth_core.datasets.layouts.image_files import files_below, images
from medsynth_core.datasets.layouts.layout import Files, Tree, summary
from medsynth_core.datasets.manifest import Case, check_roles
from medsynth_core.datasets.pet_correction import doubt_uncorrected
from medsynth_core.errors import MedSynthError
from medsynth_core.io.sidecar import is_error_map
from medsynth_core.progress import Progress, ProgressCallback


def cases_from_folders(
    root: str | Path,
    roles: Mapping[str, str],
    *,
    paired: bool = True,
    without: Callable[[PurePath], bool] | None = None,
    progress: Progress | ProgressCallback | None = None,
) -> list[Case]:
    """Return the cases in a folder tree, without a split.

    These trees are known; ``progress.log`` reports which one was found, what is taken for the patient, and what may be
    otherwise:

    - BIDS, raw and derivatives: a case is a session of a subject, whose files may be in several folders;
    - nnU-Net: ``imagesTr/CASE_0000.nii.gz`` with ``labelsTr/CASE.nii.gz``; CycleGAN: ``trainA``, ``trainB``;
    - SynthRAD 2023 and 2025: ``Task1/brain/1BA001/ct.nii.gz``;
    - a folder for each case, ``P1/ct.nii.gz``, or for each visit, ``P1/2020-03-04/ct.nii.gz`` or
      ``P1_2020-03-04/ct.nii.gz``; with several visits in one folder, ``P1/20200304_ct.nii.gz``;
    - a file for each case and kind of image: ``ct/P1.nii.gz`` with ``pet/P1.nii.gz``, or ``P1_ct.nii.gz``.

    Folders for a kind of image do not count, at any level. Folders above the patients, such as ``train``, ``AD`` or
    ``2019``, are no patients; the same patient in several of them is one patient with several cases. Cases of a split
    in which a role has no file at all are left out. A patient none of whose visits has all images, but who has one of
    each in all, is one case.

    Args:
        root: the folder that contains the tree.
        roles: role → file name pattern (``*`` matches any characters, ``?`` any single one; case is ignored), such as
            ``{"ct": "*ct*.nii*", "pet": "*pet*.nii*"}``. A pattern with ``/`` is compared with the end of the path:
            ``targetsTr/*.nii.gz``.
        paired: whether each case must have a file of every role; otherwise one role is enough.
        without: tells which files, relative to the folder, are passed over; None for none.
        progress: its log gets the layout.

    Raises:
        MedSynthError: a folder cannot be read; a case lacks a required file or has several for a role; one file
            matches two roles; the layout is not known; or there is no case.
    """
    root = Path(root)
    check_roles(roles)
    files = [path for path in files_below(root) if without is None or not without(path)]
    found = {
        role: images([path for path in files if _matches(path, pattern)], files) for role, pattern in roles.items()
    }
    _check_roles_found(root, found, roles, files)
    _check_one_role(root, found)
    reading = read_tree(Tree(found, roles), paired=paired)
    if reading is None:
        raise _unknown(root, found)
    cases = [_case(root, group, reading, roles, paired) for group in reading.groups]
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    _report(progress, reading, cases)
    doubt_uncorrected(cases, progress)
    return cases


def how_to_write_a_manifest(roles: Iterable[str]) -> str:
    """Return the end of a sentence: how to list files in a CSV where their folders are not understood."""
    return (
        f"write the manifest yourself: a CSV with the columns case, patient, split, {', '.join(roles)} and a line for "
        "each case, with paths relative to the CSV"
    )


def _matches(path: PurePath, pattern: str) -> bool:
    text, wanted = path.as_posix().lower(), pattern.lower()
    if "/" not in wanted:
        return fnmatchcase(path.name.lower(), wanted)
    return fnmatchcase(text, wanted) or fnmatchcase(text, f"*/{wanted}")


def _check_roles_found(root: Path, found: Files, roles: Mapping[str, str], files: list[PurePath]) -> None:
    for role, pattern in roles.items():
        if not found[role]:
            known = name_of_data_set(root, files)
            advice = f"give no pattern at all to read it as {known}" if known else "choose another folder or pattern"
            raise MedSynthError(f"No folder below {root} has a file matching '{pattern}' for '{role}'; {advice}.")


def _check_one_role(root: Path, found: Files) -> None:
    seen: dict[PurePath, str] = {}
    for role, paths in found.items():
        for path in paths:
            if path in seen:
                raise MedSynthError(
                    f"The file {root / path} matches both '{seen[path]}' and '{role}'; choose narrower patterns."
                )
            seen[path] = role


def _unknown(root: Path, found: Files) -> MedSynthError:
    path = min((path for paths in found.values() for path in paths), key=lambda path: len(path.parts))
    where = (
        f"is directly in {root}" if len(path.parts) == 1 else "is in no folder of its case and has no name of a case"
    )
    return MedSynthError(
        f"The file {path.as_posix()} {where}; put each case into a folder of its own, or "
        f"{how_to_write_a_manifest(found)}."
    )


def _case(root: Path, group: Group, reading: Reading, roles: Mapping[str, str], paired: bool) -> Case:
    for role, pattern in roles.items():
        paths = group.files.get(role, [])
        if len(paths) > 1:
            raise MedSynthError(
                f"The case {group.case} has {len(paths)} files matching '{pattern}' for '{role}' "
                f"({', '.join(path.as_posix() for path in paths)}), if the layout is {reading.layout.name}; choose a "
                "narrower pattern, which may name a folder ('anat/*_T1w.nii.gz'), or "
                f"{how_to_write_a_manifest(roles)}."
            )
        if paired and not paths:
            there = next(path for several in group.files.values() for path in several)
            raise MedSynthError(
                f"The case {group.case} has no file matching '{pattern}' for '{role}' that belongs to {root / there}, "
                f"if the layout is {reading.layout.name}; add it, change the pattern, remove the case, or "
                f"{how_to_write_a_manifest(roles)}."
            )
    return Case(group.case, "", _chosen(root, group.files, roles), group.patient.name)


def _chosen(root: Path, files: Files, roles: Mapping[str, str]) -> dict[str, Path]:
    chosen = {role: root / files[role][0] for role in roles if role in files}
    for role, file in chosen.items():
        if is_error_map(file):
            raise MedSynthError(
                f"The file {file} for '{role}' is a map of the errors of a synthetic image, not an image; choose a "
                "narrower pattern."
            )
    return chosen


def _report(progress: Progress, reading: Reading, cases: list[Case]) -> None:
    patients, layout = (case.patient for case in cases), reading.layout
    progress.log(summary(len(cases), patients, layout.name, layout.patient))
    for doubt in doubts_of(reading):
        progress.log(doubt)
