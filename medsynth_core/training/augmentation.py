"""Random changes to a training slice that keep input and target aligned."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import set_track_meta
from monai.transforms import RandAffine, RandFlip
from torch import Tensor

from medsynth_core.training.recipe import Recipe

# The history of transforms that MONAI would keep costs as much time as the transforms, and nobody reads it.
set_track_meta(False)


class Augmenter:
    """Cuts, turns, scales, shifts and mirrors a slice at random, with MONAI's transforms.

    Args:
        recipe: ranges; the contract says what empty space is worth.
    """

    def __init__(self, recipe: Recipe) -> None:
        settings = recipe.augmentation
        self._intensity = settings.intensity
        self._empty_input, self._empty_target = recipe.contract.empty
        self._affine = RandAffine(
            prob=1.0,
            rotate_range=np.radians(settings.rotate_degrees),
            scale_range=(settings.scale, settings.scale),
            translate_range=(settings.shift_pixels, settings.shift_pixels),
            spatial_size=(settings.crop, settings.crop),
            mode="bilinear",
            padding_mode="zeros",
        )
        self._flip = RandFlip(prob=0.5 if settings.flip else 0.0, spatial_axis=1)

    def pair(self, image: Tensor, target: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return image and target, (channels, crop, crop), changed alike; ``random`` is the only source of chance."""
        empty = torch.full((len(image) + len(target), 1, 1), self._empty_target)
        empty[: len(image)] = self._empty_input
        changed = self._moved(torch.cat([image, target]), empty, random)
        return self._shifted(changed[: len(image)], random), changed[len(image) :]

    def each(self, image: Tensor, target: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return image and target, (channels, crop, crop), each changed in its own way."""
        moved = self._moved(image, torch.full((1, 1, 1), self._empty_input), random)
        return self._shifted(moved, random), self._moved(target, torch.full((1, 1, 1), self._empty_target), random)

    def _moved(self, stack: Tensor, empty: Tensor, random: np.random.Generator) -> Tensor:
        state = np.random.RandomState(random.integers(2**31))
        self._affine.set_random_state(state=state)
        self._flip.set_random_state(state=state)
        # What comes in from outside the slice is empty space, which the transforms take to be zero.
        return self._flip(self._affine(stack - empty)) + empty

    def _shifted(self, image: Tensor, random: np.random.Generator) -> Tensor:
        if not self._intensity:
            return image
        shift = float(random.uniform(-self._intensity, self._intensity))
        return image + shift * (image > self._empty_input + 0.05)
