"""Batches of augmented slices or patches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from medsynth_core.preparation.contract import Side
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.frame import whole_slices
from medsynth_core.preparation.slices import neighbours
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.batch import Batch
from medsynth_core.training.augmentation import Augmenter
from medsynth_core.training.modality_slices import ModalitySlices
from medsynth_core.training.patches import Images, Item, Patches

# Epoch, index of the input slice or patch, index of the target slice or patch.
Key = tuple[int, int, int]


class Batches:
    """Batches of augmented training slices in random order; for a 3-D network, of patches.

    An epoch contains every slice once, except those of an incomplete last batch. The order depends only on the
    recipe's seed and the epoch, and the augmentation of a slice on these and its index, so that an epoch can be
    resumed in the middle and divided between processes.

    Args:
        cases: training cases.
        recipe: provides batch size, augmentation, contract, and whether inputs and targets are paired.
        channels: channels of the network's input and output.
        share: rank of this process and number of processes; each gets its part of every batch.
        workers: worker processes that prepare batches in advance; 0 prepares them in this process on demand.
        pinned: whether to put batches into pinned memory, for fast transfer to a CUDA device.
    """

    def __init__(
        self,
        cases: list[TrainingCase],
        recipe: Recipe,
        channels: tuple[int, int],
        share: tuple[int, int] = (0, 1),
        workers: int = 0,
        pinned: bool = False,
    ) -> None:
        self._items = _items(cases, recipe, channels)
        self._count, self._targets = self._items.count, self._items.targets
        self._recipe, self._share = recipe, share
        self._workers, self._pinned = workers, pinned
        self._paired = recipe.needs.paired

    def __len__(self) -> int:
        return max(self._count // self._recipe.batch_size, 1)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yield this process's part of the epoch's batches, from batch number ``start`` on."""
        random = np.random.default_rng((self._recipe.seed, epoch))
        order = random.permutation(self._count)
        # Unpaired targets are shuffled separately and repeated or cut to the number of inputs.
        others = order if self._paired else np.resize(random.permutation(self._targets), len(order))
        wanted = [self._part(order, others, epoch, number) for number in range(start, len(self))]
        yield from DataLoader(
            self._items,
            batch_sampler=wanted,
            num_workers=self._workers,
            collate_fn=_collated,
            pin_memory=self._pinned,
            # A separate generator, so that loading batches does not change the random state of the networks.
            generator=torch.Generator(),
        )

    def _part(self, order: np.ndarray, others: np.ndarray, epoch: int, number: int) -> list[Key]:
        """Return the keys of this process's part of a batch."""
        size = min(self._recipe.batch_size, len(order))
        rank, world = self._share
        here = slice(number * size + rank, (number + 1) * size, world)
        return [(epoch, int(index), int(other)) for index, other in zip(order[here], others[here], strict=True)]


def _items(cases: list[TrainingCase], recipe: Recipe, channels: tuple[int, int]) -> Patches | ModalitySlices | Slices:
    """Return the items that the system of a recipe is trained with."""
    if recipe.needs.patches:
        return Patches(cases, recipe)
    return ModalitySlices(cases, recipe) if recipe.needs.by_modality else Slices(cases, recipe, channels)


class Channels:
    """Division of a network's input or output channels between its images.

    Args:
        sides: the images by role.
        count: channels of the network, divided equally between the images.
        slices: ``neighbours`` or ``replicate``, from the contract.
    """

    def __init__(self, sides: Mapping[str, Side], count: int, slices: str) -> None:
        self.each = count // len(sides) if sides else 0
        self._replicate = slices == "replicate"
        # Channels that contain the same slice are augmented once.
        self._taken = 1 if self._replicate else self.each
        self._roles = list(sides)
        self.empty = torch.tensor([side.empty for side in sides.values() for _ in range(self._taken)])

    def of(self, volumes: Images, k: int) -> Tensor:
        """Return slice ``k`` of all images, (channels, rows, columns), before augmentation."""
        index = torch.tensor([k])
        mode: Literal["neighbours", "replicate"] = "replicate" if self._replicate else "neighbours"
        several = [neighbours(volumes[role], index, self._taken, mode)[0] for role in self._roles]
        return several[0] if len(several) == 1 else torch.cat(several)

    def by_role(self, stack: Tensor) -> Images:
        """Return the channels of each image after augmentation, repeated for ``replicate``."""
        parts = stack.split(self._taken) if self._roles else ()
        return {
            role: part.expand(self.each, -1, -1) if self._replicate else part
            for role, part in zip(self._roles, parts, strict=True)
        }


class Slices(Dataset[Item]):
    """Augmented slices by key; a key gives the same slice in every process.

    ``count`` is the number of inputs and ``targets`` that of targets; equal for a generative model without inputs.
    """

    def __init__(self, cases: list[TrainingCase], recipe: Recipe, channels: tuple[int, int]) -> None:
        contract = recipe.contract
        self._names, self._labels = [case.name for case in cases], [case.labels for case in cases]
        self._inputs = [{role: torch.from_numpy(a) for role, a in case.inputs.items()} for case in cases]
        self._targets = [{role: torch.from_numpy(a) for role, a in case.targets.items()} for case in cases]
        self._boxes = [_boxes(case) for case in cases]
        self._target_slices = _numbered(self._targets)
        self._slices = self._with_body(_numbered(self._inputs)) if contract.inputs else self._target_slices
        self.count, self.targets = len(self._slices), len(self._target_slices)
        self._seed, self._paired = recipe.seed, recipe.needs.paired
        self._given = Channels(contract.inputs, channels[0], contract.slices)
        self._wanted = Channels(channels_of(contract.outputs), channels[1], contract.slices)
        self._augmenter = Augmenter(recipe.augmentation, self._given.empty, self._wanted.empty)

    def _with_body(self, numbered: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Leave out slices without body, which inference does not compute."""
        return [(case, k) for case, k in numbered if self._boxes[case][k].any()]

    def _cut(self, image: Tensor, case: int, k: int) -> Tensor:
        """Return the part of a slice (channels, j, i) that the network sees."""
        top, bottom, left, right = self._boxes[case][k].tolist()
        return image[:, top:bottom, left:right]

    def __getitem__(self, key: Key) -> Item:
        """Return inputs and targets by role, (channels, crop, crop) each, the case name and its labels."""
        epoch, index, other = key
        random = np.random.default_rng((self._seed, epoch, index))
        case, k = self._slices[index]
        there, k_there = self._slices[index] if self._paired else self._target_slices[other]
        target = self._wanted.of(self._targets[there], k_there)
        image = self._given.of(self._inputs[case], k) if self._inputs[case] else target[:0]
        image = self._cut(image, case, k)
        target = self._cut(target, case, k) if self._paired else target
        change = self._augmenter.pair if self._paired else self._augmenter.each
        image, target = change(image, target, random)
        return self._given.by_role(image), self._wanted.by_role(target), self._names[case], self._labels[case]


def _boxes(case: TrainingCase) -> np.ndarray:
    """Return the boxes (k, 4) of a case's slices."""
    return whole_slices(next(iter((case.inputs or case.targets).values())).shape) if case.boxes is None else case.boxes


def _numbered(volumes: list[Images]) -> list[tuple[int, int]]:
    """Return (case index, slice index) for every slice."""
    return [(case, k) for case, images in enumerate(volumes) for k in range(len(next(iter(images.values()))))]


def _collated(items: list[Item]) -> Batch:
    inputs, targets, names, labels = zip(*items, strict=True)
    numbers = {name: torch.tensor([each[name] for each in labels]) for name in labels[0]}
    return Batch(_stacked(inputs), _stacked(targets), numbers, tuple(dict.fromkeys(names)))


def _stacked(images: tuple[Images, ...]) -> Images:
    return {role: torch.stack([each[role] for each in images]) for role in images[0]}
