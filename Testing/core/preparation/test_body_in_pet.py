"""Body segmentation of PET at any dose: includes lung and fat, excludes noise in air, independent of voxel size."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from medsynth_core.preparation.body import activity_mask

SPACING = np.array([4.0, 4.0, 3.0])
SHAPE = (40, 72, 96)


def places(shape=SHAPE, spacing=SPACING):
    """Return where voxels lie along (k, j, i), in mm from the middle."""
    return np.meshgrid(
        *[side * (np.arange(n) - (n - 1) / 2) for n, side in zip(shape, spacing[::-1], strict=True)], indexing="ij"
    )


def ball(centre, radius, shape=SHAPE, spacing=SPACING):
    return sum((at - c) ** 2 for at, c in zip(places(shape, spacing), centre, strict=True)) < radius**2


def patient(shape=SHAPE, spacing=SPACING):
    """Return SUVbw of a trunk of muscle in fat, with lungs and a liver, as a scanner shows it, and where it is."""
    k, j, i = places(shape, spacing)
    body = (i / 130) ** 2 + (j / 90) ** 2 < 1
    suv = np.where(body, 0.3, 0.0)
    suv[(i / 115) ** 2 + (j / 75) ** 2 < 1] = 0.8
    suv[(((np.abs(i) - 55) / 40) ** 2 + (j / 55) ** 2 < 1) & (k > -20)] = 0.35
    suv[((i - 40) / 50) ** 2 + (j / 50) ** 2 + ((k + 40) / 20) ** 2 < 1] = 2.2
    return gaussian_filter(suv, 6.0 / (2.355 * spacing[::-1])), body


def air_noise(mean, correlation, shape=SHAPE, spacing=SPACING, seed=0):
    """Return what OSEM leaves in air at a low dose: never negative, mostly near 0, correlated over so many mm."""
    random = gaussian_filter(np.random.default_rng(seed).normal(size=shape), correlation / (2.355 * spacing[::-1]))
    speckled = np.maximum(random / random.std() - 0.5, 0)
    return mean * speckled / speckled.mean()


def reach(margin, spacing=SPACING):
    """Return the box of voxels within so many mm of a voxel, (k, j, i)."""
    return np.ones([2 * int(np.ceil(margin / side)) + 1 for side in spacing[::-1]], dtype=bool)


def test_the_mask_includes_the_whole_patient_and_little_else():
    suv, body = patient()
    mask = activity_mask(suv, SPACING, 10.0)
    assert mask.dtype == bool and mask.shape == suv.shape
    assert mask[body].all()
    # The margin, and what smoothing adds.
    assert not mask[~binary_dilation(body, reach(10.0 + 15.0))].any()


@pytest.mark.parametrize(("mean", "changed"), [(0.03, 0.05), (0.05, 0.1)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_noise_in_air_at_low_dose_hardly_changes_the_mask(mean, changed, seed):
    """At a hundredth of the dose the air of real PETs has a mean of 0.01 to 0.03."""
    suv, body = patient()
    quiet = activity_mask(suv, SPACING, 10.0)
    # Noise adds to air; in the patient it is as strong and averages out.
    noise = air_noise(mean, 5.0, seed=seed)
    noisy = activity_mask(np.where(body, suv * (1 + (noise - mean) / mean * 0.3), suv + noise), SPACING, 10.0)
    assert noisy[body].all()
    assert np.count_nonzero(noisy ^ quiet) < changed * np.count_nonzero(quiet)


def test_noise_alone_gives_an_empty_mask():
    assert not activity_mask(air_noise(0.06, 5.0), SPACING, 10.0).any()


@pytest.mark.parametrize("millilitres", [3.0, 10.0])
def test_a_small_hot_object_in_air_is_included(millilitres):
    suv, _ = patient()
    radius = (3000 * millilitres / (4 * np.pi)) ** (1 / 3)
    marker = ball((0.0, -110.0, 160.0), radius)
    suv[marker] = 5
    assert 0.5 < marker.sum() * SPACING.prod() / (1000 * millilitres) < 1.5
    assert activity_mask(suv, SPACING, 10.0)[marker].all()
    assert activity_mask(np.where(marker, 5.0, air_noise(0.05, 5.0)), SPACING, 10.0)[marker].all()


@pytest.mark.parametrize("shape", [SHAPE, (1, 40, 44), (20, 1, 1)])
def test_an_empty_volume_gives_an_empty_mask(shape):
    mask = activity_mask(np.zeros(shape, dtype=np.float32), SPACING, 10.0)
    assert mask.shape == shape and mask.dtype == bool and not mask.any()


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 3.0), (2.0, 2.0, 5.0), (2.0, 4.0, 3.0), (6.0, 3.0, 2.0)], ids=str)
@pytest.mark.parametrize("margin", [0.0, 10.0, 25.0])
def test_the_margin_is_in_millimetres_whatever_the_voxels(spacing, margin):
    spacing = np.array(spacing)
    shape = tuple(int(n) for n in np.ceil(np.array([160.0, 160.0, 160.0]) / spacing[::-1]))
    suv = np.where(ball((0, 0, 0), 30.0, shape, spacing), 1.0, 0.0)
    alone, wide = activity_mask(suv, spacing, 0.0), activity_mask(suv, spacing, margin)
    for axis, side in enumerate(spacing[::-1]):
        others = tuple(other for other in range(3) if other != axis)
        first, last = (np.flatnonzero(mask.any(axis=others))[[0, -1]] for mask in (alone, wide))
        for grown in (first[0] - last[0], last[1] - first[1]):
            assert margin <= side * grown < margin + side


def test_the_mask_does_not_depend_on_voxel_size():
    """The smoothing is in millimetres too."""
    coarse, fine = np.array([4.0, 4.0, 4.0]), np.array([2.0, 2.0, 4.0])
    extents = []
    for spacing in (coarse, fine):
        shape = tuple(int(n) for n in np.array([160.0, 288.0, 384.0]) / spacing[::-1])
        extents.append(activity_mask(patient(shape, spacing)[0], spacing, 0.0).sum() * spacing.prod())
    assert extents[1] == pytest.approx(extents[0], rel=0.03)


def test_the_input_is_not_changed():
    suv = patient()[0].astype(np.float32)
    before = suv.copy()
    activity_mask(suv, SPACING, 10.0)
    assert np.array_equal(suv, before)
