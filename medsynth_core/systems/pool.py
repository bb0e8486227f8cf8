"""Pool of earlier synthetic images, which keeps a discriminator from following only the latest generator.

Own implementation: neither torch nor MONAI has such a pool, and its images and random state belong in the checkpoint.
"""

from __future__ import annotations

import json

import numpy as np
import torch
from torch import Tensor


class ImagePool:
    """The image pool of Shrivastava et al. (2017), as used by CycleGAN.

    Once the pool is full, each image is returned as it is or, with probability 0.5, swapped for an earlier one.

    Args:
        size: number of images; 0 returns every image as it is.
        seed: random seed.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._images: list[Tensor] = []
        self._random = np.random.default_rng(seed)

    def __call__(self, images: Tensor) -> Tensor:
        """Return as many images (n, c, h, w), each the given or an earlier one."""
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
        """Return the complete state, for a checkpoint."""
        # As text: a checkpoint stores tensors and plain numbers, and the random state has integers of 128 bits.
        return {"images": self._images, "random": json.dumps(self._random.bit_generator.state)}

    def load_state(self, state: dict[str, object]) -> None:
        """Restore a `state`."""
        self._images = list(state["images"])  # type: ignore[call-overload]
        self._random.bit_generator.state = json.loads(str(state["random"]))
