"""Whether a generator repeats its training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.features import standardised
from medsynth_core.metrics.image_sets import Nearest, nearest_training_images

# Share of the real images of other patients that are nearer to a training image than what counts as near.
NEAR = 0.01


@dataclass(frozen=True, eq=False)
class Memorisation:
    """Distances of synthetic images from the training images, beside those of real ones.

    All are root mean square differences of standardised images.

    Attributes:
        synthetic: of each synthetic image from its nearest training image.
        held_out: distance of each real image that was not used for training; None if there are none.
        near: distance below which an image is nearer to a training image than 99 % of the real images of other
            patients.
        names: name of each synthetic image for messages; () to use its number, counted from 0.
    """

    synthetic: Nearest
    held_out: Nearest | None
    near: float
    names: tuple[str, ...] = ()

    @property
    def expected(self) -> float:
        """How many synthetic images would be near by chance, if they were real images of other patients."""
        reference = self.synthetic.among_training if self.held_out is None else self.held_out.distance
        return len(self.synthetic.distance) * max(NEAR, 1 / (len(reference) + 1))

    @property
    def suspects(self) -> np.ndarray:
        """Numbers of the synthetic images that are near, the nearest one first."""
        near = np.flatnonzero(self.synthetic.distance < self.near)
        return near[np.argsort(self.synthetic.distance[near])]

    def name_of(self, number: int) -> str:
        """Return the name of a synthetic image for messages."""
        return self.names[number] if self.names else f"number {number}"

    def rows(self) -> list[dict[str, str | float | int]]:
        """Return a row for each set: number of images, and quantiles of their distances."""
        sets = {"training images, from those of other patients": self.synthetic.among_training}
        if self.held_out is not None:
            sets["real images that were not used"] = self.held_out.distance
        sets["synthetic images"] = self.synthetic.distance
        return [
            {
                "images": name,
                "count": len(values),
                **{f"quantile_{q:g}": float(np.quantile(values, q / 100)) for q in (0, 1, 5, 50)},
                "near": int((values < self.near).sum()),
            }
            for name, values in sets.items()
        ]

    def __str__(self) -> str:
        n, suspects = len(self.synthetic.distance), self.suspects
        if not len(suspects):
            return f"None of {n} synthetic images is nearer to a training image than real images of other patients are."
        first = int(suspects[0])
        # Callers that give names compare with the small pictures of a package, which nobody can look up by number.
        beside = "" if self.names else f" beside training image {self.synthetic.index[first]}"
        return (
            f"{len(suspects)} of {n} synthetic images are nearer to a training image than {1 - NEAR:.0%} of the real "
            f"images of other patients, by chance about {self.expected:.2g} would be; look at "
            f"{self.name_of(first)}{beside}."
        )


def memorisation(
    synthetic: np.ndarray,
    training: np.ndarray,
    held_out: np.ndarray | None = None,
    patients: Sequence[str] = (),
    names: Sequence[str] = (),
) -> Memorisation:
    """Compare the distances of synthetic images from the training images with those of real images.

    Only copies are found that lie at the same place: a mirrored or shifted copy is as far away as another patient.

    Args:
        synthetic: (n, channels, rows, columns) or (n, rows, columns).
        training: images that the generator learnt from, of the same shape; at least two patients.
        held_out: real images of other patients, by which what is near is told; without them, that is told by the
            distances among the training images.
        patients: names of the patients of the training images; empty if each image is of another one.
        names: name of each synthetic image for messages; empty to use its number.

    Raises:
        MedSynthError: the images have different shapes, or there are too few.
    """
    sets = [None if images is None else standardised(images) for images in (synthetic, training, held_out)]
    made, learnt, others = sets
    assert made is not None and learnt is not None
    try:
        found = nearest_training_images(made, learnt, patients)
        beside = None if others is None else nearest_training_images(others, learnt, patients)
    except ValueError as error:
        raise MedSynthError(f"Synthetic images cannot be compared with the training images: {error}.") from error
    reference = found.among_training if beside is None else beside.distance
    return Memorisation(found, beside, float(np.quantile(reference, NEAR)), tuple(names))
