"""Which public data set is in a folder tree, and which files are its images."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from medsynth_core.datasets.layouts.data_sets.data_set import DataSetReader, Listed
from medsynth_core.datasets.layouts.data_sets.registry import DATA_SETS
from medsynth_core.errors import MedSynthError
from medsynth_core.io.pictures import is_picture
from medsynth_core.io.reading import ITK_SUFFIXES, NIFTI_SUFFIXES


@dataclass(frozen=True)
class Found:
    """A data set in a folder tree.

    Attributes:
        reader: the data set.
        listed: what the paths of its files, below the root, say.
        others: image files that do not belong to a case.
    """

    reader: DataSetReader
    listed: dict[PurePath, Listed]
    others: tuple[PurePath, ...]


def recognise(root: Path, files: Collection[PurePath]) -> Found | None:
    """Return the public data set in a folder tree; None if there is none.

    Args:
        root: the folder that contains the tree.
        files: its files, as paths below ``root``.

    Raises:
        MedSynthError: there are several, or several editions of one, which have the same patients under other names.
    """
    above = Path(os.path.abspath(root))
    found = {reader.name: _read(above, files, reader) for reader in DATA_SETS}
    found = {name: one for name, one in found.items() if one.listed}
    hidden = {name for one in found.values() for name in one.reader.instead_of}
    chosen = [one for name, one in found.items() if name not in hidden]
    if len(chosen) > 1:
        places = " and ".join(f"{one.reader.name} ({_first(one.listed)})" for one in chosen)
        raise MedSynthError(f"{root} has several data sets: {places}; choose the folder of one of them.")
    if chosen:
        _check_release(root, chosen[0])
    return chosen[0] if chosen else None


def name_of_data_set(root: Path, files: Collection[PurePath]) -> str:
    """Return the name of the public data set in a folder tree; "" if there is none, or more than one."""
    try:
        found = recognise(root, files)
    except MedSynthError:
        return ""
    return found.reader.name if found else ""


def _read(above: Path, files: Collection[PurePath], reader: DataSetReader) -> Found:
    read = ((path, reader.read(above / path)) for path in files)
    listed = {path: one for path, one in read if one is not None}
    return Found(reader, listed, tuple(path for path in files if path not in listed and _is_image(path)))


def _check_release(root: Path, found: Found) -> None:
    first: dict[str, PurePath] = {}
    for path in sorted(found.listed):
        first.setdefault(found.listed[path].release, path)
    if len(first) > 1:
        places = " and ".join(f"{release} ({path.as_posix()})" for release, path in first.items())
        raise MedSynthError(
            f"{root} has several editions of {found.reader.name}: {places}; choose the folder of one of them, because "
            "the same patients have other names in the other."
        )


def _first(listed: Collection[PurePath]) -> str:
    return min(listed, key=lambda path: (len(path.parts), path)).as_posix()


def _is_image(path: PurePath) -> bool:
    return path.name.lower().endswith((*NIFTI_SUFFIXES, *ITK_SUFFIXES)) or is_picture(path)


def archives(files: Sequence[PurePath]) -> list[PurePath]:
    """Return the packed folders among files, as they are downloaded."""
    return [path for path in files if path.suffix.lower() in (".zip", ".tar", ".tgz", ".7z", ".rar")]
