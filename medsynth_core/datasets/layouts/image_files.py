"""The image files among files: of a pair of header and voxels, one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePath

from medsynth_core.io.nifti import PAIR_SUFFIXES
from medsynth_core.io.reading import ITK_SUFFIXES, NIFTI_SUFFIXES
from medsynth_core.io.sidecar import split_suffix

_HEADERS = tuple(suffix for suffix in PAIR_SUFFIXES if suffix.startswith(".hdr"))


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
