"""What losses take where nothing is said: the values of the publications and of common use."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from medsynth_core.losses.adversarial import Adversarial
from medsynth_core.losses.boxes import detected
from medsynth_core.losses.perceptual import LAYERS, Perceptual
from medsynth_core.losses.segmentation import weighted_cross_entropy
from medsynth_core.losses.similarity import Dissimilarity

DEFAULTS: list[tuple[Any, dict[str, Any]]] = [
    (Adversarial, {"kind": "least_squares"}),
    # Those of SSD, but for the number of boxes of a kind.
    (detected, {"score": 0.5, "overlap": 0.45, "most": 20}),
    (Perceptual, {"layers": LAYERS, "low": -1.0, "high": 1.0}),
    (weighted_cross_entropy, {"border": None}),
    (Dissimilarity, {"low": -1.0, "high": 1.0, "window": 11}),
]


@pytest.mark.parametrize(("made", "expected"), DEFAULTS)
def test_what_is_not_stated(made, expected):
    parameters = inspect.signature(made).parameters.values()
    assert {one.name: one.default for one in parameters if one.default is not one.empty} == expected
