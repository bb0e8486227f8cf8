"""What a usability table says where a metric is not defined in every training, or was published for another task."""

from pathlib import Path

import numpy as np

from medsynth_core.evaluation.judges.schedule import Mixture
from medsynth_core.experiments.scoring.usability import Comparison, UsabilityTable, _summary


def test_an_interval_is_that_of_all_trainings_or_missing():
    found = _summary("box_precision", np.array([0.5, np.nan, 0.7]))
    assert set(found.values()) == {""} and len(found) == 4
    whole = _summary("dice", np.array([0.5, 0.6, 0.7]))
    assert whole["dice_mean"] == 0.6 and whole["dice_low"] < 0.6 < whole["dice_high"]


def test_published_values_are_of_the_judges_own_metrics():
    mixture = Mixture(name="real", real=1, order="mixed", published={"dice": 0.915, "segmentation_mse": 0.026})
    for judge, kept in (("segmentation", True), ("classification", False), ("vessels", False), ("detection", False)):
        comparison = Comparison(judge, (mixture,), (11, 12, 13))
        names = UsabilityTable(comparison, {}, Path("x"), 10, 5).metrics
        values = {"real": {seed: dict.fromkeys(names, 0.5) for seed in (11, 12, 13)}}
        (row,) = UsabilityTable(comparison, values, Path("x"), 10, 5).found
        assert any(name.endswith("_published") for name in row) == kept
