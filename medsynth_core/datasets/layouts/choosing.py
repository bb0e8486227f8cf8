"""The layout of a tree: the one in which every case has its files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath

from medsynth_core.datasets.layouts.bids import BIDS
from medsynth_core.datasets.layouts.layout import Files, Layout, Parts, Tree
from medsynth_core.datasets.layouts.nnunet import CYCLEGAN, DECATHLON, NNUNET, NNUNET_OF_KINDS
from medsynth_core.datasets.layouts.patients import Names, Patient, recognise
from medsynth_core.datasets.layouts.plain import DATED_FILES, FILES, PLAIN, PLAIN_OF_KINDS
from medsynth_core.datasets.layouts.ranks import Rank, rank_of
from medsynth_core.datasets.layouts.synthrad import SYNTHRAD
from medsynth_core.datasets.layouts.visits import is_visit


@dataclass(frozen=True)
class Group:
    """The files of a case.

    Attributes:
        case: name of the case.
        names: folders and names of files that tell the case.
        patient: whose case it is.
        files: files of each role.
        split: split that a folder states; "" for none.
        visits: cases of which this one is made, if its images are from different visits.
    """

    case: str
    names: Names
    patient: Patient
    files: Files
    split: str = ""
    visits: tuple[Group, ...] = ()


@dataclass(frozen=True)
class Reading:
    """A tree as one layout reads it.

    Attributes:
        layout: the layout.
        groups: the files of each case, by name of the case.
        left_out: cases of splits in which a role has no file at all.
    """

    layout: Layout
    groups: list[Group]
    left_out: list[Group]

    @property
    def is_single(self) -> bool:
        """Whether no case has several files for a role."""
        return all(len(paths) == 1 for group in self.groups for paths in group.files.values())

    def pieces(self) -> tuple[int, int]:
        """Return how many cases are made of several visits, and the number of cases; a better layout has fewer."""
        return sum(bool(group.visits) for group in self.groups), len(self.groups)

    def fits(self, roles: int) -> bool:
        """Return whether each case has one file of each role, or of some if ``roles`` is 0."""
        return self.is_single and all(len(group.files) >= roles for group in self.groups)


def read_tree(tree: Tree, *, paired: bool) -> Reading | None:
    """Return the tree as the layout reads it in which every case has one file of each role, or of some.

    Of several it is the one that puts most files together as they are, or else the first. If there is none, it is one
    in which no case has several files for a role, or the first that follows the paths; None if none does.

    Args:
        tree: the files.
        paired: whether each case must have a file of every role.
    """
    readings: list[Reading] = []
    for layouts in _families(tree):
        readings = [_read(layout, parts, tree, paired) for layout in layouts if (parts := layout.read(tree))]
        if readings:
            break
    wanted = len(tree.roles) if paired else 0
    fitting = [reading for reading in readings if reading.fits(wanted)] or [one for one in readings if one.is_single]
    return min(fitting or readings[:1], key=Reading.pieces, default=None)


def _families(tree: Tree) -> list[list[Layout]]:
    """Return the layouts to try. A tree that follows those of one list is not read as one of the next."""
    plain = [FILES] if _files_tell_patients(tree) else [PLAIN, PLAIN_OF_KINDS, DATED_FILES, FILES]
    return [[BIDS], [NNUNET, DECATHLON, NNUNET_OF_KINDS], [CYCLEGAN], [SYNTHRAD], plain]


def _files_tell_patients(tree: Tree) -> bool:
    """Return whether the names of the files state patients and their folders do not.

    Then a folder with a CT and a PET is not a case: they may be of two patients.
    """
    in_files, in_folders = FILES.read(tree), PLAIN.read(tree)
    if not in_files or not in_folders:
        return False
    of_files = min(rank_of(parts.names[-1]) for parts in in_files.values())
    folders = recognise({parts.patient for parts in in_folders.values()})
    of_folders = max(rank_of(name) for patient in folders.values() for name in patient.levels)
    if of_files == Rank.PATIENT > of_folders or (len(folders) == 1 and of_files == Rank.NUMBERED > of_folders):
        return True
    return of_folders not in (Rank.NUMBER, Rank.NUMBERED, Rank.PATIENT) and _differ(in_files, in_folders, of_folders)


def _differ(in_files: dict[PurePath, Parts], in_folders: dict[PurePath, Parts], rank: Rank) -> bool:
    """Return whether files in one folder have names of different cases; visits too where folders are no patients."""
    names: dict[Names, set[str]] = {}
    cases = {parts.names for parts in in_folders.values()}
    for path, parts in in_files.items():
        if rank != Rank.WORD or len(cases) == 1 or not is_visit(parts.names[-1]):
            names.setdefault(in_folders[path].names, set()).add(parts.names[-1])
    return any(len(several) > 1 for several in names.values())


def _read(layout: Layout, parts: dict[PurePath, Parts], tree: Tree, paired: bool) -> Reading:
    groups, left_out = _grouped(parts, tree), list[Group]()
    if paired:
        groups, left_out = _without_incomplete_splits(groups, len(tree.roles))
        groups = _across_visits(groups, len(tree.roles)) if layout.joins else groups
    return Reading(layout, sorted(groups, key=lambda group: group.case), left_out)


def _grouped(parts: dict[PurePath, Parts], tree: Tree) -> list[Group]:
    patients = recognise(each.patient for each in parts.values())
    splits: dict[Names, set[str]] = {}
    for each in parts.values():
        splits.setdefault(each.names, set()).add(each.split)
    groups: dict[Parts, Group] = {}
    for role, paths in tree.files.items():
        for each, path in ((parts[path], path) for path in paths):
            # The same name in two splits of nnU-Net is two cases.
            names = (each.split, *each.names) if len(splits[each.names]) > 1 else each.names
            new = Group("-".join(names), each.names, patients[each.patient], {}, each.split)
            groups.setdefault(each, new).files.setdefault(role, []).append(path)
    return list(groups.values())


def _without_incomplete_splits(groups: list[Group], roles: int) -> tuple[list[Group], list[Group]]:
    """Return the groups, and those of splits in which a role has no file, as where test images have no labels."""
    found: dict[str, set[str]] = {}
    for group in groups:
        found.setdefault(group.split, set()).update(group.files)
    complete = {split for split, some in found.items() if len(some) == roles}
    if not complete:
        return groups, []
    parts: tuple[list[Group], list[Group]] = ([], [])
    for group in groups:
        parts[bool(group.split) and group.split not in complete].append(group)
    return parts


def _across_visits(groups: list[Group], roles: int) -> list[Group]:
    """Join the visits of a patient none of which has all images, if together they have one of each."""
    visits: dict[Names, list[Group]] = {}
    for group in groups:
        visits.setdefault((*_above(group), *group.patient.identity), []).append(group)
    return [one for identity, several in visits.items() for one in _joined("-".join(identity), several, roles)]


def _above(group: Group) -> Names:
    """Return the folders of a case above those that may tell its patient."""
    return group.names[: len(group.names) - len(group.patient.path)]


def _joined(case: str, several: list[Group], roles: int) -> list[Group]:
    together: Files = {}
    for group in several:
        for role, paths in group.files.items():
            together.setdefault(role, []).extend(paths)
    single = len(together) == roles and all(len(paths) == 1 for paths in together.values())
    if len(several) == 1 or not single:
        return several
    return [replace(several[0], case=case, files=together, visits=tuple(several))]
