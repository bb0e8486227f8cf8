"""The small pictures of training images that a package keeps."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core.models.records import PATIENTS, SMALL_PICTURES
from medsynth_core.preparation.contract import Side
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.systems.picture_records import grey_image, picture_records

COLOURS = Side.model_validate(
    {"modality": "OP", "unit": "1", "colours": True, "intensity": {"kind": "scale", "divisor": 1, "upper": 1}}
)
GREY = COLOURS.model_copy(update={"colours": False})


def test_a_colour_image_is_kept_as_the_mean_of_its_colours():
    random = np.random.default_rng(0)
    parts = {name: random.random((2, 8, 9), dtype=np.float32) for name in channels_of({"fundus": COLOURS})}
    case = TrainingCase("one", {}, np.ones((2, 8, 9), bool), parts)
    assert len(parts) == 3
    np.testing.assert_allclose(grey_image(case, "fundus", COLOURS), sum(parts.values()) / 3, rtol=1e-6)
    grey = TrainingCase("one", {}, case.body, {"fundus": next(iter(parts.values()))})
    assert grey_image(grey, "fundus", GREY) is grey.targets["fundus"]


def test_pictures_are_means_of_fields_and_know_their_patient():
    frames = [np.full((2, 32, 32), 0.25, np.float32), np.zeros((0, 32, 32), np.float32)]
    frames += [np.ones((n, 32, 32), np.float32) for n in (1, 1)]
    found = picture_records("fundus", GREY, frames, ["a", "b", "c", "a"])
    assert found.keys() == {f"{SMALL_PICTURES}fundus", f"{PATIENTS}fundus"}
    # Two eyes of one child are those of one patient.
    assert found[f"{PATIENTS}fundus"].tolist() == [0, 0, 2, 0] and found[f"{PATIENTS}fundus"].dtype == np.int32
    pictures = found[f"{SMALL_PICTURES}fundus"].astype(float)
    assert pictures.shape == (4, 16, 16)
    assert pictures[0].mean() / pictures[2].mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("frames", [[], [np.zeros((0, 32, 32))], [np.ones((2, 15, 15))]])
def test_nothing_is_kept_without_images_or_of_images_smaller_than_the_pictures(frames):
    assert picture_records("fundus", GREY, frames, "a" * len(frames)) == {}
    assert picture_records("fundus", GREY, [*frames, np.ones((1, 16, 16), np.float32)], "a" * (len(frames) + 1))
