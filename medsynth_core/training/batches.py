"""Batches of augmented slices, made ahead of the network that learns from them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medsynth_core.preparation.slices import neighbours
from medsynth_core.training.arrays import Pair
from medsynth_core.training.augmentation import Augmenter
from medsynth_core.training.recipe import Recipe

# Batches that wait while the network learns.
AHEAD = 3


@dataclass(frozen=True, eq=False)
class Batch:
    """Slices to learn from.

    Attributes:
        image: (n, in_channels, h, w) network input.
        target: (n, out_channels, h, w) network target.
        cases: the cases that the inputs come from.
    """

    image: Tensor
    target: Tensor
    cases: tuple[str, ...]


class Batches:
    """The training slices in random order, augmented: every slice once in an epoch, but for an incomplete last batch.

    The order of an epoch depends on the recipe's seed and the epoch alone, the augmentation of a slice on these and the
    slice, so that an epoch can be taken up in its middle and shared between processes.

    Args:
        pairs: the training cases.
        recipe: batch size, augmentation, contract, and whether input and target belong together.
        channels: of the network's input and output.
        share: the number of this process and how many there are: each gets its part of every batch.
        workers: threads that make batches.
        pinned: put batches where a CUDA device fetches them fastest.
    """

    def __init__(
        self,
        pairs: list[Pair],
        recipe: Recipe,
        channels: tuple[int, int],
        share: tuple[int, int] = (0, 1),
        workers: int = 1,
        pinned: bool = False,
    ) -> None:
        self._names = [pair.name for pair in pairs]
        self._inputs = [torch.from_numpy(pair.voxels) for pair in pairs]
        self._targets = [torch.from_numpy(pair.target) for pair in pairs]
        self._slices = [(case, k) for case, voxels in enumerate(self._inputs) for k in range(len(voxels))]
        self._target_slices = [(case, k) for case, voxels in enumerate(self._targets) for k in range(len(voxels))]
        self._recipe, self._channels, self._share = recipe, channels, share
        self._workers, self._pinned = workers, pinned
        self._paired = recipe.system != "cyclegan"
        self._own = threading.local()

    def __len__(self) -> int:
        return max(len(self._slices) // self._recipe.batch_size, 1)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this process's part of the epoch's batches, from batch number ``start`` on."""
        random = np.random.default_rng((self._recipe.seed, epoch))
        order = random.permutation(len(self._slices))
        # Unpaired targets have an order of their own, and as many as there are inputs.
        others = order if self._paired else np.resize(random.permutation(len(self._target_slices)), len(order))
        with ThreadPoolExecutor(self._workers) as pool:
            waiting: deque[Future[Batch]] = deque()
            try:
                for number in range(start, len(self)):
                    inputs, targets = self._part(order, number), self._part(others, number)
                    waiting.append(pool.submit(self._batch, epoch, inputs, targets))
                    if len(waiting) > AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                # Whoever stops in the middle of an epoch does not wait for batches that nobody needs.
                for future in waiting:
                    future.cancel()

    def _part(self, order: np.ndarray, number: int) -> list[int]:
        size = min(self._recipe.batch_size, len(order))
        rank, world = self._share
        return [int(index) for index in order[number * size : (number + 1) * size][rank::world]]

    def _batch(self, epoch: int, chosen: list[int], others: list[int]) -> Batch:
        items = [self._item(epoch, index, other) for index, other in zip(chosen, others, strict=True)]
        image, target = (torch.stack(part) for part in zip(*items, strict=True))
        if self._pinned:
            image, target = image.pin_memory(), target.pin_memory()
        return Batch(image, target, tuple(dict.fromkeys(self._names[self._slices[index][0]] for index in chosen)))

    def _item(self, epoch: int, index: int, other: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng((self._recipe.seed, epoch, index))
        image = self._slice(self._inputs, self._slices[index], self._channels[0])
        if self._paired:
            target = self._slice(self._targets, self._slices[index], self._channels[1])
            image, target = self._augmenter().pair(image, target, random)
        else:
            target = self._slice(self._targets, self._target_slices[other], self._channels[1])
            image, target = self._augmenter().each(image, target, random)
        return self._filled(image, self._channels[0]), self._filled(target, self._channels[1])

    def _slice(self, volumes: list[Tensor], which: tuple[int, int], channels: int) -> Tensor:
        case, k = which
        slices = self._recipe.contract.slices
        return neighbours(volumes[case], torch.tensor([k]), 1 if slices == "replicate" else channels, slices)[0]

    def _filled(self, stack: Tensor, channels: int) -> Tensor:
        """Return a slice in all channels where they are to hold the same, which is augmented once."""
        return stack.expand(channels, -1, -1) if self._recipe.contract.slices == "replicate" else stack

    def _augmenter(self) -> Augmenter:
        """Return the thread's own: MONAI's transforms remember what they drew last."""
        if not hasattr(self._own, "augmenter"):
            self._own.augmenter = Augmenter(self._recipe)
        return self._own.augmenter
