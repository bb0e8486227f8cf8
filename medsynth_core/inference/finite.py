"""Refusal of results that are not finite."""

from __future__ import annotations

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid


def check_finite(voxels: np.ndarray, grid: Grid, source: Grid, model: str, what: str = "result") -> None:
    """Check that every voxel that a model computed is a finite number.

    Args:
        voxels: (k, j, i), on ``grid``.
        grid: grid of the voxels.
        source: grid of the input, in whose slices the place is stated.
        model: name of the model.
        what: name of the image in the message.

    Raises:
        MedSynthError: a voxel is not finite (NaN or infinite); the message names the first slice and place.
    """
    finite = np.isfinite(voxels)
    bad = voxels.size - int(np.count_nonzero(finite))
    if not bad:
        return
    first = np.unravel_index(int(finite.argmin()), voxels.shape)
    r, a, s, _ = grid.ijk_to_ras @ [*first[::-1], 1]
    k = int(np.rint(np.linalg.inv(source.ijk_to_ras) @ [r, a, s, 1])[2])
    k = min(max(k, 0), source.shape[0] - 1)
    raise MedSynthError(
        f"The {what} of the model '{model}' is not a finite number in {bad} of {voxels.size} voxels, first in slice "
        f"{k + 1} of {source.shape[0]} at R {r:.1f}, A {a:.1f}, S {s:.1f} mm, so there is no image; check the values "
        f"of the input there, and the model with 'medsynth models verify'.",
        kind="model",
    )
