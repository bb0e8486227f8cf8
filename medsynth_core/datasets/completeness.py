"""Checks that the cases of a data set have the files and splits needed for training, without opening images.

Shell, worker, panel and training all use these checks.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from medsynth_core.datasets.manifest import Case, read_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.systems.data_needs import DataNeeds

# Training requires these splits; test cases are optional.
NEEDED_SPLITS = ("train", "val")
# Cases in these splits are compared with the reference, so they need pairs even if training is unpaired.
SCORED_SPLITS = ("val", "test")


def training_cases(manifest: str | Path, needs: DataNeeds) -> list[Case]:
    """Return the cases of a manifest after checking that they have the files and splits needed for training.

    The rules are those of `medsynth_core.datasets.checks.check_data`, as far as they apply without opening images.

    Args:
        manifest: CSV, see `read_manifest`.
        needs: data requirements of the training.

    Raises:
        MedSynthError: the manifest cannot be used, a split is missing or empty, or a case lacks a file.
    """
    cases = needed_cases(manifest, needs)
    for problem in set_problems(cases, needs, manifest):
        raise MedSynthError(problem)
    for line, case in enumerate(cases, start=2):
        for problem in file_problems(case, needs):
            raise MedSynthError(f"Line {line} of the manifest {manifest}, case '{case.name}': {problem}")
    return cases


def needed_cases(manifest: str | Path, needs: DataNeeds) -> list[Case]:
    """Return the cases of a manifest with the files that training would read, whether or not they exist.

    They have the class of the manifest only if the training uses it.

    Raises:
        MedSynthError: as `read_manifest`; a missing split or file entry is not an error here.
    """
    required = tuple(name for name in needs.names if name not in needs.optional)
    cases = read_manifest(manifest, required, optional=needs.optional, check_files=False, unsplit=True)
    return cases if needs.classes else [replace(case, label="") for case in cases]


def what_is_missing(cases: Sequence[Case], needs: DataNeeds, *, check_files: bool = True) -> str:
    """Return in a sentence what must be done before a training can start with cases; "" when nothing.

    It is the first of what `training_cases` refuses, of cases that are not in a manifest yet.

    Args:
        cases: cases of the data set, with or without a split.
        needs: data requirements of the training.
        check_files: also look whether the files are there, which takes time on a slow disk.
    """
    if not cases:
        return "Add cases to the data set first."
    for problem in set_problems(cases, needs):
        return problem
    find = file_problems if check_files else role_problems
    return next((f"Case '{case.name}': {problem}" for case in cases for problem in find(case, needs)), "")


def set_problems(cases: Sequence[Case], needs: DataNeeds, manifest: str | Path | None = None) -> list[str]:
    """Return why a set of cases, as a whole, cannot be used for training: one sentence each, [] if it can.

    Args:
        cases: cases with or without a split.
        needs: data requirements of the training.
        manifest: manifest that lists the cases; the sentences name it and the command that splits it. None if the
            reader has a button for that.
    """
    unsplit = [case.name for case in cases if not case.split]
    if unsplit:
        others = f", nor do {len(unsplit) - 1} others" if len(unsplit) > 1 else ""
        recipe = "" if needs.paired else " --recipe RECIPE"
        command = f" with: medsynth pairs split {manifest}{recipe}" if manifest else ""
        return [
            f"The case '{unsplit[0]}' has no split{others}; enter train, val or test, or divide the data set by patient"
            f"{command}."
        ]
    listed = f"The manifest {manifest}" if manifest else "The data set"
    problems = [
        f"{listed} has no case in the split '{split}'; assign at least one."
        for split in NEEDED_SPLITS
        if not any(case.split == split for case in cases)
    ]
    trained = [case for case in cases if case.split == "train"]
    if trained and not needs.paired:
        problems += [
            f"No case in the split 'train' has a file for '{role}'; add one, or move one there."
            for role in needs.names
            if role not in needs.optional and not any(role in case.files for case in trained)
        ]
    if trained:
        lacking = [name for name in needs.classes if not any(case.label == name for case in trained)]
        problems += [
            f"No case in the split 'train' has the class '{name}'; add one, or remove it from classes in the recipe."
            for name in lacking
        ]
    return problems


def file_problems(case: Case, needs: DataNeeds) -> list[str]:
    """Return which files a case lacks, or that it lacks its class, and how to proceed: one sentence each.

    [] if it has all that training needs.
    """
    named = {role: file for role, file in case.files.items() if role in needs.names}
    gone = [f"{role}: there is no such file: {file}." for role, file in named.items() if not os.path.isfile(file)]
    return role_problems(case, needs) + gone


def role_problems(case: Case, needs: DataNeeds) -> list[str]:
    """Return for which roles a case names no file, and whether it lacks its class, without looking at the files."""
    if not any(role in needs.names for role in case.files):
        return ["The case has none of the images that the training needs; remove it."]
    lacking = lacking_roles(case.files, needs)
    if not needs_pair(case, needs):
        lacking = [role for role in lacking if _useless_without(role, case, needs)]
    return [f"There is no file for '{role}'{_way_out(role, case, needs)}." for role in lacking] + _class(case, needs)


def _class(case: Case, needs: DataNeeds) -> list[str]:
    """Return what is wrong with the class of a case, [] if nothing."""
    if not needs.classes or case.label in needs.classes:
        return []
    listed = ", ".join(needs.classes)
    if not case.label:
        return [f"The case has no class; enter one of {listed} in the column 'class', or remove the case."]
    return [
        f"The case has the class '{case.label}', but the recipe has {listed}; correct the column 'class', or add it to "
        "classes in the recipe."
    ]


def needs_pair(case: Case, needs: DataNeeds) -> bool:
    """Return whether a case needs registered images of all roles."""
    return needs.paired or case.split in SCORED_SPLITS


def lacking_roles(files: Collection[str], needs: DataNeeds) -> list[str]:
    """Return the names of the roles that a pair needs and a case does not have; optional ones are never among them.

    Args:
        files: names of the roles for which the case has a file (``Case.files`` itself will do).
        needs: data requirements of the training.
    """
    return [name for name in needs.names if name not in files and name not in needs.optional]


def _useless_without(role: str, case: Case, needs: DataNeeds) -> list[str]:
    """Return the images of a case that an unpaired training cannot use without a role; see `DataNeeds.sides`."""
    return [name for side in needs.sides if role in side for name in side if name in case.files]


def _way_out(role: str, case: Case, needs: DataNeeds) -> str:
    together = [] if needs.paired else _useless_without(role, case, needs)
    if not needs_pair(case, needs):
        named = " and ".join(f"'{name}'" for name in together)
        others = [side for side in needs.sides if role not in side and any(name in case.files for name in side)]
        unwanted = f"{named} from the case" if others else "the case"
        return f", which is needed together with {named}; add it, or remove {unwanted}"
    if needs.paired or together:
        # A case with only part of a side cannot be used in train either.
        return "; add it, or remove the case"
    return f", which the split '{case.split}' needs; add it, or move the case to train"
