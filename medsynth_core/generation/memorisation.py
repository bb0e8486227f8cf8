"""Whether generated images repeat training images, by the pictures of these that a package keeps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.memorisation import Memorisation
from medsynth_core.evaluation.memorisation import memorisation as compared
from medsynth_core.generation.case import GeneratedCase
from medsynth_core.generation.generator import Generator
from medsynth_core.metrics.image_sets import SMALL, small_pictures
from medsynth_core.preparation.contract_images import channels_of


def fields_of(generator: Generator, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return pictures of 16 × 16 fields of generated images by role, of those in colour of the mean of their colours.

    Args:
        generator: the model.
        images: (k, j, i) in their units by the names of `channels_of`.
    """
    found = {}
    for role, side in generator.contract.outputs.items():
        channels = [side.intensity.forward(images[name]) for name in channels_of({role: side})]
        # As the records of a training are made: a mean of one image is that image.
        image = channels[0] if len(channels) == 1 else np.mean(channels, axis=0)
        if min(image.shape[1:]) >= SMALL:
            found[role] = small_pictures(image, *side.intensity.mapped)
    return found


def memorisation(
    generator: Generator, pictures: Mapping[str, np.ndarray], names: Mapping[str, Sequence[str]] | None = None
) -> dict[str, Memorisation]:
    """Return the comparison for each modality whose training images the package shows.

    Args:
        generator: the model.
        pictures: pictures (n, 16, 16) of all generated images by role, as of `fields_of`.
        names: name of each of them for messages, by role; None to use its number.
    """
    found = {}
    for role, made in pictures.items():
        training, patients = generator.training_pictures(role), generator.training_patients(role)
        if training is None or not len(made):
            continue
        numbers = [] if patients is None else [str(number) for number in patients]
        called = tuple((names or {}).get(role, ()))
        sets = made.astype(np.float32), training.astype(np.float32)
        try:
            found[role] = compared(*sets, patients=numbers, names=called)
        except MedSynthError:  # one patient only: there is nothing to compare with
            continue
    return found


class Seen:
    """What is to be said of all cases of an order together, collected one by one.

    Args:
        generator: the model.
        of_noise: whether the cases are from noise. Those of a volume are on its grid and not in frames of the model, so
            that they are not compared with training images.
    """

    def __init__(self, generator: Generator, of_noise: bool) -> None:
        self._generator, self._of_noise = generator, of_noise
        self._pictures: dict[str, list[np.ndarray]] = {}
        self._names: dict[str, list[str]] = {}
        self.redrawn: Counter[str] = Counter()

    def add(self, case: GeneratedCase, name: str) -> None:
        """Take note of a case and its name."""
        self.redrawn.update(case.redrawn)
        if self._of_noise:
            images = {role: volume.voxels for role, volume in case.images.items()}
            for role, some in fields_of(self._generator, images).items():
                self._pictures.setdefault(role, []).append(some)
                slices = [f", slice {k}" for k in range(1, len(some) + 1)] if len(some) > 1 else [""]
                self._names.setdefault(role, []).extend(f"{name}{k}" for k in slices)

    def memorisation(self) -> dict[str, Memorisation]:
        """Return the comparison of all cases with the training images, as of the function of that name."""
        pictures = {role: np.concatenate(some) for role, some in self._pictures.items()}
        return memorisation(self._generator, pictures, self._names)


def facts_of(found: Memorisation) -> dict[str, Any]:
    """Return a comparison as plain data: its distances, and the names of generated images that are near."""
    return {
        "distances": found.rows(),
        "near": found.near,
        "suspects": [found.name_of(int(number)) for number in found.suspects],
        "said": str(found),
    }
