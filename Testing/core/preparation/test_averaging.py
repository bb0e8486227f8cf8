"""Voxels finer than a model accepts are averaged in whole blocks, and the way back preserves activity."""

import itertools

import numpy as np
import pytest
from builders import axial_matrix, dose_recipe, phantom_body_pet, phantom_ct

from medsynth_core import MedSynthError, Volume
from medsynth_core.models.library import load_model
from medsynth_core.preparation.averaging import averaging_of, refuse_averaging
from medsynth_core.preparation.contract import MOST_AVERAGED, SynthesisContract, averaging_factors

CONTRACT = load_model("low-dose-pet").synthesis.contract
LIMITS = CONTRACT.voxel_limits


def volume(spacing: tuple[float, float, float], shape=(12, 14, 16), seed: int = 0) -> Volume:
    """Return a PET of noise around 1 on an oblique grid."""
    angle = np.radians(20)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn * spacing, (-30, 12, 7)
    return Volume(np.random.default_rng(seed).gamma(4, 0.25, shape).astype(np.float32), matrix, "PT", "SUVbw")


@pytest.mark.parametrize(
    ("spacing", "factors"),
    [
        ((3.39, 3.39, 2.03), (1, 1, 2)),
        ((4.07, 4.07, 2.03), (1, 1, 2)),
        ((2.73, 2.73, 3.27), (2, 2, 1)),
        ((2.08, 2.08, 2.03), (2, 2, 2)),
        ((1.65, 1.65, 1.65), (2, 2, 2)),
        ((1.0, 1.0, 1.0), (3, 3, 3)),
        ((0.98, 0.98, 3.27), (4, 4, 1)),
        ((3.0, 6.0, 4.0), (1, 1, 1)),
        ((2.98, 2.98, 5.98), (1, 1, 1)),  # within the tolerance of rounded voxel sizes
        ((6.05, 3.0, 3.0), (1, 1, 1)),
    ],
)
def test_the_smallest_blocks_that_fit_are_chosen(spacing, factors):
    found = averaging_factors(volume(spacing), LIMITS)
    assert found == factors
    block = np.multiply(spacing, found)
    assert block.min() >= LIMITS[0] * 0.99 and block.max() <= LIMITS[1] * 1.01
    assert (averaging_of(volume(spacing), CONTRACT) is None) == (factors == (1, 1, 1))


@pytest.mark.parametrize(
    ("spacing", "shape"),
    [
        ((6.2, 3.0, 3.0), (12, 14, 16)),
        ((2.0, 2.0, 7.0), (12, 14, 16)),
        ((0.4, 0.4, 0.4), (40, 40, 40)),
        ((3.39, 3.39, 2.03), (1, 14, 16)),
    ],
    ids=["coarse", "fine-and-coarse", "small-animal", "one-slice"],
)
def test_others_stay_refused(spacing, shape):
    pet = volume(spacing, shape)
    assert averaging_factors(pet, LIMITS) is None
    [reason] = CONTRACT.misfits(pet)
    assert "this model was trained with voxels of 3 to 6 mm" in reason and f"at most {MOST_AVERAGED}" in reason


def test_a_block_is_the_mean_of_its_voxels_at_their_centre():
    pet = volume((2.0, 1.0, 3.5), (6, 9, 8))
    averaging = averaging_of(pet, CONTRACT)
    assert averaging.factors == (2, 3, 1)
    made = averaging.apply(pet)
    assert made.shape == (6, 3, 4) and made.voxels.dtype == np.float32
    expected = pet.voxels.astype(np.float64).reshape(6, 3, 3, 4, 2).mean(axis=(2, 4))
    assert np.allclose(made.voxels, expected, rtol=1e-6)
    for i, j, k in itertools.product((0, 3), (0, 2), (0, 5)):
        voxels = [(2 * i + a, 3 * j + b, k, 1) for a in (0, 1) for b in (0, 1, 2)]
        centre = np.mean([pet.ijk_to_ras @ voxel for voxel in voxels], axis=0)
        assert np.allclose(made.ijk_to_ras @ [i, j, k, 1], centre)


def test_blocks_at_the_end_average_what_they_cover():
    pet = volume((3.39, 3.39, 2.03), (7, 5, 4))
    made = averaging_of(pet, CONTRACT).apply(pet)
    assert made.shape == (4, 5, 4)
    assert np.array_equal(made.voxels[-1], pet.voxels[-1])
    assert np.allclose(made.voxels[0], pet.voxels[:2].mean(axis=0))


@pytest.mark.parametrize("flipped", [(0,), (1,), (2,), (0, 1, 2)])
def test_an_image_that_is_stored_the_other_way_round_has_the_same_blocks(flipped):
    pet = volume((2.0, 1.0, 2.03), (7, 11, 9))
    matrix = pet.ijk_to_ras.copy()
    for axis in flipped:
        matrix[:3, 3] += matrix[:3, 2 - axis] * (pet.shape[axis] - 1)
        matrix[:3, 2 - axis] *= -1
    other = Volume(np.flip(pet.voxels, flipped), matrix, "PT", "SUVbw")
    one, two = averaging_of(pet, CONTRACT), averaging_of(other, CONTRACT)
    assert np.allclose(np.flip(two.apply(other).voxels, flipped), one.apply(pet).voxels, rtol=1e-6)
    back = two.restore(two.apply(other).voxels)
    assert np.allclose(np.flip(back, flipped), one.restore(one.apply(pet).voxels), atol=1e-5)


@pytest.mark.parametrize("spacing", [(3.39, 3.39, 2.03), (2.04, 2.04, 2.03), (1.0, 1.0, 1.0), (0.98, 0.98, 3.27)])
def test_the_way_there_and_back_preserves_the_activity(spacing):
    pet = volume(spacing, (12, 24, 24))
    averaging = averaging_of(pet, CONTRACT)
    back = averaging.restore(averaging.apply(pet).voxels)
    assert back.shape == pet.shape and back.dtype == np.float32
    assert back.sum(dtype=float) / pet.voxels.sum(dtype=float) == pytest.approx(1, abs=1e-6)


def test_a_constant_stays_constant_up_to_the_border():
    pet = volume((3.39, 2.9, 2.03), (7, 5, 4)).replace(voxels=np.full((7, 5, 4), 2.5, np.float32))
    averaging = averaging_of(pet, CONTRACT)
    assert (averaging.apply(pet).voxels == 2.5).all() and np.allclose(
        averaging.restore(averaging.apply(pet).voxels), 2.5
    )


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float64, ">f4"])
def test_every_type_of_voxel_is_averaged(kind):
    pet = phantom_body_pet()
    fine = Volume((pet.voxels * 20).astype(kind), np.diag([-2.0, -2.0, 2.0, 1.0]), "PT", "SUVbw")
    made = averaging_of(fine, CONTRACT).apply(fine)
    assert made.voxels.mean(dtype=float) == pytest.approx(fine.voxels.mean(dtype=float), rel=1e-6)


def test_noise_of_independent_voxels_falls_alike_in_all_blocks():
    pet = volume((2.04, 2.04, 2.03), (40, 40, 40))
    made = averaging_of(pet, CONTRACT).apply(pet).voxels
    assert made.std() / pet.voxels.std() == pytest.approx(1 / np.sqrt(8), rel=0.05)
    assert made[::2].std() / made[1::2].std() == pytest.approx(1, rel=0.05)


def test_it_is_stated_before_the_synthesis():
    [note] = [note for note in CONTRACT.notes(volume((3.39, 3.39, 2.03))) if "averaged" in note]
    assert note.endswith("A dose that the model names is that of the averaged image, which has less noise.")
    assert "3.39 × 3.39 × 2.03 mm" in note and "1 × 1 × 2 voxels are averaged to 3.39 × 3.39 × 4.06 mm" in note
    assert CONTRACT.notes(volume((4.0, 4.0, 3.0))) == []


def test_a_training_case_is_not_averaged():
    contract = dose_recipe().contract
    refuse_averaging(volume((4.0, 4.0, 3.0)), contract)
    with pytest.raises(MedSynthError, match=r"measure 1\.50 × 4\.00 × 3\.00 mm, but contract.voxel_limits starts at 2"):
        refuse_averaging(volume((1.5, 4.0, 3.0)), contract)


def test_a_contract_without_limits_averages_nothing():
    assert averaging_factors(volume((0.1, 9.0, 1.0)), None) == (1, 1, 1)


def test_the_limits_hold_for_a_ct_too():
    side = {"modality": "CT", "unit": "HU", "intensity": {"kind": "curve", "points": [[-1000, -1], [1000, 1]]}}
    contract = SynthesisContract(inputs={"ct": side}, outputs={"pet": CONTRACT.input}, voxel_limits=LIMITS)
    fits, too_large = phantom_ct(matrix=axial_matrix((3, 3, 3))), phantom_ct(matrix=axial_matrix((9, 9, 3)))
    assert contract.misfits(fits) == []
    (sentence,) = contract.misfits(too_large)
    assert "measure 9.00 × 9.00 × 3.00 mm" in sentence
