"""What the names of folders and files say of the role of an image, and not of its case.

A pattern says what tells the role: ``*_DRF20.nii.gz``, ``D20/*.nii.gz``. It is left out of the names of the role's
files where those of no other role have it, and so are the words of modalities.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import PurePath

from medsynth_core.datasets.layouts.layout import Tree
from medsynth_core.datasets.layouts.ranks import Rank, rank_of
from medsynth_core.datasets.layouts.words import KINDS, is_kind, without_words
from medsynth_core.io.sidecar import split_suffix

_CHANNEL = re.compile(r"(?<=_)\d{4}$")
_WILDCARD = re.compile(r"\*|\?|\[[^]]*\]")


class RoleNames:
    """What tells the roles in the names of a tree.

    Args:
        tree: the files and the pattern of each role.
    """

    def __init__(self, tree: Tree) -> None:
        self._roles = tree.roles
        self._folders = {role: _named_folders(tree, role) for role in tree.roles}
        self._words = {role: _words(tree, role) for role in tree.roles}
        self._starts = {role: _end(tree, role, last=False) for role in tree.roles}
        self._ends = {role: _end(tree, role, last=True) for role in tree.roles}

    def folders(self, path: PurePath, role: str) -> tuple[str, ...]:
        """Return the folders of a file without those for a kind of image."""
        named = self._folders[role]
        return tuple(part for part in path.parts[:-1] if part not in named and not is_kind(part, self._roles))

    def name(self, name: str, role: str, folder: str = "") -> str:
        """Return the name of a case from that of a file; "" if none is left.

        Args:
            name: of the file, without its suffix.
            role: of the file.
            folder: a folder for a kind of image, whose name the files repeat.
        """
        start, end = self._starts[role], self._ends[role]
        name = name[len(start) :] if name.lower().startswith(start) else name
        name = name[: -len(end)] if end and name.lower().endswith(end) else name
        return without_words(name.strip("-_. "), self._words[role] | ({folder} if len(folder) > 1 else set()))


def _words(tree: Tree, role: str) -> set[str]:
    """Return the words in the names of a role's files that tell the kind of image."""
    paths = tree.files[role]
    words = {role, *KINDS, *_words_of_pattern(tree.patterns[role])}
    channels = {found[0] if found else "" for found in (_CHANNEL.search(split_suffix(path)[0]) for path in paths)}
    # The same four digits in all files of a role are a channel, not the number of a patient.
    return words | channels if len(paths) > 1 and len(channels) == 1 and "" not in channels else words


def _named_folders(tree: Tree, role: str) -> set[str]:
    """Return the folders that a role's pattern names, if all its files are in them and none of another role is."""
    patterns, paths = tree.patterns[role].lower().split("/")[:-1], tree.files[role]
    found = {
        parts[0]
        for at, pattern in enumerate(reversed(patterns), start=2)
        if len(parts := list({path.parts[-at] for path in paths if len(path.parts) >= at})) == 1
        and _WILDCARD.sub("", pattern)
        and fnmatchcase(parts[0].lower(), pattern)
    }
    others = {part for other in tree.roles if other != role for path in tree.files[other] for part in path.parts[:-1]}
    several = all(len(files) > 1 for files in tree.files.values()) and len(tree.files) > 1
    return {name for name in found - others if rank_of(name) != Rank.PATIENT} if several else set()


def _end(tree: Tree, role: str, *, last: bool) -> str:
    """Return what a role's pattern requires at an end of all names; "" if that of another role requires the same."""
    ends = {other: _end_of_pattern(pattern, last=last) for other, pattern in tree.patterns.items()}
    own = ends.pop(role)
    is_patient = rank_of(own.strip("-_. ")) == Rank.PATIENT
    return own if ends and own not in ends.values() and not is_patient and len(tree.files[role]) > 1 else ""


def _end_of_pattern(pattern: str, *, last: bool) -> str:
    """Return what a pattern requires at the end or start of a name without suffix."""
    name = re.split(r"\.(?=nii|nrrd|nhdr|mha|mhd|hdr|img|\*)", pattern.lower().rsplit("/", 1)[-1])[0]
    return _WILDCARD.split(name)[-1 if last else 0]


def _words_of_pattern(pattern: str) -> set[str]:
    """Return the words that a pattern requires in the name of a file; of numbers only channels."""
    name = split_suffix(PurePath(re.sub(r"\*$", "", pattern.rsplit("/", 1)[-1])))[0]
    words = {word for word in re.split(r"[-_.\s*?\[\]]+", name) if len(word) > 1 and not re.search(r"\d\d", word)}
    return words | set(re.findall(r"\*_(\d{4})$", name))
