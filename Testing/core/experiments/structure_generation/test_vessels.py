"""Coarse labels of vessels from structure maps, and those drawn by hand on the grid of a model."""

from __future__ import annotations

import numpy as np
from PIL import Image

from medsynth_core.datasets.manifest import Case
from medsynth_core.experiments.structure_generation.rivals import experiment_recipe
from medsynth_core.experiments.structure_generation.vessels import SHRINK, coarse_vessels, drawn_by_hand


def test_coarse_vessels_are_lines_away_from_the_border_of_the_organ():
    y, x = np.mgrid[:40, :40]
    organ = np.hypot(y - 20, x - 20) < 15
    lines = np.zeros((40, 40), bool)
    lines[20] = True
    lines |= np.abs(np.hypot(y - 20, x - 20) - 14) < 1
    (found,) = coarse_vessels(lines[None], organ[None])
    assert found.dtype == np.uint8 and set(np.flatnonzero(found.any(axis=1))) == {20}
    assert np.flatnonzero(found[20]).tolist() == list(range(20 - 14 + SHRINK, 20 + 14 - SHRINK + 1))
    # What lies beyond the image is not organ.
    (whole,) = coarse_vessels(np.ones((1, 20, 20), bool), np.ones((1, 20, 20), bool))
    assert whole[SHRINK:-SHRINK, SHRINK:-SHRINK].all() and whole.sum() == (20 - 2 * SHRINK) ** 2
    assert not coarse_vessels(lines[None], np.zeros((1, 40, 40), bool)).any()


def test_vessels_drawn_by_hand_are_pixels_of_which_half_is_vessel(tmp_path):
    contract = experiment_recipe("multimodal-fundus").contract
    mask = np.zeros((512, 512), bool)
    mask[:, 100:140] = True  # ten pixels of the model
    mask[:, 300:301] = True  # a quarter of a pixel
    Image.fromarray(mask).save(tmp_path / "mask.png")
    found = drawn_by_hand([Case("P", "train", {"vessels": tmp_path / "mask.png"})], contract)
    assert found.shape == (1, 128, 128) and found.dtype == np.uint8
    assert np.flatnonzero(found[0].all(axis=0)).tolist() == list(range(25, 35)) and found.sum() == 10 * 128
