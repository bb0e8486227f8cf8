"""Cases of an order, each made from its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.generation.anatomy import MASKS, Anatomy
from medsynth_core.generation.case import Drawn, GeneratedCase, case_of
from medsynth_core.generation.drawing import images_of
from medsynth_core.generation.from_noise import LATER_TRIES, TRIES, Draw, draw_anatomy, with_lesion
from medsynth_core.generation.from_volume import anatomy_of, assumption, read_source
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.labels import labels_from
from medsynth_core.generation.order import Order
from medsynth_core.generation.order_checks import check_order
from medsynth_core.generation.without_maps import drawn_alone
from medsynth_core.grid import Grid
from medsynth_core.io.picture_volume import read_mask


class CaseMaker:
    """Makes the cases of an order, each from its number alone.

    Attributes:
        note: what was assumed of the given volume; "" if nothing was.

    Args:
        generator: the model.
        order: what is to be generated.

    Raises:
        MedSynthError: an option of the order does not fit the model, or an input of it cannot be used.
    """

    def __init__(self, generator: Generator, order: Order) -> None:
        check_order(generator, order)
        self.generator, self.order = generator, order
        self.lesions: Sequence[np.ndarray] = generator.lesions if generator.draws_lesions else ()
        if order.lesions is not None:
            self.lesions = labels_from(order.lesions, generator)
        self._source = None if order.source is None else read_source(generator, order.source, order.unit)
        self.note = "" if self._source is None else assumption(generator, self._source)
        self._anatomy = self._of_source()

    @property
    def masks(self) -> tuple[str, ...]:
        """Names of the masks that the cases have."""
        if not self.generator.needs_map:
            return ()
        return MASKS if len(self.lesions) or self.order.lesion is not None else MASKS[:2]

    def class_of(self, number: int) -> str:
        """Return the name of the class of a case by its number (from 0); "" for a model without classes."""
        classes = self.generator.classes
        return self.order.class_name or (classes[number % len(classes)] if classes else "")

    def make(self, number: int) -> GeneratedCase:
        """Return a case by its number (from 0)."""
        random = np.random.default_rng((self.order.seed, number))
        name = self.class_of(number)
        kind = self.generator.classes.index(name) if name else 0
        facts: dict[str, Any] = {"case": number + 1, "random_seed": self.order.seed}
        drawn = self._drawn(random, kind, LATER_TRIES if number else TRIES)
        facts |= {**({"class": name} if name else {}), **drawn.facts, **({"log": [self.note]} if self.note else {})}
        grid = None if self._source is None else Grid.of(self._source)
        return case_of(self.generator, replace(drawn, facts=facts), grid)

    def _drawn(self, random: np.random.Generator, kind: int, tries: int) -> Drawn:
        """Return images of a class by its number, with the reasons why structure maps were drawn again."""
        if not self.generator.needs_map:
            return drawn_alone(self.generator, random, self.order.slices, kind)
        draw = self._draw(random, tries)
        images = images_of(self.generator, draw.anatomy, random, kind)
        facts = {"redrawn": list(draw.redrawn)} if draw.redrawn else {}
        return Drawn(images, draw.anatomy.masks(), draw.anatomy.grid, facts)

    def _draw(self, random: np.random.Generator, tries: int) -> Draw:
        if self._anatomy is None:
            order = self.order
            filtered = order.filtered
            return draw_anatomy(self.generator, random, order.slices, self.lesions, filtered=filtered, tries=tries)
        if self.order.lesion is not None or not len(self.lesions):
            return Draw(self._anatomy)
        return Draw(with_lesion(self._anatomy, self._fitting(self._anatomy), random))

    def _fitting(self, anatomy: Anatomy) -> list[np.ndarray]:
        """Return the labels in slices of the size of an anatomy, where that is another one than the model's frames."""
        return [_in_the_middle(label, anatomy.shape[1:]) for label in self.lesions]

    def _of_source(self) -> Anatomy | None:
        if self._source is None:
            return None
        lesion = self.order.lesion
        mask = read_mask(lesion) if isinstance(lesion, Path) else lesion
        return anatomy_of(self.generator, self._source, self.order.structure, mask)


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
