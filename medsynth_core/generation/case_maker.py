"""Cases of an order, each made from its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.anatomy import Anatomy
from medsynth_core.generation.case import GeneratedCase, generated_case
from medsynth_core.generation.from_noise import Draw, draw_anatomy, with_lesion
from medsynth_core.generation.from_volume import anatomy_of, assumption
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.labels import labels_from
from medsynth_core.generation.order import Order
from medsynth_core.grid import Grid
from medsynth_core.io.reading import read_volume
from medsynth_core.volume import Volume


class CaseMaker:
    """Makes the cases of an order, each from its number alone.

    Attributes:
        note: what was assumed of the given volume; "" if nothing was.

    Args:
        generator: the model.
        order: what is to be generated.

    Raises:
        MedSynthError: an input of the order cannot be used.
    """

    def __init__(self, generator: Generator, order: Order) -> None:
        self.generator, self.order = generator, order
        self.lesions: Sequence[np.ndarray] = generator.lesions if generator.settings.lesion else ()
        if order.lesions is not None:
            self.lesions = labels_from(order.lesions, generator)
        if order.source is None and not generator.draws_maps:
            raise MedSynthError(
                f"The model '{generator.model.name}' cannot draw structure maps from noise; give a volume to take the "
                "structure map from.",
                kind="model",
            )
        self._source = _read(order.source, order.unit)
        self.note = "" if self._source is None else assumption(generator, self._source)
        self._anatomy = None if self._source is None else self._of_source(self._source)

    @property
    def has_lesions(self) -> bool:
        """Whether cases have a lesion label."""
        return bool(len(self.lesions)) or self.order.lesion is not None

    def make(self, number: int) -> GeneratedCase:
        """Return a case by its number (from 0)."""
        random = np.random.default_rng((self.order.seed, number))
        draw = self._draw(random)
        facts = {
            "case": number + 1,
            "random_seed": self.order.seed,
            **({"redrawn": list(draw.redrawn)} if draw.redrawn else {}),
            **({"log": [self.note]} if self.note else {}),
        }
        grid = None if self._source is None else Grid.of(self._source)
        return generated_case(self.generator, draw.anatomy, random, facts, grid)

    def _draw(self, random: np.random.Generator) -> Draw:
        if self._anatomy is None:
            order = self.order
            return draw_anatomy(self.generator, random, order.slices, self.lesions, filtered=order.filtered)
        if self.order.lesion is not None or not len(self.lesions):
            return Draw(self._anatomy)
        return Draw(with_lesion(self._anatomy, self._fitting(self._anatomy), random))

    def _fitting(self, anatomy: Anatomy) -> list[np.ndarray]:
        """Return the labels in slices of the size of an anatomy, where that is another one than the model's frames."""
        return [_in_the_middle(label, anatomy.shape[1:]) for label in self.lesions]

    def _of_source(self, volume: Volume) -> Anatomy:
        return anatomy_of(self.generator, volume, self.order.structure, _read(self.order.lesion))


def _read(given: Path | Volume | None, unit: str = "") -> Volume | None:
    return read_volume(given, unit=unit) if isinstance(given, Path) else given


def _in_the_middle(label: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a label cut to its lesion, in the middle of a slice of a shape; without what does not fit."""
    places = np.argwhere(label)
    found = np.zeros(shape, dtype=label.dtype)
    first = places.min(axis=0)
    lesion = label[first[0] : places[:, 0].max() + 1, first[1] : places[:, 1].max() + 1]
    lesion = lesion[: shape[0], : shape[1]]
    top, left = ((side - own) // 2 for side, own in zip(shape, lesion.shape, strict=True))
    found[top : top + lesion.shape[0], left : left + lesion.shape[1]] = lesion
    return found
