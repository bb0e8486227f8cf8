"""Many small studies of real voxels for benchmarks of batches: parts of the sample CT, and some that are broken."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np

SAMPLE = Path(__file__).parents[2] / "Resources" / "SampleCase" / "ct.nii.gz"


def write_real_studies(folder: Path, count: int, broken: int = 0, size: tuple[int, int, int] = (96, 96, 8)) -> Path:
    """Write parts of the sample CT in HU, no two alike, and return the folder.

    Args:
        folder: new folder.
        count: number of studies, called ``P001.nii.gz`` and so on.
        broken: how many of them, evenly spread, cannot be read or are no CT: cut off, empty, text, a header cut off,
            zeros, in turn.
        size: voxels along each axis.
    """
    folder.mkdir(parents=True)
    image = nib.load(SAMPLE)
    voxels = np.asarray(image.dataobj)
    image.header.set_xyzt_units("mm")
    chosen = {round((number + 0.5) * count / broken) for number in range(broken)}
    random = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"P{number + 1:03}.nii.gz"
        corner = [int(random.integers(0, whole - part + 1)) for whole, part in zip(voxels.shape, size, strict=True)]
        cut = tuple(slice(start, start + part) for start, part in zip(corner, size, strict=True))
        affine = image.affine.copy()
        affine[:3, 3] = (image.affine @ [*corner, 1])[:3]
        nib.save(nib.Nifti1Image(voxels[cut], affine, image.header), path)
        if number in chosen:
            _break(path, sorted(chosen).index(number) % len(_BREAKS))
    return folder


def _break(path: Path, kind: int) -> None:
    content = path.read_bytes()
    path.write_bytes(_BREAKS[kind](content))


_BREAKS = (
    lambda content: content[: len(content) // 2],
    lambda content: b"",
    lambda content: b"This is no image.",
    lambda content: gzip.compress(gzip.decompress(content)[:400]),
    lambda content: gzip.compress(b"\x00" * len(gzip.decompress(content))),
)
