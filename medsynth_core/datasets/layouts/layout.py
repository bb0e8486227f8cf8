"""What a layout is: how the paths of a folder tree are read as cases and patients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath

# Files of each role, as paths below the root.
Files = dict[str, list[PurePath]]


@dataclass(frozen=True)
class Tree:
    """The files that are looked for.

    Attributes:
        files: files of each role; no file has two.
        patterns: file name pattern of each role.
    """

    files: Files
    patterns: Mapping[str, str]

    @property
    def roles(self) -> Collection[str]:
        """The roles."""
        return self.files.keys()

    @property
    def paths(self) -> list[PurePath]:
        """The files of all roles."""
        return [path for paths in self.files.values() for path in paths]


@dataclass(frozen=True)
class Parts:
    """The parts of the path of a file that tell its case.

    Attributes:
        names: folders, and where it counts the name of the file, that together are the case, from the top.
        patient: those of them, or parts of them, among which the patient is.
        split: the split that a folder states, such as ``train`` or ``Tr``; "" for none.
    """

    names: tuple[str, ...]
    patient: tuple[str, ...]
    split: str = ""


@dataclass(frozen=True)
class Layout:
    """A kind of folder tree.

    Attributes:
        name: name for messages.
        patient: what is taken for the patient, for messages.
        read: return the parts of each path of a tree; None if one of them does not follow the layout.
        joins: whether images of a patient from different visits may be one case, which a label of another visit
            must not be.
    """

    name: str
    patient: str
    read: Callable[[Tree], dict[PurePath, Parts] | None]
    joins: bool = True


def read_all(tree: Tree, read: Callable[[PurePath, str], Parts | None]) -> dict[PurePath, Parts] | None:
    """Return the parts of each path of a tree, read from the path and its role; None if one cannot be read."""
    found: dict[PurePath, Parts] = {}
    for role, paths in tree.files.items():
        for path in paths:
            parts = read(path, role)
            if parts is None:
                return None
            found[path] = parts
    return found


def summary(cases: int, patients: Iterable[str], layout: str, told_by: str) -> str:
    """Return a sentence on the cases that were found, with the first patients."""
    names = sorted(set(patients))
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    counts = f"{cases} case{'s' * (cases != 1)} of {len(names)} patient{'s' * (len(names) != 1)}"
    return f"{counts} ({shown}). Layout: {layout}. Patients are told apart by: {told_by}."
