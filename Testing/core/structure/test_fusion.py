"""Fusion of structure maps with noise."""

import numpy as np

from medsynth_core.structure.fusion import fuse_noise


def test_lines_are_1_background_0_and_the_rest_noise():
    random = np.random.default_rng(0)
    lines, background = random.random((64, 64)) < 0.2, random.random((64, 64)) < 0.4
    fused = fuse_noise(lines, background, random)
    rest = fused[~lines & ~background]
    assert (fused[lines] == 1).all() and (fused[background & ~lines] == 0).all()
    assert rest.min() >= 0.5 and rest.max() <= 0.6 and len(np.unique(rest)) > 0.9 * rest.size
    assert abs(rest.mean() - 0.55) < 0.01 and fused.dtype == np.float32


def test_another_range_of_noise_and_the_same_seed():
    lines = background = np.zeros((8, 8), dtype=bool)
    first, second = (fuse_noise(lines, background, np.random.default_rng(3), (0.1, 0.2)) for _ in range(2))
    assert np.array_equal(first, second) and first.min() >= 0.1 and first.max() <= 0.2
