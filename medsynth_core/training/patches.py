"""Patches of volumes for 3-D networks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import Dataset

from medsynth_core.training.arrays import Pair
from medsynth_core.training.recipe import Recipe

# Image, target, name of the case, class of its dose.
Item = tuple[Tensor, Tensor, str, int]


class Patches(Dataset[Item]):
    """Patches as thick as the contract's slab and as wide as the recipe's crop, mirrored at random.

    An epoch has as many of a case as cover its body with slabs that share half of their slices; each is moved by
    chance, up to half a slab along the body and anywhere in the plane. Cases smaller than a patch lie anywhere in it,
    as patients do in a field of view. Nothing is interpolated, which would change the noise that is to be learnt.

    Args:
        pairs: the training cases.
        recipe: slab, crop and seed.
    """

    def __init__(self, pairs: list[Pair], recipe: Recipe) -> None:
        assert recipe.contract.slab is not None
        self._depth, self._side = recipe.contract.slab.slices, recipe.augmentation.crop
        self._names, self._doses = [pair.name for pair in pairs], [pair.dose for pair in pairs]
        self._inputs = [torch.from_numpy(pair.voxels) for pair in pairs]
        self._target_volumes = [torch.from_numpy(pair.target) for pair in pairs]
        self._starts = [
            (case, start)
            for case, pair in enumerate(pairs)
            for start in self._covering(pair)
            for _ in range(self._tiles(pair))
        ]
        self._unpaired = recipe.system == "cyclegan"
        self._seed, self._flip = recipe.seed, recipe.augmentation.flip
        self._empty = recipe.contract.empty
        self.count = self.targets = len(self._starts)

    def __getitem__(self, key: tuple[int, int, int]) -> Item:
        """Return image and target, (1, slices, crop, crop), the name of the case and the class of its dose."""
        epoch, index, other = key
        random = np.random.default_rng((self._seed, epoch, index))
        case, start = self._starts[index]
        corner = self._corner(self._inputs[case], start, random)
        mirrored = [dim for dim in (1, 2, 3) if self._flip and random.random() < 0.5]
        image = self._cut(self._inputs[case], corner, self._empty[0])
        if self._unpaired:
            case_there, start_there = self._starts[other]
            volume = self._target_volumes[case_there]
            target = self._cut(volume, self._corner(volume, start_there, random), self._empty[1])
        else:
            target = self._cut(self._target_volumes[case], corner, self._empty[1])
        return image.flip(mirrored), target.flip(mirrored), self._names[case], self._doses[case]

    def _covering(self, pair: Pair) -> list[int]:
        """Return the first slices of slabs that cover the body, each sharing half with the next."""
        used = np.flatnonzero(pair.body.any(axis=(1, 2)))
        if not used.size:
            return [0]
        first, last = int(used[0]), int(used[-1]) + 1
        step = max(self._depth // 2, 1)
        final = max(last - self._depth, first)
        return [*range(first, final, step), final]

    def _tiles(self, pair: Pair) -> int:
        """Return how many patches beside each other cover the plane."""
        rows, columns = pair.voxels.shape[1:]
        return -(-rows // self._side) * -(-columns // self._side)

    def _corner(self, volume: Tensor, start: int, random: np.random.Generator) -> tuple[int, int, int]:
        depth, rows, columns = volume.shape
        reach = self._depth // 4
        k = start + int(random.integers(-reach, reach + 1))
        # Before the volume where it is smaller than the patch.
        plane = [
            int(random.integers(min(room, 0), max(room, 0) + 1)) for room in (rows - self._side, columns - self._side)
        ]
        return int(np.clip(k, 0, max(depth - self._depth, 0))), plane[0], plane[1]

    def _cut(self, volume: Tensor, corner: tuple[int, int, int], empty: float) -> Tensor:
        margins: list[int] = []
        for axis, (first, size) in enumerate(zip(corner, (self._depth, self._side, self._side), strict=True)):
            start, stop = max(first, 0), min(first + size, volume.shape[axis])
            volume = volume.narrow(axis, start, stop - start)
            margins = [start - first, first + size - stop, *margins]
        return pad(volume, margins, value=empty)[None]
