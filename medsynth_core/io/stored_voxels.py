"""Voxels in a file, plain or compressed, read completely or not at all."""

from __future__ import annotations

import gzip
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from medsynth_core.errors import MedSynthError

# What unpacking raises on damaged data.
PACKED_DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)
# No byte that deflate packed becomes more than this many.
_MOST_PER_PACKED_BYTE = 1032


class _Reader(Protocol):
    def readinto(self, buffer: Any, /) -> int | None: ...


class ZlibReader:
    """Unpacks a zlib stream from a file.

    Args:
        file: the file, at the start of the stream.
        size: length of the stream in bytes.
    """

    def __init__(self, file: BufferedReader, size: int) -> None:
        self._file, self._rest, self._packer = file, size, zlib.decompressobj()

    def readinto(self, buffer: memoryview) -> int:
        """Fill a part of ``buffer`` and return how many bytes; 0 at the end of the stream."""
        while not self._packer.eof:
            packed = self._packer.unconsumed_tail or self._next()
            part = self._packer.decompress(packed, len(buffer))
            buffer[: len(part)] = part
            if part or not packed:
                return len(part)
        return 0

    def ended(self) -> bool:
        """Return whether the stream is complete and holds no more; this verifies its checksum."""
        return not self.readinto(memoryview(bytearray(1))) and self._packer.eof

    def _next(self) -> bytes:
        packed = self._file.read(min(self._rest, 1 << 16))
        self._rest -= len(packed)
        return packed


def check_fits(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], begin: int, packed: bool) -> None:
    """Check, before memory is taken for voxels, that a file can hold them.

    Args:
        path: the file.
        shape: numbers of voxels, of any size.
        dtype: type of a voxel.
        begin: position of the first voxel (after unpacking, if the whole file is packed).
        packed: whether the voxels are packed by deflate.

    Raises:
        MedSynthError: the file is too short.
    """
    size = dtype.itemsize
    for side in shape:  # Python's integers do not overflow, whatever a damaged header states
        size *= side
    if begin + size > path.stat().st_size * (_MOST_PER_PACKED_BYTE if packed else 1):
        raise truncated(path)


def fill(file: _Reader, voxels: np.ndarray, path: Path) -> None:
    """Read all bytes of an array.

    Raises:
        MedSynthError: there are too few.
        PACKED_DAMAGE: packed data are damaged.
    """
    rest = voxels.reshape(-1).view(np.uint8).data
    while rest:
        count = file.readinto(rest)
        if not count:
            raise truncated(path)
        rest = rest[count:]


def truncated(path: Path) -> MedSynthError:
    """Return the error for a file that ends before its last voxel."""
    return MedSynthError(f"{path.name} is damaged or truncated: it ends before the last voxel; copy it again.")
