"""Images with labels, from which judges learn and by which they are tested."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.features import standardised


@dataclass(frozen=True, eq=False)
class Examples:
    """Images with labels.

    Attributes:
        images: (n, channels, rows, columns), any values; judges standardise each channel of each image.
        labels: (n) whole numbers, the class of each image; or (n, rows, columns) whole numbers, 0 where there is no
            lesion (or no vessel).
        patients: (n) names; images of one patient stay together when a part is taken. Empty if each image is of
            another patient.
        field: (n, rows, columns) field of view, in which vessels are judged; None for the whole image.
        origin: how the images were drawn, which tells others apart where their values depend on the processor; "" tells
            them by their values.

    Raises:
        MedSynthError: the shapes do not belong together, labels are negative or no whole numbers, or an image has
            values that are not finite.
    """

    images: np.ndarray
    labels: np.ndarray
    patients: tuple[str, ...] = ()
    field: np.ndarray | None = None
    origin: str = ""

    def __post_init__(self) -> None:
        n, plane = len(self.images), self.images.shape[2:]
        shapes = {(n,), (n, *plane)}
        if self.images.ndim != 4 or self.labels.shape not in shapes:
            raise MedSynthError(
                f"Examples have images (n, channels, rows, columns) and labels (n) or (n, rows, columns), not "
                f"{self.images.shape} and {self.labels.shape}; give these shapes."
            )
        if self.labels.dtype.kind not in "biu" or (self.labels.size and self.labels.min() < 0):
            raise MedSynthError("The labels of examples must be whole numbers from 0 on; convert them.")
        if self.patients and len(self.patients) != n:
            raise MedSynthError(f"There are {n} images, but {len(self.patients)} patients; name one for each image.")
        if self.field is not None and self.field.shape != (n, *plane):
            raise MedSynthError(f"The field of view has the shape {self.field.shape}, not {(n, *plane)}; resample it.")
        if not np.isfinite(self.images).all():
            raise MedSynthError("Some images of the examples are not finite (NaN or infinite); leave them out.")

    def __len__(self) -> int:
        return len(self.images)

    def of(self, index: np.ndarray) -> Examples:
        """Return the examples of an index."""
        patients = tuple(self.patients[number] for number in index) if self.patients else ()
        field = None if self.field is None else self.field[index]
        return Examples(self.images[index], self.labels[index], patients, field)

    def first(self, count: int, seed: int, what: str) -> Examples:
        """Return so many examples in random order, patient by patient.

        The choice depends on the seed only, so that a smaller one is part of a larger one. Of the last patient it may
        have some images only.

        Args:
            count: number of examples.
            seed: of the order of the patients, and of the images of each.
            what: name of the examples, for the message.

        Raises:
            MedSynthError: there are fewer.
        """
        if count > len(self):
            raise MedSynthError(
                f"{count} {what} images are needed, but there are {len(self)}; make more, or choose a smaller share."
            )
        random = np.random.default_rng(seed)
        shuffled = random.permutation(len(self))
        if self.patients:
            names = np.array(self.patients)
            places = {name: place for place, name in enumerate(random.permutation(np.unique(names)))}
            shuffled = shuffled[np.argsort([places[name] for name in names[shuffled]], kind="stable")]
        return self.of(shuffled[:count])

    @property
    def digest(self) -> str:
        """SHA-256 of images, labels, patients and field of view, or of the origin, by which other data are told."""
        if self.origin:
            return hashlib.sha256(self.origin.encode()).hexdigest()
        found = hashlib.sha256("\n".join(self.patients).encode())
        for values in (self.images, self.labels, *([] if self.field is None else [self.field])):
            found.update(f"{values.dtype}{values.shape}".encode())
            found.update(np.ascontiguousarray(values).tobytes())
        return found.hexdigest()


def joined(parts: Sequence[Examples]) -> Examples:
    """Return the examples of all parts, one after the other; without patients if a part does not name them.

    Raises:
        MedSynthError: their images or labels have different shapes.
    """
    if len({(part.images.shape[1:], part.labels.shape[1:]) for part in parts}) > 1:
        shapes = " and ".join(str(part.images.shape[1:]) for part in parts)
        raise MedSynthError(f"Images and labels of all examples must have one shape, not {shapes}; resample them.")
    patients = tuple(name for part in parts for name in part.patients)
    images, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "labels"))
    fields = [np.ones((len(p), *p.images.shape[2:]), bool) if p.field is None else p.field != 0 for p in parts]
    field = np.concatenate(fields) if any(part.field is not None for part in parts) else None
    return Examples(images, labels, patients if all(part.patients for part in parts) else (), field)


def network_values(images: np.ndarray) -> np.ndarray:
    """Return images (n, channels, rows, columns) with each channel of each image standardised, float32."""
    n, channels, *plane = images.shape
    return standardised(images.reshape(n * channels, *plane)).reshape(images.shape)
