"""Trees that follow no standard: a folder or a file for each case.

A case is a folder, ``P1/ct.nii.gz``, or a visit of a patient, ``P1/2020-03-04/ct.nii.gz``; folders for the kind of
image do not count, ``CT/P1/ct.nii.gz`` or ``P1/CT/ct.nii.gz``. Or the names of the files tell the case:
``ct/P1.nii.gz``, ``P1_ct.nii.gz``, ``P1/20200304_ct.nii.gz``.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePath

from medsynth_core.datasets.layouts.layout import Layout, Parts, Tree, read_all
from medsynth_core.datasets.layouts.visits import is_visit, visit_in
from medsynth_core.datasets.layouts.words import KINDS, is_group, is_kind, split_word, without_words
from medsynth_core.io.sidecar import split_suffix

_CHANNEL = re.compile(r"(?<=_)\d{4}$")


def _folders(tree: Tree) -> dict[PurePath, Parts] | None:
    return read_all(tree, lambda path, role: _in_folders(path, tree.roles))


def _folders_of_kinds(tree: Tree) -> dict[PurePath, Parts] | None:
    def read(path: PurePath, role: str) -> Parts | None:
        names = tuple(without_words(name, {role, *KINDS}) for name in _bare(path, tree.roles))
        return _parts(names) if names and all(names) else None

    return read_all(tree, read)


def _dated_files(tree: Tree) -> dict[PurePath, Parts] | None:
    def read(path: PurePath, role: str) -> Parts | None:
        folders, visit = _bare(path, tree.roles), visit_in(split_suffix(path)[0])
        return Parts((*folders, visit), folders, _split(folders)) if folders and visit else None

    return read_all(tree, read)


def _files(tree: Tree) -> dict[PurePath, Parts] | None:
    kinds = _kind_folders(tree)
    words = {role: _words(tree, role) for role in tree.roles}

    def read(path: PurePath, role: str) -> Parts | None:
        name = without_words(
            split_suffix(path)[0], words[role] | {name for name in path.parts[-2:-1] if name in kinds and len(name) > 1}
        )
        folders = tuple(part for part in _bare(path, tree.roles) if part not in kinds)
        return _parts((*folders, name)) if name else None

    return read_all(tree, read)


def _in_folders(path: PurePath, roles: Collection[str]) -> Parts | None:
    folders = _bare(path, roles)
    return _parts(folders) if folders else None


def _parts(names: tuple[str, ...]) -> Parts:
    return Parts(names, names, _split(names))


def _split(names: tuple[str, ...]) -> str:
    return next(filter(None, map(split_word, names)), "")


def _bare(path: PurePath, roles: Collection[str]) -> tuple[str, ...]:
    """Return the folders of a file without those for a kind of image."""
    return tuple(part for part in path.parts[:-1] if not is_kind(part, roles))


def _words(tree: Tree, role: str) -> set[str]:
    """Return the words in the names of a role's files that tell the kind of image."""
    paths = tree.files[role]
    words = {role, *KINDS, *_words_of_pattern(tree.patterns[role])}
    channels = {found[0] if found else "" for found in (_CHANNEL.search(split_suffix(path)[0]) for path in paths)}
    # The same four digits in all files of a role are a channel, not the number of a patient.
    return words | channels if len(paths) > 1 and len(channels) == 1 and "" not in channels else words


def _words_of_pattern(pattern: str) -> set[str]:
    """Return the words that a pattern requires in the name of a file; of numbers only channels."""
    name = split_suffix(PurePath(re.sub(r"\*$", "", pattern.rsplit("/", 1)[-1])))[0]
    words = {word for word in re.split(r"[-_.\s*?\[\]]+", name) if len(word) > 1 and not re.search(r"\d\d", word)}
    return words | set(re.findall(r"\*_(\d{4})$", name))


def _kind_folders(tree: Tree) -> set[str]:
    """Return the last folders if each role has its own for several files: ``all/a/ct_P1``, ``all/b/pet_P1``."""
    last = [{path.parts[-2] if len(path.parts) > 1 else "" for path in paths} for paths in tree.files.values()]
    names = set().union(*last)
    several = all(len(paths) > 1 for paths in tree.files.values())
    if not several or any(is_group(name) or is_visit(name) or name.isdigit() for name in names):
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
