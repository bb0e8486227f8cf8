"""The files of a folder tree, and the image files among them: of a pair of header and voxels, one."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path, PurePath

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.nifti import PAIR_SUFFIXES
from medsynth_core.io.reading import ITK_SUFFIXES, NIFTI_SUFFIXES
from medsynth_core.io.sidecar import split_suffix

_HEADERS = tuple(suffix for suffix in PAIR_SUFFIXES if suffix.startswith(".hdr"))


def files_below(root: Path) -> list[PurePath]:
    """Return the files below ``root``, relative to it and sorted, without what macOS adds to folders and archives.

    Raises:
        MedSynthError: a folder cannot be read.
    """

    def complain(error: OSError) -> None:
        raise MedSynthError(f"The folder {error.filename} cannot be read: {reason_of(error)}.") from error

    tree = os.walk(root, onerror=complain)
    files = [Path(place, name).relative_to(root) for place, _, names in tree for name in names if name[0] != "."]
    return sorted(path for path in files if "__MACOSX" not in path.parts)


def images(paths: list[PurePath], files: Collection[PurePath]) -> list[PurePath]:
    """Return the image files among ``paths``, without the JSON or raw voxels beside them; all if none is an image.

    Of a pair (``.hdr``, ``.img``) the header counts, or the voxels if the header is not among ``paths``. A pair is
    passed over if the same image is there as NIfTI.

    Args:
        paths: files that match a pattern.
        files: all files of the tree, in which the other half of a pair may be.
    """
    single = [path for path in paths if path.name.lower().endswith((*NIFTI_SUFFIXES, *ITK_SUFFIXES))]
    known = {_bare(path) for path in single}
    headers = {_bare(path): path for path in files if _ends(path, _HEADERS)}
    voxels = {_bare(path) for path in files if _ends(path, PAIR_SUFFIXES) and not _ends(path, _HEADERS)}
    pairs: dict[PurePath, PurePath] = {}
    for path in sorted(paths, key=lambda path: not _ends(path, _HEADERS)):
        bare = _bare(path)
        if _ends(path, PAIR_SUFFIXES) and bare in headers and bare in voxels and bare not in known:
            pairs.setdefault(bare, path)
    return sorted([*single, *pairs.values()]) or paths


def _ends(path: PurePath, suffixes: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(suffixes)


def _bare(path: PurePath) -> PurePath:
    return path.with_name(split_suffix(path)[0])
