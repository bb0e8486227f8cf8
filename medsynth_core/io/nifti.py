"""NIfTI images as volumes and back.

SimpleITK is not used for this format: its reader fills what is missing from a truncated file with noise,
its writer does not notice a full disk, and both round the geometry.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.nifti_header import build_header, parse_header, stated_affine, voxel_layout
from medsynth_core.volume import Volume


def read_nifti(path: Path) -> Volume:
    """Return the volume of a ``.nii`` or ``.nii.gz`` file, with its intensity scale applied.

    Raises:
        MedSynthError: the file is damaged, states no orientation, or is not a scalar 3-D image.
        OSError: it cannot be opened.
    """
    with path.open("rb") as raw:
        compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        try:
            return _read(gzip.GzipFile(fileobj=raw) if compressed else raw, path)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _truncated(path) from error


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume whose axes are perpendicular; a name that ends with ``.gz`` is compressed.

    Raises:
        OSError: the file cannot be written to its end.
    """
    voxels = np.ascontiguousarray(volume.voxels, dtype=volume.voxels.dtype.newbyteorder("<"))
    header = build_header(volume.shape, voxels.dtype, volume.ijk_to_ras)
    header["descrip"] = str(volume.metadata.get("description", "")).encode("ascii", "replace")[:79]
    # Run-length matching compresses noisy voxels as well as level 6 does, four times as fast.
    packer = zlib.compressobj(1, zlib.DEFLATED, 31, 9, zlib.Z_RLE) if path.name.endswith(".gz") else None
    payload = voxels.reshape(-1).view(np.uint8)
    with path.open("wb") as file:
        for chunk in (header.tobytes() + bytes(4), payload.data):
            file.write(packer.compress(chunk) if packer else chunk)
        if packer:
            file.write(packer.flush())


def _read(file: BinaryIO | gzip.GzipFile, path: Path) -> Volume:
    start = file.read(540)
    header = parse_header(start, path.name)
    shape, dtype = voxel_layout(header, path.name)
    matrix = stated_affine(header, path.name)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    file.seek(int(header["vox_offset"]))
    stored = bytearray(file.read(size))
    # Reading past the voxels makes gzip compare its checksum.
    file.read(1)
    if len(stored) < size:
        raise _truncated(path)
    voxels = np.frombuffer(stored, dtype).reshape(shape)
    return Volume(_scaled(voxels.astype(dtype.newbyteorder("="), copy=False), header), matrix)


def _scaled(voxels: np.ndarray, header: np.void) -> np.ndarray:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite([slope, intercept]).all() or (slope, intercept) == (1, 0):
        return voxels
    kind = np.float64 if voxels.dtype == np.float64 else np.float32
    return (voxels * np.float64(slope) + intercept).astype(kind, copy=False)


def _truncated(path: Path) -> MedSynthError:
    return MedSynthError(f"{path.name} is damaged or truncated: it ends before its last voxel; copy it again.")
