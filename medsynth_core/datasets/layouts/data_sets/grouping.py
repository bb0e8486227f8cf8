"""The cases of a public data set from its files: copies, patients and splits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from medsynth_core.datasets.layouts.data_sets.data_set import DataSetReader, Listed
from medsynth_core.datasets.layouts.data_sets.finding import Found
from medsynth_core.datasets.spelling import spelling
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.regular_file import open_regular

# Of the splits of a patient the one that is held out most counts.
_HELD_OUT = ("test", "val", "train", "")
_VOXELS = (".raw", ".zraw")


@dataclass(frozen=True)
class Draft:
    """A case before it is known to be complete.

    Attributes:
        said: what the paths of its files say of it.
        files: file of each role, below the root.
    """

    said: Listed
    files: dict[str, PurePath]


def drafts_of(root: Path, found: Found, files: Collection[PurePath]) -> tuple[list[Draft], list[str]]:
    """Return the cases by name, and sentences on what was done with files that are there twice.

    Args:
        root: the folder that contains the tree.
        found: the data set.
        files: all files of the tree, among which the voxels of a header are.

    Raises:
        MedSynthError: two different files are the same image of a case.
    """
    grouped: dict[str, dict[str, list[PurePath]]] = {}
    for path in sorted(found.listed, key=lambda path: (len(path.parts), path)):
        one = found.listed[path]
        grouped.setdefault(one.case.casefold(), {}).setdefault(one.role, []).append(path)
    copies = [copy for roles in grouped.values() for several in roles.values() for copy in several[1:]]
    for roles in grouped.values():
        for several in roles.values():
            _check_copies(root, found, several)
    known = {path.as_posix().lower() for path in files}
    drafts = [_draft(found, {role: several[0] for role, several in roles.items()}, known) for roles in grouped.values()]
    said = [f"{_files(len(copies))} left out as copies, such as {copies[0].as_posix()}."] if copies else []
    return sorted(drafts, key=lambda draft: draft.said.case), said


def _draft(found: Found, chosen: dict[str, PurePath], known: Collection[str]) -> Draft:
    said = found.listed[next(iter(chosen.values()))]
    order = [role for role in found.reader.roles if role in chosen and _has_voxels(chosen[role], known)]
    return Draft(said, {role: chosen[role] for role in order})


def _has_voxels(path: PurePath, known: Collection[str]) -> bool:
    """Return whether the voxels of a header in a file of its own were downloaded, too."""
    bare = path.as_posix()[: -len(path.suffix)].lower()
    return path.suffix.lower() != ".mhd" or any(f"{bare}{suffix}" in known for suffix in _VOXELS)


def _check_copies(root: Path, found: Found, several: list[PurePath]) -> None:
    first = several[0]
    for other in several[1:]:
        # Images of one shape and type often have the same size.
        same = found.listed[other] == found.listed[first] and _size(root / other) == _size(root / first)
        if not same or _digest(root / other) != _digest(root / first):
            raise MedSynthError(
                f"{root} has the image '{found.listed[first].role}' of {found.listed[first].case} twice, as "
                f"{first.as_posix()} and {other.as_posix()}, which differ; keep one of them."
            )


def _size(path: Path) -> int:
    try:
        return os.path.getsize(path)
    except OSError as error:
        raise MedSynthError(f"{path} cannot be read: {reason_of(error)}.") from error


def joined_patients(root: Path, drafts: list[Draft], reader: DataSetReader) -> list[Draft]:
    """Return the cases, with one patient where several names are one: by the data set's rule, or by a shared image."""
    if reader.same_patients is not None:
        drafts = _renamed(drafts, reader.same_patients([draft.said for draft in drafts]))
    if not reader.joins_copies:
        return drafts
    owners: dict[bytes, set[str]] = {}
    for draft in drafts:
        for path in draft.files.values():
            owners.setdefault(_digest(root / path), set()).add(draft.said.patient)
    return _renamed(drafts, _joined(owners.values()))


def _renamed(drafts: list[Draft], names: Mapping[str, str]) -> list[Draft]:
    return [
        replace(one, said=replace(one.said, patient=names.get(one.said.patient, one.said.patient))) for one in drafts
    ]


def _joined(groups: Iterable[set[str]]) -> dict[str, str]:
    """Return for each patient the first by name of those that are the same, also through a third."""
    sets: list[set[str]] = []
    for group in groups:
        touching = [one for one in sets if one & group]
        sets = [one for one in sets if not one & group] + [group.union(*touching)]
    return {patient: min(one) for one in sets for patient in one}


def _digest(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return hashlib.sha256(file.read()).digest()
    except OSError as error:
        raise MedSynthError(f"{path} cannot be read: {reason_of(error)}.") from error


def with_one_split(drafts: list[Draft]) -> tuple[list[Draft], list[str]]:
    """Return the cases with one split for each patient, and a sentence if the data set has patients in several.

    Without a validation split the training cases have none either, so that one can be drawn from them.
    """
    splits: dict[tuple[str, ...], set[str]] = {}
    for draft in drafts:
        splits.setdefault(spelling(draft.said.patient), set()).add(draft.said.split)
    has_val = any("val" in several for several in splits.values())
    moved = [_with_split(draft, splits[spelling(draft.said.patient)], has_val) for draft in drafts]
    shared = sorted({draft.said.patient for draft in drafts if len(splits[spelling(draft.said.patient)]) > 1})
    if not shared:
        return moved, []
    return moved, [
        f"{len(shared)} patient{'s are' if len(shared) > 1 else ' is'} in several splits of the data set, such as "
        f"{shared[0]}; all cases of a patient were put into the one that is held out (test before val before train)."
    ]


def _with_split(draft: Draft, splits: set[str], has_val: bool) -> Draft:
    split = min(splits, key=_HELD_OUT.index)
    return replace(draft, said=replace(draft.said, split="" if split == "train" and not has_val else split))


def _files(count: int) -> str:
    return "1 file was" if count == 1 else f"{count} files were"
