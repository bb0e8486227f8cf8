"""NIfTI files: reading of voxels, after checks of all that programs read differently, and writing."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from .header import BYTES, Header
from .memory import check_memory
from .refusal import RefusalError

SUFFIXES = (".nii.gz", ".nii")
# What opening a damaged file raises.
DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)
CHUNK = 1 << 26


def suffix_of(path: Path) -> str:
    """Return the suffix of an image file.

    Raises:
        RefusalError: it is not that of a NIfTI file.
    """
    found = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")
    if not found:
        raise RefusalError(f"{path} is not named as NIfTI, which alone is read and written; use .nii.gz or .nii.")
    return path.name[-len(found) :]


def read_nifti(path: Path) -> tuple[Header, np.ndarray]:
    """Return the header of a NIfTI file and its voxels (k, j, i), float32 with the scale applied.

    Raises:
        RefusalError: the file is not complete, or as `Header`.
        OSError: the file cannot be opened.
    """
    suffix_of(path)
    try:
        with _opened(path) as file:
            header = Header(file.read(BYTES), path)
            voxels = _stored(file, header, path)
    except DAMAGE as error:
        raise _damaged(path) from error
    slope, intercept = header.scale
    with np.errstate(all="ignore"):  # what overflows is refused with what is not finite
        scaled = voxels if (slope, intercept) == (1, 0) else voxels * np.float64(slope) + intercept
        return header, scaled.astype(np.float32)


def write_nifti(voxels: np.ndarray, like: Header, path: Path, facts: Mapping[str, object]) -> None:
    """Write voxels (k, j, i) as float32 with the position that a header states, and check what was written.

    Raises:
        OSError: the file cannot be written completely.
    """
    content = np.ascontiguousarray(voxels, like.order + "f4").reshape(-1).view(np.uint8).data
    packed = path.name.lower().endswith(".gz")
    with gzip.open(path, "wb", 1) if packed else path.open("wb") as file:
        file.write(like.of_result(str(facts["description"])) + bytes(4))
        file.write(content)
    with _opened(path) as again:
        again.seek(BYTES + 4)
        for start in range(0, len(content), CHUNK):
            if again.read(CHUNK) != content[start : start + CHUNK]:
                raise OSError("the disk may be full")
        if again.read(1):
            raise OSError("the disk may be full")


def _opened(path: Path) -> BinaryIO:
    if not path.is_file():
        raise FileNotFoundError(path)
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb") if packed else path.open("rb"))


def _stored(file: BinaryIO, header: Header, path: Path) -> np.ndarray:
    """Return the voxels as stored, in memory that is only taken for a file that can be as long."""
    count = int(np.prod(header.shape, dtype=object))
    needed = count * header.dtype.itemsize
    if not isinstance(file, gzip.GzipFile) and path.stat().st_size < header.begin + needed:
        raise _damaged(path)
    check_memory(needed + 8 * count, header.shape)
    file.seek(header.begin)
    voxels = np.empty(header.shape, header.dtype)
    if _filled(file, voxels.reshape(-1).view(np.uint8).data) < needed:
        raise _damaged(path)
    file.read(1)  # past the voxels gzip verifies its checksum
    return voxels


def _filled(file: BinaryIO, target: memoryview) -> int:
    done = 0
    while done < len(target):
        part = file.read(min(CHUNK, len(target) - done))
        if not part:
            break
        target[done : done + len(part)] = part
        done += len(part)
    return done


def _damaged(path: Path) -> RefusalError:
    return RefusalError(f"{path} is not complete; copy it again.")
