"""Reading and writing of NIfTI images.

Implemented here because nibabel invents an orientation for files that state none and, if a file states two matrices,
uses another one than ITK and therefore Slicer. SimpleITK's reader fills the missing part of a truncated file with
noise, its writer does not notice a full disk, and both round the geometry. `Testing/core/io/test_nifti_oracle.py`
compares with both libraries.
"""

from __future__ import annotations

import gzip
import zlib
from io import BufferedReader
from pathlib import Path, PurePath

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.nifti_geometry import build_header, read_geometry
from medsynth_core.io.nifti_header import HEADER_SIZES, LONGEST_HEADER, first_byte, parse_header, scale, voxel_layout
from medsynth_core.io.regular_file import open_regular
from medsynth_core.io.sidecar import other_images, split_suffix
from medsynth_core.io.stored_voxels import PACKED_DAMAGE, check_fits, fill, truncated
from medsynth_core.volume import Volume

PAIR_SUFFIXES = (".hdr", ".img", ".hdr.gz", ".img.gz")


def read_nifti(path: Path) -> Volume:
    """Return the volume of a ``.nii`` or ``.nii.gz`` file, with its slope and intercept applied.

    Raises:
        MedSynthError: the file is damaged, states no orientation, or is not a scalar 3-D image.
        OSError: the file cannot be opened.
    """
    return _read(path, path)


def is_nifti_pair(path: Path) -> bool:
    """Return whether a ``.hdr`` or ``.img`` file belongs to a NIfTI or Analyze pair; others use these suffixes too."""
    header, _ = _pair(path)
    try:
        with open_regular(header) as raw:
            start = _unpacked(raw).read(4)
    except (OSError, *PACKED_DAMAGE):
        return False
    return any(int.from_bytes(start, order) in HEADER_SIZES for order in ("little", "big"))


def read_nifti_pair(path: Path) -> Volume:
    """Return the volume of a NIfTI pair, header (``.hdr``) and voxels (``.img``); ``path`` is either of them.

    Raises:
        MedSynthError: the pair is damaged, states no orientation (as Analyze files do not), or is not a scalar 3-D
            image; or one of the two files is missing.
        OSError: one of the two files cannot be opened.
    """
    header, voxels = _pair(path)
    if not voxels.exists():
        raise MedSynthError(f"{voxels}, which holds the voxels of {header.name}, does not exist; copy both files.")
    return _read(header, voxels)


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume with perpendicular axes; a file whose name ends with ``.gz`` is compressed.

    Raises:
        MedSynthError: NIfTI cannot store the number of voxels or the matrix.
        OSError: the file cannot be written completely.
    """
    voxels = np.ascontiguousarray(volume.voxels, dtype=volume.voxels.dtype.newbyteorder("<"))
    header = build_header(volume, voxels.dtype)
    header["descrip"] = str(volume.metadata.get("description", "")).encode("ascii", "replace")[:79]
    # Run-length matching compresses noisy voxels as well as level 6, but four times as fast.
    packer = zlib.compressobj(1, zlib.DEFLATED, 31, 9, zlib.Z_RLE) if path.name.lower().endswith(".gz") else None
    payload = voxels.reshape(-1).view(np.uint8)
    with path.open("wb") as file:
        for chunk in (header.tobytes() + bytes(4), payload.data):
            file.write(packer.compress(chunk) if packer else chunk)
        if packer:
            file.write(packer.flush())


def _pair(path: Path) -> tuple[Path, Path]:
    """Return header and voxels of a pair, from the path of either.

    One of them may be packed and the other not, as FSL and others write them, or have its suffix in other letters.
    """
    bare, stated = split_suffix(path)
    header, voxels = (
        path if stated.lower().startswith(kind) else _other_half(path, bare, kind, stated) for kind in (".hdr", ".img")
    )
    return header, voxels


def _other_half(path: Path, bare: str, kind: str, stated: str) -> Path:
    """Return the file that is there, preferably with its suffix written as that of ``path``."""
    wanted = path.with_name(bare + (kind.upper() if stated[:4].isupper() else kind) + stated[4:])
    if wanted.exists():
        return wanted
    halves = [name for name in other_images(path) if split_suffix(PurePath(name))[1].lower() in (kind, f"{kind}.gz")]
    return path.with_name(halves[0]) if halves else wanted


def _read(header_file: Path, voxel_file: Path) -> Volume:
    pair = header_file != voxel_file
    with open_regular(header_file) as raw:
        try:
            start = _unpacked(raw).read(LONGEST_HEADER)
        except PACKED_DAMAGE as error:
            raise truncated(header_file) from error
    name = header_file.name
    header = parse_header(start, name, pair)
    shape, dtype = voxel_layout(header, name)
    begin, (slope, intercept) = first_byte(header, name, pair), scale(header, name)
    matrix, stated = read_geometry(header, shape, name)
    voxels = _stored(voxel_file, begin, shape, dtype)
    return Volume(_scaled(voxels, slope, intercept), matrix, stated=stated)


def _unpacked(raw: BufferedReader) -> BufferedReader | gzip.GzipFile:
    compressed = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if compressed else raw


def _stored(path: Path, begin: int, shape: tuple[int, int, int], dtype: np.dtype) -> np.ndarray:
    """Return the voxels (k, j, i) from byte ``begin`` on, in the byte order of this computer."""
    with open_regular(path) as raw:
        file = _unpacked(raw)
        check_fits(path, shape, dtype, begin, packed=file is not raw)
        voxels = np.empty(shape, dtype)
        try:
            file.seek(begin)
            fill(file, voxels, path)
            file.read(1)  # past the voxels gzip verifies its checksum
        except PACKED_DAMAGE as error:
            raise truncated(path) from error
    return voxels.astype(dtype.newbyteorder("="), copy=False)


def _scaled(voxels: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    if (slope, intercept) == (1, 0):
        return voxels
    kind = np.float64 if voxels.dtype == np.float64 else np.float32
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused with what is not finite
        return (voxels * np.float64(slope) + intercept).astype(kind, copy=False)
