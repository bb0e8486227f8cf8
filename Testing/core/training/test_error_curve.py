"""A model's error curve recovers an error that was planted, at the right value and of the right size."""

import numpy as np
import pytest
import torch
from builders import dose_recipe

from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.training.validation import ERROR_SHARES, Trained, error_curve

CONTRACT = dose_recipe().contract
SHAPE = (16, 40, 40)


class Faithful(torch.nn.Module):
    """Answers with what it is shown, so that the error is that between input and target."""

    spatial_dims, in_channels, out_channels, multiple_of, halo = 3, 1, 1, 1, 0

    def memory_per_voxel(self) -> int:
        return 8

    def forward(self, image):
        return image


def planted(error, seed: int = 0) -> TrainingCase:
    """Return a case of values from 1 to 5 SUVbw whose target is off by ``error(value)``, up or down."""
    random = np.random.default_rng(seed)
    said = random.uniform(1, 5, SHAPE)
    truth = said + error(said) * random.choice([-1, 1], SHAPE)
    voxels, target = (CONTRACT.input.intensity.forward(values).astype(np.float32) for values in (said, truth))
    return TrainingCase("planted", {"pet": voxels}, np.ones(SHAPE, dtype=bool), {"pet": target})


def curve(*pairs: TrainingCase) -> np.ndarray:
    return np.array(
        error_curve(Trained(Faithful(), CONTRACT, torch.device("cpu")), list(pairs), CONTRACT.output, "pet")
    ).T


@pytest.mark.parametrize(
    "error",
    [lambda value: 0 * value + 0.25, lambda value: 0.2 + 0.1 * value, lambda value: 0.8 - 0.1 * value],
    ids=["the-same", "larger-where-hot", "smaller-where-hot"],
)
def test_a_planted_error_is_found_at_its_value(error):
    values, errors = curve(planted(error))
    assert len(values) == len(ERROR_SHARES) - 1 and 1 < values[0] < values[-1] < 5
    assert np.allclose(errors, error(values), rtol=0.02)


def test_cases_are_pooled_by_squares():
    _, errors = curve(planted(lambda value: 0 * value + 0.1), planted(lambda value: 0 * value + 0.7, seed=1))
    assert np.allclose(errors, np.sqrt((0.1**2 + 0.7**2) / 2), rtol=0.1)
    assert np.sqrt(np.diff(ERROR_SHARES) @ errors**2) == pytest.approx(0.5, rel=1e-3)


def test_what_lies_outside_the_body_does_not_count():
    pair = planted(lambda value: 0 * value + 0.1)
    pair.body[:4] = pair.body[:, :10] = False
    pair.target[~pair.body] += 9
    _, errors = curve(pair)
    assert np.allclose(errors, 0.1, rtol=0.01)
