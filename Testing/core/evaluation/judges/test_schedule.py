"""Rows of mixtures: how many images, in which order, and for how many iterations."""

import numpy as np
import pytest
from pydantic import ValidationError

from medsynth_core.evaluation.judges.schedule import Mixture, batches, phases


def row(**given: object) -> Mixture:
    return Mixture.model_validate({"name": "row", **given})


def test_shares_are_of_the_real_training_images():
    assert row(real=0.1, synthetic=3, order="synthetic first").counts(200) == {"real": 20, "synthetic": 600}
    assert row(real=1, augmented=0.5).counts(31) == {"real": 31, "augmented": 16}
    assert row(real=0.1).counts(3) == {"real": 1}


@pytest.mark.parametrize(
    ("order", "counts", "expected"),
    [
        ("mixed", {"real": 10, "synthetic": 30}, [(("real", "synthetic"), 100)]),
        ("synthetic first", {"real": 10, "synthetic": 30}, [(("synthetic",), 75), (("real",), 25)]),
        ("real first", {"real": 10, "synthetic": 30}, [(("real",), 25), (("synthetic",), 75)]),
        ("synthetic first", {"real": 20, "synthetic": 20}, [(("synthetic",), 50), (("real",), 50)]),
        ("synthetic first", {"real": 1, "synthetic": 1000}, [(("synthetic",), 99), (("real",), 1)]),
    ],
)
def test_iterations_are_divided_in_proportion_to_the_images(order, counts, expected):
    assert phases(order, counts, 100) == expected


def test_every_order_has_the_same_number_of_iterations_of_the_right_images():
    counts = {"real": 10, "synthetic": 30}
    for order, real in (("mixed", slice(0, 100)), ("synthetic first", slice(75, 100)), ("real first", slice(0, 25))):
        drawn = np.stack(list(batches(order, counts, 100, 4, 0)))
        assert drawn.shape == (100, 4)
        is_real = drawn < 10
        assert is_real[real].any()
        if order != "mixed":
            assert is_real[real].all() and not np.delete(is_real, np.r_[real], axis=0).any()
        else:
            assert is_real.mean() == pytest.approx(0.25, abs=0.01)


def test_each_image_comes_once_before_any_comes_again():
    drawn = np.concatenate(list(batches("mixed", {"real": 7, "synthetic": 5}, 9, 4, 1)))
    for start in range(0, 36, 12):
        assert sorted(drawn[start : start + 12]) == list(range(12))
    again = np.concatenate(list(batches("mixed", {"real": 7, "synthetic": 5}, 9, 4, 1)))
    other = np.concatenate(list(batches("mixed", {"real": 7, "synthetic": 5}, 9, 4, 2)))
    assert np.array_equal(drawn, again) and not np.array_equal(drawn, other)


def test_a_batch_may_be_larger_than_the_images():
    assert sorted(next(iter(batches("mixed", {"real": 3}, 1, 6, 0)))) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "must be above 0"),
        ({"real": 1, "order": "real first"}, "needs real and synthetic"),
        ({"real": 1, "synthetic": 1, "augmented": 1, "order": "real first"}, "set augmented to 0"),
        ({"real": 1.5}, "less than or equal to 1"),
        ({"real": 1, "order": "random"}, "mixed"),
        ({"real": 1, "name": "../up"}, "pattern"),
    ],
)
def test_rows_that_make_no_sense_are_refused(given, words):
    with pytest.raises(ValidationError, match=words):
        row(**given)
