"""Random changes to a training slice that keep input and target aligned."""

from __future__ import annotations

import numpy as np
import torch
from monai.transforms import RandAffine, RandFlip
from monai.utils import convert_to_tensor
from torch import Tensor

from medsynth_core.training.recipe import Recipe


class Augmenter:
    """Cuts, turns, scales, shifts and mirrors a slice at random, with MONAI's transforms.

    Args:
        recipe: ranges; the contract says what empty space is worth.
        channels: input channels; those of the target follow them.
        random: the only source of chance.
    """

    def __init__(self, recipe: Recipe, channels: int, random: np.random.Generator) -> None:
        settings = recipe.augmentation
        self._random = random
        self._channels = channels
        self._intensity = settings.intensity
        self._empty_input, self._empty_target = recipe.contract.empty
        state = np.random.RandomState(random.integers(2**31))
        self._affine = RandAffine(
            prob=1.0,
            rotate_range=np.radians(settings.rotate_degrees),
            scale_range=(settings.scale, settings.scale),
            translate_range=(settings.shift_pixels, settings.shift_pixels),
            spatial_size=(settings.crop, settings.crop),
            mode="bilinear",
            padding_mode="zeros",
        )
        self._affine.set_random_state(state=state)
        self._flip = RandFlip(prob=0.5 if settings.flip else 0.0, spatial_axis=1)
        self._flip.set_random_state(state=state)

    def __call__(self, stack: Tensor) -> tuple[Tensor, Tensor]:
        """Return (image, target) of crop × crop pixels from a stack of input channels and target."""
        # What comes in from outside the slice is empty space, which the transforms take to be zero.
        empty = torch.full((len(stack), 1, 1), self._empty_target)
        empty[: self._channels] = self._empty_input
        changed = convert_to_tensor(self._flip(self._affine(stack - empty)), track_meta=False) + empty
        image, target = changed[: self._channels], changed[self._channels :]
        if self._intensity:
            shift = float(self._random.uniform(-self._intensity, self._intensity))
            image = image + shift * (image > self._empty_input + 0.05)
        return image, target
