"""Trees that follow no standard: a folder or a file for each case.

A case is a folder, ``P1/ct.nii.gz``, or a visit of a patient, ``P1/2020-03-04/ct.nii.gz``; folders for the kind of
image do not count, ``CT/P1/ct.nii.gz`` or ``P1/CT/ct.nii.gz``. Or the names of the files tell the case:
``ct/P1.nii.gz``, ``P1_ct.nii.gz``, ``P1/20200304_ct.nii.gz``.
"""

from __future__ import annotations

from pathlib import PurePath

from medsynth_core.datasets.layouts.layout import Layout, Parts, Tree, read_all
from medsynth_core.datasets.layouts.ranks import Rank, rank_of
from medsynth_core.datasets.layouts.role_names import RoleNames
from medsynth_core.datasets.layouts.visits import is_visit, visit_in
from medsynth_core.datasets.layouts.words import KINDS, is_group, split_word, without_words
from medsynth_core.io.sidecar import split_suffix


def _folders(tree: Tree) -> dict[PurePath, Parts] | None:
    role_names = RoleNames(tree)

    def read(path: PurePath, role: str) -> Parts | None:
        folders = role_names.folders(path, role)
        return _parts(folders) if folders else None

    return read_all(tree, read)


def _folders_of_kinds(tree: Tree) -> dict[PurePath, Parts] | None:
    role_names = RoleNames(tree)

    def read(path: PurePath, role: str) -> Parts | None:
        names = tuple(without_words(name, {role, *KINDS}) for name in role_names.folders(path, role))
        return _parts(names) if names and all(names) else None

    return read_all(tree, read)


def _dated_files(tree: Tree) -> dict[PurePath, Parts] | None:
    role_names = RoleNames(tree)

    def read(path: PurePath, role: str) -> Parts | None:
        folders, visit = role_names.folders(path, role), visit_in(split_suffix(path)[0])
        return Parts((*folders, visit), folders, _split(folders)) if folders and visit else None

    return read_all(tree, read)


def _files(tree: Tree) -> dict[PurePath, Parts] | None:
    role_names, kinds = RoleNames(tree), _kind_folders(tree)

    def read(path: PurePath, role: str) -> Parts | None:
        folder = next((name for name in path.parts[-2:-1] if name in kinds), "")
        name = role_names.name(split_suffix(path)[0], role, folder)
        folders = tuple(part for part in role_names.folders(path, role) if part not in kinds)
        return _parts((*folders, name)) if name else None

    return read_all(tree, read)


def _parts(names: tuple[str, ...]) -> Parts:
    return Parts(names, names, _split(names))


def _split(names: tuple[str, ...]) -> str:
    return next(filter(None, map(split_word, names)), "")


def _kind_folders(tree: Tree) -> set[str]:
    """Return the last folders if each role has its own for several files: ``all/a/ct_P1``, ``all/b/pet_P1``."""
    last = [{path.parts[-2] if len(path.parts) > 1 else "" for path in paths} for paths in tree.files.values()]
    names = set().union(*last)
    several = all(len(paths) > 1 for paths in tree.files.values())
    if not several or any(
        is_group(name) or is_visit(name) or name.isdigit() or rank_of(name) == Rank.PATIENT for name in names
    ):
        return set()
    return names if len(last) > 1 and all(len(one) == 1 for one in last) and len(names) == len(last) else set()


PLAIN = Layout("a folder for each case", "the folder, without a date or visit in its name", _folders)
PLAIN_OF_KINDS = Layout(
    "a folder for each case and kind of image",
    "the folder, without date, visit and kind of image in its name",
    _folders_of_kinds,
)
DATED_FILES = Layout(
    "a folder for each patient, with a date or visit in the name of each file", "the folder", _dated_files
)
FILES = Layout(
    "a file for each case and kind of image",
    "the name of the file or its folder, without date, visit and kind of image",
    _files,
)
