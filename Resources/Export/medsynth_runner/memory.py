"""Refusal of images that the memory of the computer cannot hold."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from .refusal import RefusalError

# Where the system does not tell its memory: 64 GiB.
ASSUMED = 1 << 36


def check_memory(needed: int, shape: Sequence[int]) -> None:
    """Check, before it is taken, that the computer has as much memory as an image needs.

    Args:
        needed: bytes.
        shape: number of voxels (k, j, i), for the message.

    Raises:
        RefusalError: it has less.
    """
    if needed > _total():
        size = " × ".join(map(str, reversed(shape)))
        raise RefusalError(
            f"An image of {size} voxels needs {needed / 2**30:.1f} GiB of memory, more than this computer has; crop "
            "the image, or check its voxel size."
        )


def check_grid(shape: Sequence[int], images: int) -> None:
    """Check that images of a grid fit into memory, each with what resampling takes: 8 bytes for a voxel."""
    check_memory(8 * images * math.prod(shape), shape)


def _total() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return ASSUMED
