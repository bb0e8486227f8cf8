"""Earlier synthetic images, so that a discriminator does not only learn what the generator does now."""

from __future__ import annotations

import json

import numpy as np
import torch
from torch import Tensor


class ImagePool:
    """The image pool of Shrivastava et al. (2017), as CycleGAN uses it.

    Once it is full, each image that is asked about is returned or, with a chance of one half, exchanged for an earlier
    one.

    Args:
        size: images it holds; 0 returns every image as it is.
        seed: of its chance.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._images: list[Tensor] = []
        self._random = np.random.default_rng(seed)

    def __call__(self, images: Tensor) -> Tensor:
        """Return as many images (n, c, h, w), each new or an earlier one."""
        if not self._size:
            return images
        return torch.stack([self._exchanged(image.clone()) for image in images])

    def _exchanged(self, image: Tensor) -> Tensor:
        if len(self._images) < self._size:
            self._images.append(image)
            return image
        if self._random.random() < 0.5:
            return image
        index = int(self._random.integers(self._size))
        earlier, self._images[index] = self._images[index], image
        return earlier

    def state(self) -> dict[str, object]:
        """Return everything that the next answer depends on."""
        # As text: a checkpoint holds tensors and plain numbers, and a generator's state has integers of 128 bits.
        return {"images": self._images, "random": json.dumps(self._random.bit_generator.state)}

    def load_state(self, state: dict[str, object]) -> None:
        """Go on from a `state`."""
        self._images = list(state["images"])  # type: ignore[call-overload]
        self._random.bit_generator.state = json.loads(str(state["random"]))
