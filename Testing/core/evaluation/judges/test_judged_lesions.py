"""Effectiveness of synthetic lesions, and crops around them."""

import numpy as np
import pytest
from discs import classed, discs

from medsynth_core import MedSynthError
from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.evaluation.judges.judge import JudgeSettings, trained_judge
from medsynth_core.evaluation.judges.lesions import check_independent, lesion_crops, lesion_effectiveness, resized
from medsynth_core.evaluation.judges.registry import judge_class
from medsynth_core.evaluation.judges.schedule import batches


@pytest.mark.slow
def test_faint_synthetic_lesions_are_found_less_well_than_real_ones():
    settings = JudgeSettings(iterations=120, width=6, learning_rate=3e-3)
    training = discs(64)
    order = batches("mixed", {"real": 64}, settings.iterations, settings.batch_size, settings.seed)
    judge = trained_judge(judge_class("segmentation"), training, order, settings)
    found = lesion_effectiveness(judge, discs(24, seed=1), discs(24, seed=2, contrast=0.3))
    assert found["real"].of_set["dice"] > found["synthetic"].of_set["dice"] + 0.2
    alike = lesion_effectiveness(judge, discs(24, seed=1), discs(24, seed=2))
    assert alike["synthetic"].of_set["dice"] == pytest.approx(alike["real"].of_set["dice"], abs=0.05)


def test_a_judge_must_be_another_network_than_the_one_in_the_loss():
    check_independent(JudgeSettings(seed=2, width=16), seed=1, width=64)
    for seed, width, word in ((2, 64, "seed 2"), (1, 16, "width 16")):
        with pytest.raises(MedSynthError, match=word):
            check_independent(JudgeSettings(seed=2, width=16), seed, width)


def test_crops_show_the_lesion_with_its_margin():
    images = np.arange(2 * 1 * 40 * 50, dtype=float).reshape(2, 1, 40, 50)
    labels = np.zeros((2, 40, 50), int)
    labels[0, 10:20, 20:24] = 1
    (crop,) = lesion_crops(Examples(images, labels), margin=0.5, least=4)
    assert np.array_equal(crop, images[0, :, 5:25, 12:32])
    assert lesion_crops(Examples(images, labels), margin=0.0, least=16)[0].shape == (1, 16, 16)


def test_crops_stay_inside_the_image():
    images = np.random.default_rng(0).normal(size=(1, 2, 30, 20))
    for place in ((0, 0), (29, 19), (0, 19)):
        labels = np.zeros((1, 30, 20), int)
        labels[(0, *place)] = 1
        (crop,) = lesion_crops(Examples(images, labels), least=8)
        assert crop.shape == (2, 8, 8) and images[(0, slice(None), *place)] in crop.reshape(2, -1).T
    (whole,) = lesion_crops(Examples(images, np.ones((1, 30, 20), int)))
    assert whole.shape == (2, 20, 20)


def test_crops_are_resized_to_one_side():
    found = resized([np.full((1, 9, 9), 3.0), np.full((1, 40, 40), -1.0)], 16)
    assert found.shape == (2, 1, 16, 16) and found[0] == pytest.approx(3) and found[1] == pytest.approx(-1)
    with pytest.raises(MedSynthError, match="no lesion"):
        resized([], 16)
    with pytest.raises(MedSynthError, match="label maps"):
        lesion_crops(classed(3))
