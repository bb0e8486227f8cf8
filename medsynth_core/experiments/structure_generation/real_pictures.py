"""Real pictures in the frames of a generator, with their classes and structure maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medsynth_core.datasets.manifest import Case
from medsynth_core.experiments.structure_generation.drawn_images import joined_channels
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.structure.quality import Range, map_measures, ranges_of
from medsynth_core.training.modality_targets import part_of


@dataclass(frozen=True, eq=False)
class RealPictures:
    """Pictures of one split.

    Attributes:
        images: (n, size, size), in colour (n, size, size, 3), network values from 0 to 1.
        kinds: (n) numbers of the classes; 0 without classes.
        patients: (n) names.
        lines, organs: (n, size, size) boolean: structure maps, and where there is no background.
    """

    images: np.ndarray
    kinds: np.ndarray
    patients: tuple[str, ...]
    lines: np.ndarray
    organs: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def ranges(self, kind: int | None) -> dict[str, Range]:
        """Return the ranges of measures of the structure maps of a class; of all maps if None."""
        chosen = np.arange(len(self)) if kind is None else np.flatnonzero(self.kinds == kind)
        return ranges_of(map_measures(self.lines[number], self.organs[number]) for number in chosen)


def real_pictures(cases: Sequence[Case], prepared: Sequence[TrainingCase], recipe: Recipe) -> RealPictures:
    """Return the pictures of cases.

    Args:
        cases: cases of a manifest.
        prepared: the same cases, prepared for the recipe.
        recipe: recipe of a multi-modal generator of one picture.
    """
    (role,) = recipe.contract.outputs
    channels = list(channels_of(recipe.contract.outputs))

    def of(name: str) -> np.ndarray:
        return np.concatenate([case.targets[name] for case in prepared])

    return RealPictures(
        joined_channels([of(name) for name in channels]),
        np.array([case.labels.get("class", 0) for case in prepared], dtype=np.uint8),
        tuple(case.patient for case in cases),
        of(part_of(role, "structure")) > 0.5,
        of(part_of(role, "organ")) > 0.5,
    )


def as_channels(images: np.ndarray) -> np.ndarray:
    """Return images (n, size, size), or in colour (n, size, size, 3), as (n, channels, size, size)."""
    return images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)


def in_proportion(kinds: np.ndarray, count: int) -> np.ndarray:
    """Return so many classes, sorted, in the proportion of given ones (n)."""
    ordered = np.sort(kinds)
    return ordered[np.linspace(0, len(ordered) - 1, count).round().astype(int)]
