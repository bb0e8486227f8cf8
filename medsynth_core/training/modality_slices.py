"""Training slices of several modalities, each drawn by itself, so that no two of them need to be of one patient."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.contract import Side
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.training.augmentation import Augmenter
from medsynth_core.training.modality_targets import PARTS, part_of
from medsynth_core.training.patches import Item

# Epoch, index of the item, unused.
Key = tuple[int, int, int]


class ModalitySlices(Dataset[Item]):
    """Augmented slices by key, one of each modality with its structure map, organ and lesion label.

    With pairs, the slices of all modalities are the same one of the same patient. Without, each case gives the images
    of one modality alone, so that nothing of a registered pair is ever seen; which one follows from its number.

    Args:
        cases: cases with the targets of `modality_case`.
        recipe: provides modalities, seed and augmentation, and ``registered``.

    Raises:
        MedSynthError: a modality has no slice.
    """

    def __init__(self, cases: list[TrainingCase], recipe: Recipe) -> None:
        self._roles = list(recipe.contract.outputs)
        self._images = {role: list(channels_of({role: side})) for role, side in recipe.contract.outputs.items()}
        self._cases = [{role: torch.from_numpy(array) for role, array in case.targets.items()} for case in cases]
        classes = getattr(recipe, "classes", ())
        self._classes = [case.labels["class"] for case in cases] if classes else []
        self._names, self._seed = [case.name for case in cases], recipe.seed
        self._paired = bool(getattr(recipe, "registered", False))
        self._slices = self._paired_slices() if self._paired else self._own_slices()
        lacking = [role for role, found in self._slices.items() if not found]
        if lacking:
            what = "with an image of every modality" if self._paired else f"that gives images of '{lacking[0]}'"
            raise MedSynthError(f"The training split has no case {what}; add cases, or change the key registered.")
        self.count = self.targets = max(len(found) for found in self._slices.values())
        self._augmenters = {
            role: Augmenter(recipe.augmentation, self._empty(role, side), torch.zeros(0))
            for role, side in recipe.contract.outputs.items()
        }

    def _empty(self, role: str, side: Side) -> torch.Tensor:
        """Return the network value of empty space in each channel of an image, and in its parts."""
        return torch.tensor([*[side.empty] * len(self._images[role]), *[0.0] * len(PARTS)])

    def _having(self, role: str) -> list[int]:
        """Return the numbers of the cases that have an image of a modality."""
        return [index for index, case in enumerate(self._cases) if len(case[self._images[role][0]])]

    def _own_slices(self) -> dict[str, list[tuple[int, int]]]:
        """Return (case, slice) of each modality, from cases of its own where there are enough."""
        having = {role: self._having(role) for role in self._roles}
        own: dict[str, list[int]] = {role: [] for role in self._roles}
        for number in range(len(self._cases)):
            # A case that lacks the modality of its turn gives the one that has the fewest cases.
            able = [role for role in self._roles if number in having[role]]
            turn = self._roles[number % len(self._roles)]
            chosen = turn if turn in able else min(able, key=lambda role: (len(own[role]), len(having[role])))
            own[chosen].append(number)
        return {role: self._numbered(role, numbers) for role, numbers in own.items()}

    def _paired_slices(self) -> dict[str, list[tuple[int, int]]]:
        """Return the (case, slice) in which every modality has lines, the same list for each."""
        whole = sorted(set.intersection(*(set(self._having(role)) for role in self._roles)))
        seen = [set(self._numbered(role, whole)) for role in self._roles]
        shared = [one for one in self._numbered(self._roles[0], whole) if all(one in found for found in seen)]
        return dict.fromkeys(self._roles, shared)

    def _numbered(self, role: str, cases: list[int]) -> list[tuple[int, int]]:
        """Return the slices of cases that have lines in the structure map of a modality."""
        maps = {case: self._cases[case][part_of(role, "structure")] for case in cases}
        return [(case, k) for case in cases for k in range(len(maps[case])) if maps[case][k].any()]

    def __getitem__(self, key: Key) -> Item:
        """Return the slices by role and part, (1, crop, crop) each, without inputs."""
        epoch, index, _ = key
        targets: dict[str, torch.Tensor] = {}
        name = ""
        for number, role in enumerate(self._roles):
            found = self._slices[role]
            # The same slice of all modalities with pairs; otherwise one of each, in an order of its own.
            random = np.random.default_rng((self._seed, epoch, index, 0 if self._paired else number + 1))
            case, k = found[index % len(found)] if self._paired else found[random.integers(len(found))]
            names = (*self._images[role], *(part_of(role, part) for part in PARTS))
            stack = torch.stack([self._cases[case][part][k] for part in names])
            moved, _ = self._augmenters[role].each(stack, stack[:0], random)
            targets |= dict(zip(names, moved.split(1), strict=True))
            if self._classes:
                targets[names[-1]] = torch.full_like(targets[names[-1]], self._classes[case])
            name = name or self._names[case]
        return {}, targets, name, {"dose": -1}
