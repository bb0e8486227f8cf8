"""Prepared cases in memory, and the batches cut from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.case import Prepared, prepare, prepare_target
from medsynth_core.preparation.slices import neighbours
from medsynth_core.progress import Progress
from medsynth_core.training.augmentation import Augmenter
from medsynth_core.training.manifest import Case
from medsynth_core.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Pair:
    """A case on the grid of the model: the prepared input, and its target as (k, j, i) network values."""

    name: str
    prepared: Prepared
    target: np.ndarray


def load_pair(case: Case, recipe: Recipe) -> Pair:
    """Read and prepare one case.

    Raises:
        MedSynthError: a volume cannot be read or does not fit the recipe's contract.
    """
    contract = recipe.contract
    wanted = contract.input
    volume = read_volume(case.files[recipe.input_role], modality=wanted.modality, unit=wanted.unit)
    prepared = prepare(contract.check(volume), contract)
    wanted = contract.output
    target = read_volume(case.files[recipe.target_role], modality=wanted.modality, unit=wanted.unit)
    return Pair(case.name, prepared, prepare_target(target, prepared, contract))


def load_pairs(cases: list[Case], recipe: Recipe, progress: Progress) -> list[Pair]:
    """Read and prepare cases, one after the other.

    Raises:
        MedSynthError: as `load_pair`, with the name of the case.
    """
    pairs = []
    for index, case in enumerate(cases):
        progress(index / len(cases), f"Preparing {case.name}")
        try:
            pairs.append(load_pair(case, recipe))
        except MedSynthError as error:
            raise MedSynthError(f"Case '{case.name}': {error.message}", kind=error.kind, hint=error.hint) from error
    return pairs


class Batches:
    """The training slices in random order, augmented: every slice once in an epoch.

    The order and the augmentation of an epoch depend on the recipe's seed and the epoch alone.

    Args:
        pairs: the training cases.
        recipe: batch size, augmentation and contract.
        channels: of the network's input and output.
    """

    def __init__(self, pairs: list[Pair], recipe: Recipe, channels: tuple[int, int]) -> None:
        self._inputs = [torch.from_numpy(pair.prepared.voxels) for pair in pairs]
        self._targets = [torch.from_numpy(pair.target) for pair in pairs]
        self._slices = [(case, k) for case, target in enumerate(self._targets) for k in range(len(target))]
        self._recipe = recipe
        self._channels = channels

    def __len__(self) -> int:
        return max(len(self._slices) // self._recipe.batch_size, 1)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (image, target) batches, (n, in_channels, h, w) and (n, out_channels, h, w)."""
        random = np.random.default_rng((self._recipe.seed, epoch))
        augmenter = Augmenter(self._recipe, self._channels[0], random)
        order = random.permutation(len(self._slices))
        size = min(self._recipe.batch_size, len(order))
        for number in range(len(self)):
            chosen = [self._slices[index] for index in order[number * size : (number + 1) * size]]
            pairs = [augmenter(self._stack(case, k)) for case, k in chosen]
            yield torch.stack([image for image, _ in pairs]), torch.stack([target for _, target in pairs])

    def _stack(self, case: int, k: int) -> Tensor:
        """Return the slice's input channels and, after them, its target channels."""
        index, slices = torch.tensor([k]), self._recipe.contract.slices
        image = neighbours(self._inputs[case], index, self._channels[0], slices)[0]
        return torch.cat([image, neighbours(self._targets[case], index, self._channels[1], slices)[0]])
