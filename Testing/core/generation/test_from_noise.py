"""Codes that change gradually, and lesions continued to neighbouring slices."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core.generation.from_noise import STEP, codes_between, smooth_codes, solid_label


def test_codes_of_a_stack_change_little_and_are_distributed_as_single_ones():
    random = np.random.default_rng(0)
    stacks = np.stack([smooth_codes(2000, 12, random) for _ in range(20)])
    assert abs(stacks.mean()) < 0.02
    # In each slice, not only in the first: a straight line between two codes would be too near to 0 in its middle.
    assert np.allclose(stacks.std(axis=(0, 2)), 1, atol=0.03)
    between = np.array([[np.corrcoef(stack[0], stack[k])[0, 1] for k in range(12)] for stack in stacks]).mean(axis=0)
    assert np.allclose(between, np.cos(STEP * np.arange(12)), atol=0.02)


def test_an_interpolation_goes_from_one_code_to_the_other_in_equal_steps():
    first, last = np.random.default_rng(1).standard_normal((2, 5))
    codes = codes_between(first, last, 5)
    assert np.array_equal(codes[0], first) and np.array_equal(codes[-1], last)
    assert np.allclose(np.diff(codes, axis=0), (last - first) / 4)
    with pytest.raises(ValueError, match="two codes"):
        codes_between(first, last, 1)


def test_a_lesion_in_a_stack_is_as_deep_as_wide():
    y, x = np.indices((64, 64)) - 31.5
    disc = (np.hypot(y, x) < 12).astype(np.uint8)  # radius 24 mm
    solid = solid_label(disc, 17, np.array([2.0, 2.0, 4.0]), 8)
    assert np.array_equal(solid[8], disc)
    areas = np.count_nonzero(solid, axis=(1, 2))
    assert np.array_equal(areas, areas[::-1]) and (np.diff(areas[:9]) >= 0).all()
    # 24 mm are 6 slices: an ellipsoid of this depth ends there, and has the volume of a ball.
    assert areas[2] == 0 and areas[3] > 0
    assert solid.sum() * 2 * 2 * 4 == pytest.approx(4 / 3 * np.pi * 24**3, rel=0.05)
