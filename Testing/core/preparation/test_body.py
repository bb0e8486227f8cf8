"""Body segmentation of images without an absolute scale, at any brightness and noise level."""

import csv

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet

from medsynth_core import read_volume
from medsynth_core.preparation.body import body_mask, tissue_mask
from medsynth_core.registration.quality import agreement

CT = phantom_ct((12, 60, 66))
BODY = body_mask(CT.voxels)


def mr(noise=10.0, scale=1.0, shading=0.0):
    """Return an MR image with fat that is twice as bright as muscle, and a coil on one side."""
    signal = np.select([CT.voxels > 300, CT.voxels > 0, CT.voxels > -300], [40.0, 400.0, 800.0], 0.0)
    signal *= np.linspace(1 - shading, 1 + shading, CT.shape[2])
    random = np.random.default_rng(3).normal(0, noise, (2, *CT.shape))
    return scale * np.hypot(signal + random[0], random[1])


def dice(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


@pytest.mark.parametrize("changes", [{}, {"noise": 40.0}, {"noise": 0.0}, {"scale": 1e-3}, {"shading": 0.6}])
def test_the_body_mask_of_an_mr_image_matches_that_of_the_ct(changes):
    assert dice(tissue_mask(mr(**changes), "MR"), BODY) > 0.95


@pytest.mark.parametrize("scale", [1.0, 5000.0])
def test_a_hot_organ_does_not_hide_the_body_in_a_pet(scale):
    suv = phantom_pet(CT).voxels + np.abs(np.random.default_rng(0).normal(0, 0.01, CT.shape))
    suv[5:8, 28:33, 30:35] = 40
    assert dice(tissue_mask(scale * suv, "PT"), BODY) > 0.9


@pytest.mark.parametrize("modality", ["MR", "PT", ""])
@pytest.mark.parametrize("value", [0.0, 7.0, -3.0])
def test_a_constant_image_has_no_body(modality, value):
    assert not tissue_mask(np.full((4, 20, 20), value), modality).any()


def test_an_image_with_two_values_has_a_body():
    assert np.array_equal(tissue_mask(np.where(BODY, 5.0, 0.0), "PT"), BODY)
    assert dice(tissue_mask(np.where(BODY, 5.0, 0.0), "MR"), BODY) > 0.95


@pytest.mark.slow
def test_body_masks_of_real_mr_and_pet_images_match_those_of_the_ct(shared_data):
    """Judged by pairs that people found to be well aligned."""
    with (shared_data / "sts" / "cases.csv").open() as file:
        good = [row for row in csv.DictReader(file) if row["ct_mr_registration"] == "good"]
    for row in good[:24:4]:
        ct = read_volume(shared_data / "sts" / row["ct"], "CT", "HU")
        assert agreement(ct, read_volume(shared_data / "sts" / row["mr_t1"], "MR")).body_dice > 0.92
        assert agreement(ct, read_volume(shared_data / "sts" / row["pet"], "PT", "SUVbw")).body_dice > 0.88
