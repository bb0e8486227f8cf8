"""Simple features of images, with which sets of them are compared where no trained network finds better ones."""

from __future__ import annotations

import numpy as np

from medsynth_core.metrics.frechet import frechet_distance

# Fields along each side of an image.
FIELDS = 8
# Features that hardly vary in the real images would otherwise outweigh all others.
_LEAST_SPREAD = 1e-3


def field_means(images: np.ndarray) -> np.ndarray:
    """Return the means of 8 × 8 fields of each image.

    Args:
        images: (n, rows, columns), at least 8 of each; rows and columns beyond a multiple of 8 are left out.

    Returns:
        (n, 64) float64.
    """
    rows, columns = (side // FIELDS * FIELDS for side in images.shape[1:])
    fields = images[:, :rows, :columns].reshape(len(images), FIELDS, rows // FIELDS, FIELDS, columns // FIELDS)
    return fields.mean(axis=(2, 4), dtype=np.float64).reshape(len(images), -1)


def scaled_distance(made: np.ndarray, real: np.ndarray, kinds: int = 0) -> float:
    """Return the Fréchet distance of features, each divided by its standard deviation in the real images.

    Features of different kinds, such as those of a CT and a PET, have equal weight then.

    Args:
        made: (n, d) features of synthetic images; at least two.
        real: (m, d) features of real images; at least two.
        kinds: number of kinds, of equally many features each, that are divided by the root mean square of their
            standard deviations instead. In a few cases there are fields that are always empty; divided by their own
            spread, these outweigh all others, and images that are empty altogether come closest.

    Raises:
        ValueError: as `frechet_distance`.
    """
    spread = real.std(axis=0)
    if kinds:
        common = np.sqrt(np.square(spread).reshape(kinds, -1).mean(axis=1))
        spread = np.repeat(common, len(spread) // kinds)
    spread = np.maximum(spread, _LEAST_SPREAD)
    return frechet_distance(made / spread, real / spread)
