"""The bundled model low-dose-pet on the sample patient, on whom it was not trained, at simulated doses."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core import load_model, read_volume, simulate_dose, synthesize
from medsynth_core.evaluation.report import evaluate
from medsynth_core.experiments.baselines.filters import GAUSSIANS, mean_psnr
from medsynth_core.grid import resample
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.resources import resource_folder

pytestmark = pytest.mark.slow

SAMPLE = resource_folder() / "SampleCase"
FACTORS = (4.0, 10.0, 20.0, 50.0, 100.0)


@pytest.fixture(scope="module")
def model():
    return load_model("low-dose-pet")


@pytest.fixture(scope="module")
def doses(model):
    """Return the sample's PET at each dose, as the counts of another moment than those of the training would be."""
    settings = Recipe.model_validate(model.card.training.recipe).dose.simulation
    pet = read_volume(SAMPLE / "pet.nii.gz", modality="PT", unit="SUVbw")
    ct = read_volume(SAMPLE / "ct.nii.gz", modality="CT", unit="HU")
    return simulate_dose(pet, FACTORS, ct=ct, settings=settings, seed=20)


@pytest.fixture(scope="module")
def made(model, doses):
    return {factor: synthesize(low, model, uncertainty=True, device="cpu") for factor, low in doses.low.items()}


def gain(doses, made, factor: float, method=lambda low: low) -> float:
    """Return the PSNR in dB above that of a method without a network."""
    pair = [(doses.low[factor], doses.full)]
    return mean_psnr(lambda low: made[factor], pair) - mean_psnr(method, pair)


def steps_off(result, factor: float) -> int:
    steps = (1.0, *FACTORS)
    return abs(steps.index(result.metadata["dose_reduction_factor"]) - steps.index(factor))


@pytest.mark.parametrize("factor", FACTORS[1:])
def test_it_beats_the_low_dose_and_the_best_of_all_gaussians(doses, made, factor):
    assert gain(doses, made, factor) > 0.5
    # The best one for this patient, which nobody can know.
    assert min(gain(doses, made, factor, gaussian) for gaussian in GAUSSIANS) > 0


def test_it_does_no_harm_to_a_quarter_of_the_dose(doses, made):
    assert gain(doses, made, 4.0) > -0.1


@pytest.mark.parametrize("factor", FACTORS)
def test_quantity_is_kept(doses, made, factor):
    result, low = made[factor], doses.low[factor]
    assert result.unit == "SUVbw" and result.voxels.min() >= 0
    assert np.array_equal(result.ijk_to_ras, low.ijk_to_ras) and result.voxels.shape == low.voxels.shape
    assert result.voxels.sum(dtype=float) == pytest.approx(low.voxels.sum(dtype=float), rel=0.02)
    lesion = resample(read_volume(SAMPLE / "lesion.nii.gz"), doses.full, order="nearest")
    found = evaluate(result, doses.full, lesion=lesion, preset="pet_minmax").metrics
    assert abs(found["suvmean_error"]) < {4.0: 2, 10.0: 3, 20.0: 5, 50.0: 10, 100.0: 15}[factor]


@pytest.mark.parametrize("factor", FACTORS)
def test_it_names_the_dose_or_the_one_beside_it(made, factor):
    assert steps_off(made[factor], factor) <= 1


def test_it_says_how_far_off_it_may_be(doses, made):
    """The error that it states rises with less dose, and is that of this patient to a factor of two."""
    stated, real = [], []
    for result in made.values():
        error = np.abs(result.voxels - doses.full.voxels)
        inside = doses.full.voxels > 0.3
        stated.append(np.sqrt(np.mean(result.uncertainty.voxels[inside] ** 2)))
        real.append(np.sqrt(np.mean(error[inside] ** 2)))
    assert np.all(np.diff(stated) > 0)
    assert np.allclose(np.log2(np.divide(stated, real)), 0, atol=1)


@pytest.mark.parametrize("factor", FACTORS)
def test_air_around_the_patient_does_no_harm(model, doses, made, factor):
    low, margin = doses.low[factor], 40
    matrix = low.ijk_to_ras.copy()
    matrix[:3, 3] -= margin * (matrix[:3, 0] + matrix[:3, 1])
    wide = low.replace(voxels=np.pad(low.voxels, ((0, 0), (margin, margin), (margin, margin))), ijk_to_ras=matrix)
    result = synthesize(wide, model, device="cpu")
    inner = result.voxels[:, margin:-margin, margin:-margin]
    with_air, without = (np.sqrt(np.mean((one - doses.full.voxels) ** 2)) for one in (inner, made[factor].voxels))
    assert with_air < 1.06 * without
    assert result.metadata["dose_reduction_factor"] == made[factor].metadata["dose_reduction_factor"]
    assert result.voxels.sum(dtype=float) == pytest.approx(low.voxels.sum(dtype=float), rel=0.02)
