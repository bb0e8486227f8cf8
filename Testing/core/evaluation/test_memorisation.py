"""A generator that repeats its training images is found out."""

import numpy as np
import pytest

from medsynth_core import MedSynthError
from medsynth_core.evaluation.memorisation import memorisation


@pytest.fixture
def sets() -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return training images of ten patients with three slices that are alike, real images, and new ones."""
    random = np.random.default_rng(0)
    patients = random.normal(0, 1, (10, 1, 12, 12))
    training = np.repeat(patients, 3, axis=0) + random.normal(0, 0.1, (30, 1, 12, 12))
    held_out, synthetic = random.normal(0, 1, (20, 1, 12, 12)), random.normal(0, 1, (15, 1, 12, 12))
    return training, held_out, synthetic, [f"P{number // 3}" for number in range(30)]


def test_new_images_are_as_far_away_as_other_patients(sets):
    training, held_out, synthetic, patients = sets
    found = memorisation(synthetic, training, held_out, patients)
    # Of 15 images about one is nearer by chance than the nearest of 20.
    assert found.expected == pytest.approx(15 / 21) and len(found.suspects) <= 3
    assert found.synthetic.distance.min() > 0.9 * np.median(held := found.held_out.distance) and len(held) == 20
    # Slices of one patient do not count.
    assert found.synthetic.among_training.min() > 0.7
    assert memorisation(synthetic, training).synthetic.among_training.max() < 0.3


def test_a_copy_is_named_also_with_other_brightness_and_noise(sets):
    training, held_out, synthetic, patients = sets
    synthetic[4] = 3 * training[17] + 100 + np.random.default_rng(1).normal(0, 0.5, (1, 12, 12))
    found = memorisation(synthetic, training, held_out, patients)
    assert found.suspects[0] == 4 and found.synthetic.index[4] in (15, 16, 17)
    assert f"number 4 beside training image {found.synthetic.index[4]}" in str(found)
    rows = {row["images"]: row for row in found.rows()}
    assert rows["synthetic images"]["near"] == len(found.suspects)
    assert rows["synthetic images"]["quantile_0"] < rows["real images that were not used"]["quantile_0"] / 2
    assert rows["training images, from those of other patients"]["count"] == 30


def test_none_is_said_where_there_is_none(sets):
    training, held_out, _, patients = sets
    far = np.tile(np.indices((12, 12)).sum(0) % 2, (3, 1, 1, 1)) * 1.0
    assert str(memorisation(far, training, held_out, patients)).startswith("None of 3 synthetic images")


def test_sets_that_do_not_fit_are_refused(sets):
    training, held_out, synthetic, patients = sets
    for given in (
        (synthetic[:, :, :5], training),
        (synthetic, training, held_out[:, :, :5]),
        (synthetic, training, None, patients[:4]),
        (synthetic, training, None, ["P"] * 30),
    ):
        with pytest.raises(MedSynthError, match="cannot be compared"):
            memorisation(*given)
