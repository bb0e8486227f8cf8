"""Real slices of sarcomas in the frames of the generator, as sets of images and as what judges learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.experiments.scoring.image_set_scores import ImageSet
from medsynth_core.preparation.frame import framed
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.training.modality_targets import part_of


@dataclass(frozen=True, eq=False)
class RealSlices:
    """Registered slices of one split.

    Attributes:
        images: (n, size, size) network values from 0 to 1 by role.
        labels: (n, size, size) tumour labels, uint8.
        patients: (n) names.
    """

    images: dict[str, np.ndarray]
    labels: np.ndarray
    patients: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def image_set(self) -> ImageSet:
        """The images with their labels."""
        return ImageSet(self.images, self.labels)

    def with_lesions(self, most: int) -> Examples:
        """Return the slices of tumours, at most so many of each patient, spread evenly over those that it is in.

        Raises:
            MedSynthError: no slice has one.
        """
        present, patients = self.labels.any(axis=(1, 2)), np.array(self.patients)
        chosen = [_spread(np.flatnonzero(present & (patients == name)), most) for name in dict.fromkeys(self.patients)]
        index = np.concatenate([np.zeros(0, dtype=int), *chosen])
        if not len(index):
            raise MedSynthError("No slice of the experiment's cases has a tumour; give a manifest with tumour masks.")
        images = np.stack([image[index] for image in self.images.values()], axis=1)
        return Examples(images, self.labels[index], tuple(patients[index]))


def real_slices(cases: Sequence[TrainingCase], recipe: Recipe) -> RealSlices:
    """Return the slices of cases that have lines in the structure map of every modality, in frames of the model.

    Args:
        cases: prepared cases of a multi-modal recipe, each with every modality.
        recipe: its recipe.

    Raises:
        MedSynthError: a case lacks a modality.
    """
    sides, size = recipe.contract.outputs, recipe.augmentation.crop
    first = next(iter(sides))
    images: dict[str, list[np.ndarray]] = {role: [] for role in sides}
    labels, patients = [], []
    for case in cases:
        lacking = [role for role in sides if not len(case.targets[role])]
        if lacking:
            raise MedSynthError(f"The case '{case.name}' has no image for '{lacking[0]}'; add it to the manifest.")
        # An MR shows a part of the slices of its CT only.
        lines = [case.targets[part_of(role, "structure")].any(axis=(1, 2)) for role in sides]
        shown = np.logical_and.reduce(lines)
        for role, side in sides.items():
            images[role].append(framed(np.asarray(case.targets[role])[shown], size, side.empty))
        labels.append(framed(np.asarray(case.targets[part_of(first, "lesion")])[shown], size, 0))
        patients += [case.name] * int(shown.sum())
    joined = {role: np.concatenate(some).astype(np.float32) for role, some in images.items()}
    return RealSlices(joined, np.rint(np.concatenate(labels)).astype(np.uint8), tuple(patients))


def _spread(index: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many of an index, at equal distances."""
    return index[np.unique(np.linspace(0, len(index) - 1, most).round().astype(int))] if len(index) else index
