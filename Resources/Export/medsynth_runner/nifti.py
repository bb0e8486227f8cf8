"""What SimpleITK does not say of a NIfTI file: that its end is missing, or that voxels are not numbers.

It fills what is missing with whatever is in memory, and reads voxels that are not finite as 0.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from .refusal import RefusalError

HEADER_BYTES = 348
# Codes of floating-point voxels, single and double precision.
FLOATING = {16: "f4", 64: "f8"}


def check_nifti(path: Path) -> None:
    """Check that a NIfTI file is complete and all its voxels are finite; other files pass.

    Raises:
        RefusalError: it is not.
        OSError: the file cannot be opened.
    """
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return
    content = _unpacked(path)
    order = "<" if content[:4] == HEADER_BYTES.to_bytes(4, "little") else ">"
    if len(content) < HEADER_BYTES or np.frombuffer(content, f"{order}i4", 1)[0] != HEADER_BYTES:
        raise RefusalError(f"{path} is not a NIfTI file that this runner reads; write it again as NIfTI-1.")
    count, *sides = (int(n) for n in np.frombuffer(content, f"{order}i2", 8, 40))
    code, bits = (int(n) for n in np.frombuffer(content, f"{order}i2", 2, 70))
    begin, voxels = int(np.frombuffer(content, f"{order}f4", 1, 108)[0]), int(np.prod(sides[: max(count, 0)]))
    if len(content) < begin + voxels * bits // 8:
        raise _damaged(path)
    if code in FLOATING and not np.isfinite(np.frombuffer(content, order + FLOATING[code], voxels, begin)).all():
        raise RefusalError(f"{path} has voxels that are not finite (NaN or infinite); repair it first.")


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (EOFError, OSError, zlib.error) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> RefusalError:
    return RefusalError(f"{path} is not complete; copy it again.")
