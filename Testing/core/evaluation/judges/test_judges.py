"""Every judge learns a built problem, and nothing from labels of other images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from discs import classed, discs, shuffled

from medsynth_core import MedSynthError
from medsynth_core.evaluation.judges.detection import boxes_of
from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.evaluation.judges.judge import Judge, JudgeSettings, Scores, trained_judge
from medsynth_core.evaluation.judges.registry import JUDGES, judge_class
from medsynth_core.evaluation.judges.schedule import batches
from medsynth_core.evaluation.judges.segmentation import area_under_curve
from medsynth_core.metrics.registry import METRICS

SETTINGS = JudgeSettings(iterations=120, batch_size=8, width=6, seed=1, learning_rate=3e-3)


def learnt(kind: str, training: Examples, settings: JudgeSettings = SETTINGS) -> Judge:
    order = batches("mixed", {"real": len(training)}, settings.iterations, settings.batch_size, settings.seed)
    return trained_judge(judge_class(kind), training, order, settings)


def judged(kind: str, training: Examples, test: Examples, settings: JudgeSettings = SETTINGS) -> dict[str, float]:
    return learnt(kind, training, settings).scores(test).of_set


def test_the_metrics_of_every_judge_are_in_the_registry():
    assert all(name in METRICS for kind in JUDGES.values() for name in kind.metrics)


@pytest.mark.slow
def test_a_segmenter_finds_discs_but_not_what_belongs_to_other_images():
    training, test = discs(64), discs(32, seed=1)
    found = judged("segmentation", training, test)
    assert found["dice"] > 0.85 and found["dice_pooled"] > 0.8 and found["segmentation_mse"] < 0.03
    chance = judged("segmentation", shuffled(training), test)
    assert chance["dice"] < 0.4 and chance["segmentation_mse"] > 3 * found["segmentation_mse"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_judge_and_leaves_the_random_state_alone():
    training, test = discs(16), discs(8, seed=1)
    short = SETTINGS.model_copy(update={"iterations": 10})
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, again = (judged("segmentation", training, test, short) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert one == again
    assert one != judged("segmentation", training, test, short.model_copy(update={"seed": 2}))


@pytest.mark.slow
def test_a_classifier_tells_classes_but_not_those_of_other_images():
    training, test = classed(60), classed(30, seed=1)
    settings = SETTINGS.model_copy(update={"learning_rate": 5e-4, "iterations": 150})
    found = judged("classification", training, test, settings)
    assert found["accuracy"] > 0.9 and found["balanced_accuracy"] > 0.9
    chance = judged("classification", shuffled(training), test, settings)
    assert chance["accuracy"] < 0.67


@pytest.mark.slow
def test_a_detector_finds_boxes_but_not_those_of_other_images():
    training, test = discs(48, side=64), discs(16, seed=1, side=64)
    settings = SETTINGS.model_copy(update={"learning_rate": 2e-3, "iterations": 260, "width": 4})
    found = judged("detection", training, test, settings)
    assert found["box_iou"] > 0.5 and found["box_sensitivity"] > 0.7 and found["box_precision"] > 0.6
    chance = judged("detection", shuffled(training), test, settings)
    assert chance["box_iou"] < 0.35


@pytest.mark.slow
def test_vessels_are_judged_inside_the_field_of_view():
    training, test = discs(64), discs(16, seed=1)
    judge = learnt("vessels", training)
    found = judge.scores(test).of_set
    assert found["vessel_auc"] > 0.97 and found["vessel_accuracy"] > 0.95 and found["vessel_sensitivity"] > 0.8
    # Outside the field of view everything may be wrong.
    field = np.zeros(test.labels.shape, bool)
    field[:, :, :16] = True
    spoilt = test.images.copy()
    spoilt[:, :, :, 24:] = test.images.max()
    inside = Examples(test.images, test.labels, field=field)
    wrong = np.where(field, test.labels, 1 - test.labels).astype(np.uint8)
    assert judge.scores(Examples(test.images, wrong, field=field)).of_set == judge.scores(inside).of_set
    assert judge.scores(Examples(test.images, wrong)).of_set["vessel_accuracy"] < 0.7


class Known(JUDGES["segmentation"]):  # type: ignore[misc, name-defined]
    """Finds what it is told."""

    def __init__(self, likely: np.ndarray) -> None:
        self.likely = likely

    def probabilities(self, test: Examples) -> np.ndarray:
        return self.likely


def test_dice_and_mse_are_those_of_the_definition():
    labels = np.zeros((3, 2, 4), np.uint8)
    labels[0, 0], labels[1] = (1, 1, 0, 0), 3
    likely = np.zeros((3, 2, 4))
    likely[0, 0], likely[1], likely[2, 1, 0] = (0.9, 0, 0.8, 0), 1, 0.6
    found: Scores = Known(likely).scores(Examples(np.zeros((3, 1, 2, 4)), labels))
    assert found.per_image["dice"][:2].tolist() == [pytest.approx(2 * 1 / 4), 1.0]
    assert np.isnan(found.per_image["dice"][2]), "an image without a lesion has none"
    assert found.of_set["dice"] == pytest.approx(0.75)
    assert found.of_set["dice_pooled"] == pytest.approx(2 * 9 / (11 + 10))
    assert found.of_set["segmentation_mse"] == pytest.approx((0.1**2 + 1 + 0.8**2 + 0.6**2) / 24)
    nothing = Known(likely[2:] * 0).scores(Examples(np.zeros((1, 1, 2, 4)), labels[2:]))
    assert np.isnan(nothing.of_set["dice"]) and np.isnan(nothing.of_set["dice_pooled"])


def test_the_area_under_the_curve_is_the_share_of_right_pairs():
    random = np.random.default_rng(0)
    likely, real = random.integers(0, 5, 60), random.random(60) < 0.4
    pairs = likely[real][:, None] - likely[~real]
    assert area_under_curve(likely, real) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert np.isnan(area_under_curve(likely, np.ones(60, bool)))


def test_boxes_are_around_connected_lesions():
    label = np.zeros((10, 20), int)
    label[2:5, 4:8], label[7:9, 10:20] = 1, 2
    assert boxes_of(label).tolist() == [pytest.approx([0.2, 0.2, 0.4, 0.5]), pytest.approx([0.5, 0.7, 1, 0.9])]
    assert boxes_of(np.zeros((4, 4))).shape == (0, 4)


@pytest.mark.parametrize(
    ("kind", "training", "words"),
    [
        ("segmentation", classed(6), "needs labels of the shape"),
        ("segmentation", discs(1), "has a lesion"),
        ("detection", classed(6), "needs label maps"),
        ("detection", discs(4), "square images of at least 64"),
        ("classification", discs(4), "one label for each image"),
        ("classification", classed(1), "of one class only"),
        ("classification", classed(6, side=16), "at least 32"),
        ("registration", discs(4), "no judge 'registration'; choose one of segmentation"),
    ],
)
def test_examples_that_a_judge_cannot_learn_from_are_refused(kind, training, words):
    with pytest.raises(MedSynthError, match=words):
        judge_class(kind)(training, 4)


@pytest.mark.slow
def test_a_training_that_diverges_says_so():
    with pytest.raises(MedSynthError, match="learning_rate below"):
        learnt("classification", classed(9), SETTINGS.model_copy(update={"learning_rate": 1e6}))
