"""Fusion of structure maps with noise (equation 12 of Qu's thesis)."""

from __future__ import annotations

import numpy as np

# Range of the noise, as published.
NOISE = (0.5, 0.6)


def fuse_noise(
    lines: np.ndarray, background: np.ndarray, random: np.random.Generator, noise: tuple[float, float] = NOISE
) -> np.ndarray:
    """Return s + z (1 - m) (1 - s): the structure map with noise inside the organ, where there are no lines.

    Args:
        lines: structure map s, boolean or 0 and 1, of any shape.
        background: background mask m of the same shape, boolean or 0 and 1.
        random: source of the noise z, uniform and independent for each pixel.
        noise: lowest and highest value of the noise.

    Returns:
        float32 array of the same shape: 1 on lines, 0 on the background beside lines, noise elsewhere.
    """
    s, m = (np.asarray(mask, dtype=np.float32) for mask in (lines, background))
    z = random.uniform(*noise, size=s.shape).astype(np.float32)
    return s + z * (1 - m) * (1 - s)
