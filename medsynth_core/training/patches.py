"""Random 3-D patches for training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import Dataset

from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.recipes.recipe import Recipe

Images = dict[str, Tensor]
# Inputs and targets by role, case name, labels.
Item = tuple[Images, Images, str, Mapping[str, int]]


class Patches(Dataset[Item]):
    """Patches of size slab × crop × crop (contract's slab, recipe's crop), flipped at random.

    Each epoch draws as many patches per case as are needed to cover its body with slabs that overlap by half. The
    position is random: up to a quarter of a slab either way along the body, anywhere in the plane. A case smaller
    than a patch is placed at random within it. Patches are never interpolated, which would change the noise.

    Args:
        cases: training cases.
        recipe: provides slab, crop and seed.
    """

    def __init__(self, cases: list[TrainingCase], recipe: Recipe) -> None:
        assert recipe.contract.slab is not None
        self._depth, self._side = recipe.contract.slab.slices, recipe.augmentation.crop
        self._names, self._labels = [case.name for case in cases], [case.labels for case in cases]
        self._inputs = [_tensors(case.inputs) for case in cases]
        self._target_volumes = [_tensors(case.targets) for case in cases]
        self._first = [_tensors(case.inputs or case.targets) for case in cases]
        self._starts = self._positions(self._first, cases)
        self._unpaired = not recipe.needs.paired
        self._target_starts = self._positions(self._target_volumes, cases) if self._unpaired else self._starts
        self._seed, self._flip = recipe.seed, recipe.augmentation.flip
        self._empty = {role: side.empty for role, side in recipe.contract.inputs.items()}
        self._empty_target = {role: side.empty for role, side in recipe.contract.outputs.items()}
        self.count, self.targets = len(self._starts), len(self._target_starts)

    def __getitem__(self, key: tuple[int, int, int]) -> Item:
        """Return inputs and targets by role, (1, slices, crop, crop) each, the case name and its labels."""
        epoch, index, other = key
        random = np.random.default_rng((self._seed, epoch, index))
        case, start = self._starts[index]
        corner = self._corner(self._shape(case), start, random)
        mirrored = [dim for dim in (1, 2, 3) if self._flip and random.random() < 0.5]
        inputs = self._cut_all(self._inputs[case], corner, self._empty, mirrored)
        if self._unpaired:
            case_there, start_there = self._target_starts[other]
            volumes = self._target_volumes[case_there]
            shape = next(iter(volumes.values())).shape
            targets = self._cut_all(volumes, self._corner(shape, start_there, random), self._empty_target, mirrored)
        else:
            targets = self._cut_all(self._target_volumes[case], corner, self._empty_target, mirrored)
        return inputs, targets, self._names[case], self._labels[case]

    def _positions(self, images: list[Images], cases: list[TrainingCase]) -> list[tuple[int, int]]:
        """Return a case and a first slice for each patch of an epoch; a case without these images has no patches."""
        shapes = [next(iter(volumes.values())).shape for volumes in images]
        # The body is that in the input; a target without an input, or on its own grid, is covered as a whole.
        bodies = [
            case.body if case.body.shape == shape else np.ones(shape, dtype=bool)
            for case, shape in zip(cases, shapes, strict=True)
        ]
        return [
            (number, start)
            for number, (shape, body) in enumerate(zip(shapes, bodies, strict=True))
            if shape.numel()
            for start in self._covering(body)
            for _ in range(self._tiles(shape))
        ]

    def _shape(self, case: int) -> torch.Size:
        """Return the shape (k, j, i) of a case's first image."""
        return next(iter(self._first[case].values())).shape

    def _covering(self, body: np.ndarray) -> list[int]:
        """Return the first slices of slabs that cover the body and overlap by half."""
        used = np.flatnonzero(body.any(axis=(1, 2)))
        if not used.size:
            return [0]
        first, last = int(used[0]), int(used[-1]) + 1
        step = max(self._depth // 2, 1)
        final = max(last - self._depth, first)
        return [*range(first, final, step), final]

    def _tiles(self, shape: torch.Size) -> int:
        """Return the number of patches that cover the plane."""
        rows, columns = shape[1:]
        return -(-rows // self._side) * -(-columns // self._side)

    def _corner(self, shape: torch.Size, start: int, random: np.random.Generator) -> tuple[int, int, int]:
        depth, rows, columns = shape
        reach = self._depth // 4
        k = start + int(random.integers(-reach, reach + 1))
        # Negative, i.e. outside the volume, where the volume is smaller than the patch.
        plane = [
            int(random.integers(min(room, 0), max(room, 0) + 1)) for room in (rows - self._side, columns - self._side)
        ]
        return int(np.clip(k, 0, max(depth - self._depth, 0))), plane[0], plane[1]

    def _cut_all(
        self, volumes: Images, corner: tuple[int, int, int], empty: Mapping[str, float], mirrored: list[int]
    ) -> Images:
        return {role: self._cut(volume, corner, empty[role]).flip(mirrored) for role, volume in volumes.items()}

    def _cut(self, volume: Tensor, corner: tuple[int, int, int], empty: float) -> Tensor:
        margins: list[int] = []
        for axis, (first, size) in enumerate(zip(corner, (self._depth, self._side, self._side), strict=True)):
            start, stop = max(first, 0), min(first + size, volume.shape[axis])
            volume = volume.narrow(axis, start, stop - start)
            margins = [start - first, first + size - stop, *margins]
        return pad(volume, margins, value=empty)[None]


def _tensors(images: Mapping[str, np.ndarray]) -> Images:
    return {role: torch.from_numpy(array) for role, array in images.items()}
