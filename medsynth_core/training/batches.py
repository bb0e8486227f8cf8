"""Batches of augmented slices or patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from medsynth_core.preparation.slices import neighbours
from medsynth_core.training.arrays import Pair
from medsynth_core.training.augmentation import Augmenter
from medsynth_core.training.patches import Item, Patches
from medsynth_core.training.recipe import Recipe

# Epoch, number of the input's slice or patch, number of the target's.
Key = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Batch:
    """Slices or patches to learn from.

    Attributes:
        image: (n, in_channels, h, w) or (n, 1, d, h, w) network input.
        target: (n, out_channels, h, w) or (n, 1, d, h, w) network target.
        cases: the cases that the inputs come from.
        dose: (n,) the class of each input's dose; -1 where it has none.
    """

    image: Tensor
    target: Tensor
    cases: tuple[str, ...]
    dose: Tensor

    def pin_memory(self) -> Batch:
        """Return the batch where a CUDA device fetches it fastest; the loader asks for it."""
        return Batch(self.image.pin_memory(), self.target.pin_memory(), self.cases, self.dose.pin_memory())


class Batches:
    """The training slices in random order, augmented: every slice once in an epoch, but for an incomplete last batch.

    For a 3-D network they are patches. The order of an epoch depends on the recipe's seed and the epoch alone, the
    augmentation of a slice on these and the slice, so that an epoch can be taken up in its middle and shared between
    processes.

    Args:
        pairs: the training cases.
        recipe: batch size, augmentation, contract, and whether input and target belong together.
        channels: of the network's input and output.
        share: the number of this process and how many there are: each gets its part of every batch.
        workers: processes that make batches ahead of the network that learns from them; 0 for this one, when asked.
        pinned: put batches where a CUDA device fetches them fastest.
    """

    def __init__(
        self,
        pairs: list[Pair],
        recipe: Recipe,
        channels: tuple[int, int],
        share: tuple[int, int] = (0, 1),
        workers: int = 0,
        pinned: bool = False,
    ) -> None:
        self._items = Patches(pairs, recipe) if recipe.contract.slab else Slices(pairs, recipe, channels)
        self._count, self._targets = self._items.count, self._items.targets
        self._recipe, self._share = recipe, share
        self._workers, self._pinned = workers, pinned
        self._paired = recipe.system != "cyclegan"

    def __len__(self) -> int:
        return max(self._count // self._recipe.batch_size, 1)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this process's part of the epoch's batches, from batch number ``start`` on."""
        random = np.random.default_rng((self._recipe.seed, epoch))
        order = random.permutation(self._count)
        # Unpaired targets have an order of their own, and as many as there are inputs.
        others = order if self._paired else np.resize(random.permutation(self._targets), len(order))
        wanted = [self._part(order, others, epoch, number) for number in range(start, len(self))]
        yield from DataLoader(
            self._items,
            batch_sampler=wanted,
            num_workers=self._workers,
            collate_fn=_collated,
            pin_memory=self._pinned,
            # Its own chance, so that asking for batches changes nothing in the networks'.
            generator=torch.Generator(),
        )

    def _part(self, order: np.ndarray, others: np.ndarray, epoch: int, number: int) -> list[Key]:
        """Return the slices of this process's part of a batch."""
        size = min(self._recipe.batch_size, len(order))
        rank, world = self._share
        here = slice(number * size + rank, (number + 1) * size, world)
        return [(epoch, int(index), int(other)) for index, other in zip(order[here], others[here], strict=True)]


class Slices(Dataset[Item]):
    """Augmented slices by their key, the same in whichever process they are made.

    ``count`` of them are inputs and ``targets`` targets.
    """

    def __init__(self, pairs: list[Pair], recipe: Recipe, channels: tuple[int, int]) -> None:
        self._names = [pair.name for pair in pairs]
        self._doses = [pair.dose for pair in pairs]
        self._inputs = [torch.from_numpy(pair.voxels) for pair in pairs]
        self._targets = [torch.from_numpy(pair.target) for pair in pairs]
        self._slices = [(case, k) for case, voxels in enumerate(self._inputs) for k in range(len(voxels))]
        self._target_slices = [(case, k) for case, voxels in enumerate(self._targets) for k in range(len(voxels))]
        self.count, self.targets = len(self._slices), len(self._target_slices)
        self._recipe, self._channels = recipe, channels
        self._augmenter = Augmenter(recipe)

    def __getitem__(self, key: Key) -> Item:
        """Return image (in_channels, crop, crop), target (out_channels, crop, crop), the case's name and its dose."""
        epoch, index, other = key
        random = np.random.default_rng((self._recipe.seed, epoch, index))
        case, _ = self._slices[index]
        image = self._slice(self._inputs, self._slices[index], self._channels[0])
        if self._recipe.system == "cyclegan":
            target = self._slice(self._targets, self._target_slices[other], self._channels[1])
            image, target = self._augmenter.each(image, target, random)
        else:
            target = self._slice(self._targets, self._slices[index], self._channels[1])
            image, target = self._augmenter.pair(image, target, random)
        images = self._filled(image, self._channels[0]), self._filled(target, self._channels[1])
        return *images, self._names[case], self._doses[case]

    def _slice(self, volumes: list[Tensor], which: tuple[int, int], channels: int) -> Tensor:
        case, k = which
        slices = self._recipe.contract.slices
        return neighbours(volumes[case], torch.tensor([k]), 1 if slices == "replicate" else channels, slices)[0]

    def _filled(self, stack: Tensor, channels: int) -> Tensor:
        """Return a slice in all channels where they are to hold the same, which is augmented once."""
        return stack.expand(channels, -1, -1) if self._recipe.contract.slices == "replicate" else stack


def _collated(items: list[Item]) -> Batch:
    images, targets, names, doses = zip(*items, strict=True)
    return Batch(torch.stack(images), torch.stack(targets), tuple(dict.fromkeys(names)), torch.tensor(doses))
