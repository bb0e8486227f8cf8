"""Random changes of slices keep input and target aligned, and mirror left and right only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medsynth_core.recipes.recipe import Augmentation
from medsynth_core.training.augmentation import Augmenter

EMPTY, EMPTY_TARGET = torch.tensor([-1.0]), torch.tensor([-1.75])


def slices() -> tuple[torch.Tensor, torch.Tensor]:
    """Return a slice whose rows and columns all differ, and its target."""
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    image = (rows + 20 * columns)[None] / 400
    return image, 2 * image + 0.25


def drawn(settings: Augmentation, count: int = 40) -> list[tuple[torch.Tensor, torch.Tensor]]:
    augmenter = Augmenter(settings, EMPTY, EMPTY_TARGET)
    random = np.random.default_rng(0)
    return [augmenter.pair(*slices(), random) for _ in range(count)]


def test_slices_are_mirrored_left_to_right_in_half_of_the_draws_and_never_upside_down():
    image, target = slices()
    mirrored = 0
    for made, aim in drawn(Augmentation(crop=16, flip=True)):
        flipped = not torch.allclose(made, image, atol=1e-5)
        mirrored += flipped
        for found, given in ((made, image), (aim, target)):
            # Columns are the last axis: they run from one side of the patient to the other.
            torch.testing.assert_close(found, given.flip(2) if flipped else given, atol=1e-5, rtol=0)
    assert 10 < mirrored < 30


def test_nothing_is_mirrored_where_the_publication_mirrors_nothing():
    image, target = slices()
    for made, aim in drawn(Augmentation(crop=16, flip=False)):
        torch.testing.assert_close(made, image, atol=1e-5, rtol=0)
        torch.testing.assert_close(aim, target, atol=1e-5, rtol=0)


def test_input_and_target_are_moved_alike():
    settings = Augmentation(crop=16, flip=True, rotate_degrees=15, scale=0.2, shift_pixels=3)
    image, _ = slices()
    for made, aim in drawn(settings):
        # Empty space of the target is what follows from that of the image, so this holds beyond the slice too.
        torch.testing.assert_close(aim, 2 * made + 0.25, atol=1e-4, rtol=0)
        assert not torch.allclose(made, image, atol=0.01)


def test_the_input_alone_is_made_brighter_or_darker():
    image, target = slices()
    shifts = [float((made - image).mean()) for made, aim in drawn(Augmentation(crop=16, flip=False, intensity=0.1))]
    assert all(torch.allclose(aim, target, atol=1e-5) for _, aim in drawn(Augmentation(crop=16, flip=False)))
    assert min(shifts) < -0.05 and max(shifts) > 0.05 and max(map(abs, shifts)) <= 0.1 + 1e-5
    assert np.mean(shifts) == pytest.approx(0, abs=0.03)
