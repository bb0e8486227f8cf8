"""Which images a judge learns from, and in which order: the rows of Table 5 of Qu's thesis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from medsynth_core.preparation.part import Part

Order = Literal["mixed", "synthetic first", "real first"]
SOURCES = ("real", "synthetic", "augmented")


class Mixture(Part):
    """A row: how many images of each source, as multiples of the number of real training images, and their order.

    Attributes:
        name: short name, also of the file in which its result is kept.
        number: number of the row in the thesis; None for one that it lacks.
        real, synthetic, augmented: shares. Augmented images are real ones that are rotated, scaled, mirrored and bent
            (`augmentation`).
        order: ``mixed`` at random, or all iterations with one source first.
        published: values of the thesis, by metric.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    number: int | None = None
    real: float = Field(default=0.0, ge=0, le=1)
    synthetic: float = Field(default=0.0, ge=0, le=100)
    augmented: float = Field(default=0.0, ge=0, le=100)
    order: Order = "mixed"
    published: dict[str, float] = {}

    @model_validator(mode="after")
    def _learns(self) -> Mixture:
        if not any(self.shares.values()):
            raise ValueError("real, synthetic or augmented must be above 0")
        if self.order != "mixed" and not (self.real and self.synthetic):
            raise ValueError(f"the order '{self.order}' needs real and synthetic images")
        if self.order != "mixed" and self.augmented:
            raise ValueError(f"the order '{self.order}' is of real and synthetic images; set augmented to 0")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """The share of each source."""
        return {source: getattr(self, source) for source in SOURCES}

    def counts(self, real: int) -> dict[str, int]:
        """Return the number of images of each source that is used, for so many real training images; at least 1."""
        return {source: max(round(share * real), 1) for source, share in self.shares.items() if share}


def phases(order: Order, counts: Mapping[str, int], iterations: int) -> list[tuple[tuple[str, ...], int]]:
    """Return the sources of each phase of a training, and its iterations.

    Where one source comes first, the iterations are divided in proportion to the numbers of images, as in the thesis;
    each source has at least one.

    Args:
        order: order of the sources.
        counts: images of each source.
        iterations: of the whole training.
    """
    if order == "mixed" or len(counts) == 1:
        return [(tuple(counts), iterations)]
    first, second = ("synthetic", "real") if order == "synthetic first" else ("real", "synthetic")
    share = round(iterations * counts[first] / (counts[first] + counts[second]))
    before = min(max(share, 1), iterations - 1)
    return [((first,), before), ((second,), iterations - before)]


def batches(order: Order, counts: Mapping[str, int], iterations: int, size: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the images of each iteration, as numbers into the sources one after the other.

    Within a phase each image comes once before any comes again.

    Args:
        order: order of the sources.
        counts: images of each source, in the order in which they are joined.
        iterations: number of batches.
        size: images of a batch.
        seed: of the random order.
    """
    random = np.random.default_rng(seed)
    starts = dict(zip(counts, np.cumsum([0, *counts.values()]), strict=False))
    for sources, some in phases(order, counts, iterations):
        pool = np.concatenate([starts[source] + np.arange(counts[source]) for source in sources])
        yield from _shuffled(pool, some, size, random)


def _shuffled(pool: Sequence[int] | np.ndarray, iterations: int, size: int, random: np.random.Generator) -> np.ndarray:
    """Return batches (iterations, size) from permutations of a pool, one after the other."""
    rounds = -(-iterations * size // len(pool))
    drawn = np.concatenate([random.permutation(pool) for _ in range(rounds)])
    return drawn[: iterations * size].reshape(iterations, size)
