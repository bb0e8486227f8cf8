"""Random augmentation of training slices that keeps input and target aligned."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import set_track_meta
from monai.transforms import RandAffine, RandFlip
from torch import Tensor
from torch.nn.functional import pad

from medsynth_core.preparation.frame import placed
from medsynth_core.recipes.recipe import Augmentation

# MONAI's record of applied transforms takes as long as the transforms themselves and is not used.
set_track_meta(False)


class Augmenter:
    """Random rotation, scaling, shift and flip of a slice in the middle of its frame, by MONAI transforms.

    Args:
        settings: ranges of the random changes.
        empty_image: network value of empty space in each channel of the image.
        empty_target: network value of empty space in each channel of the target.
    """

    def __init__(self, settings: Augmentation, empty_image: Tensor, empty_target: Tensor) -> None:
        self._intensity = settings.intensity
        self._empty_image, self._empty_target = empty_image[:, None, None], empty_target[:, None, None]
        self._affine = RandAffine(
            prob=1.0,
            rotate_range=np.radians(settings.rotate_degrees),
            scale_range=(settings.scale, settings.scale),
            translate_range=(settings.shift_pixels, settings.shift_pixels),
            spatial_size=(settings.crop, settings.crop),
            mode="bilinear",
            padding_mode="zeros",
        )
        self._frame = (settings.crop, settings.crop)
        self._fixed = not (settings.rotate_degrees or settings.scale or settings.shift_pixels)
        self._flip = RandFlip(prob=0.5 if settings.flip else 0.0, spatial_axis=1)

    def pair(self, image: Tensor, target: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return image and target, (channels, crop, crop), transformed alike; all randomness comes from ``random``."""
        empty = torch.cat([self._empty_image, self._empty_target])
        changed = self._moved(torch.cat([image, target]), empty, random)
        return self._shifted(changed[: len(image)], random), changed[len(image) :]

    def each(self, image: Tensor, target: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return image and target, (channels, crop, crop), transformed independently."""
        moved = self._moved(image, self._empty_image, random)
        return self._shifted(moved, random), self._moved(target, self._empty_target, random)

    def _moved(self, stack: Tensor, empty: Tensor, random: np.random.Generator) -> Tensor:
        state = np.random.RandomState(random.integers(2**31))
        self._affine.set_random_state(state=state)
        self._flip.set_random_state(state=state)
        # The transforms pad with zeros, so empty space is shifted to zero and back.
        stack = stack - empty
        return self._flip(centred(stack, self._frame) if self._fixed else self._affine(_even(stack))) + empty

    def _shifted(self, image: Tensor, random: np.random.Generator) -> Tensor:
        if not self._intensity:
            return image
        shift = float(random.uniform(-self._intensity, self._intensity))
        return image + shift * (image > self._empty_image + 0.05)


def centred(stack: Tensor, frame: tuple[int, int]) -> Tensor:
    """Return slices (channels, j, i) in the middle of a frame of zeros, where inference puts them too."""
    rows, columns = stack.shape[1:]
    inside, taken = placed(np.array([0, rows, 0, columns]), frame)
    framed = stack.new_zeros((len(stack), *frame))
    framed[:, inside[0], inside[1]] = stack[:, taken[0], taken[1]]
    return framed


def _even(stack: Tensor) -> Tensor:
    """Return slices with even numbers of rows and columns, the middle of which is that of the frame, not between."""
    rows, columns = stack.shape[1:]
    return pad(stack, (0, columns % 2, 0, rows % 2))
