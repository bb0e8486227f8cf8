"""Variation of lesion labels, and their placement inside an organ (section 4.6 of Qu's thesis)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import affine_transform

from medsynth_core.errors import MedSynthError

# Draws of a label at its own place, before places are looked for.
TRIES = 20
# Draws of a label for which a place is looked for in the whole organ.
SEARCHES = 20
# A lesion shrinks to no less, also in an image of few pixels.
SMALLEST_FACTOR = 0.5


@dataclass(frozen=True)
class LabelVariation:
    """How a label of a lesion is varied; the default has the ranges of the author's code.

    There, each draw applies two of the four changes, the label only shrinks, and the shift is along one axis. Here all
    four are applied, which section 4.6 of the thesis names, and the lesion may grow as well.

    Attributes:
        resize: least and most pixels by which the sides of the image grow or shrink, and the lesion with them.
        rotate: largest rotation in the plane, in degrees to either side.
        flip: mirror at random along each axis of the plane.
        shift: least and most pixels of the shift along each axis of the plane.

    Raises:
        MedSynthError: a range is negative, or its first number is the larger one.
    """

    resize: tuple[int, int] = (2, 8)
    rotate: float = 180.0
    flip: bool = True
    shift: tuple[int, int] = (2, 6)

    def __post_init__(self) -> None:
        for name in ("resize", "shift"):
            least, most = getattr(self, name)
            if not 0 <= least <= most:
                raise MedSynthError(
                    f"The setting '{name}' of lesion labels is {least} to {most}; state the smaller one first.",
                    kind="settings",
                )
        if not 0 <= self.rotate <= 180:
            raise MedSynthError(
                f"The setting 'rotate' of lesion labels is {self.rotate}; choose 0 to 180 degrees.", kind="settings"
            )


def vary_label(
    label: np.ndarray,
    random: np.random.Generator,
    variation: LabelVariation = LabelVariation(),
    sides: tuple[int, ...] | None = None,
) -> np.ndarray:
    """Return a label scaled, rotated and mirrored about the middle of its lesion, and shifted.

    Args:
        label: (rows, columns) or (k, rows, columns), whole numbers; 0 is no lesion. Slices of the latter are varied
            alike.
        random: source of the draws.
        variation: ranges of the draws.
        sides: rows and columns of the image that grows or shrinks; None for those of the label.

    Returns:
        Array of the same shape and type, with no other values than the label. What leaves it is lost.
    """
    found = np.argwhere(label)
    if not found.size:
        return label.copy()
    rows_columns = np.array(sides or label.shape[-2:])
    factors = 1 + random.choice([-1, 1]) * random.integers(*variation.resize, endpoint=True) / rows_columns
    factors = np.maximum(factors, SMALLEST_FACTOR)
    angle = np.radians(random.uniform(-variation.rotate, variation.rotate))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mirror = np.diag(random.choice([-1, 1], size=2) if variation.flip else [1, 1])
    shift = random.choice([-1, 1], size=2) * random.integers(*variation.shift, size=2, endpoint=True)
    # affine_transform asks from where in the label each pixel comes.
    back = np.eye(label.ndim)
    back[-2:, -2:] = np.linalg.inv(turn @ mirror @ np.diag(factors))
    middle = (found.min(axis=0) + found.max(axis=0)) / 2
    moved = middle.copy()
    moved[-2:] += shift
    return affine_transform(label, back, middle - back @ moved, order=0)


def filled_boxes(label: np.ndarray) -> np.ndarray:
    """Return a label in which each connected lesion of a slice fills the box around it.

    Args:
        label: (k, rows, columns), whole numbers; 0 is no lesion. Where boxes overlap, the larger label counts.
    """
    from scipy.ndimage import find_objects
    from scipy.ndimage import label as connected

    found = np.zeros_like(label)
    for k, one in enumerate(label):
        pieces, _ = connected(one != 0)
        for number, box in enumerate(find_objects(pieces), start=1):
            kind = one[box][pieces[box] == number].max()
            found[k][box] = np.maximum(found[k][box], kind)
    return found


def is_inside(label: np.ndarray, background: np.ndarray) -> bool:
    """Return whether a label has a lesion, and all of it lies in the organ.

    Args:
        label: whole numbers; 0 is no lesion.
        background: background mask of the same shape.
    """
    lesion = label != 0
    return bool(lesion.any()) and not bool((lesion & (background != 0)).any())


def place_lesion(
    labels: Sequence[np.ndarray],
    background: np.ndarray,
    random: np.random.Generator,
    variation: LabelVariation = LabelVariation(),
) -> np.ndarray:
    """Return a varied label that lies in the organ, at its own place or, if none of several draws does, at another.

    It lies whole in the image as well: what would leave it counts as background.

    Args:
        labels: labels to draw from, each of the shape of the background mask, whole numbers; 0 is no lesion.
        background: background mask (not 0 outside the organ).
        random: source of the draws.
        variation: how labels are varied.

    Raises:
        MedSynthError: there is no label with a lesion, the shapes differ, or none of the drawn lesions fits.
    """
    usable = [label for label in labels if label.any()]
    if not usable:
        raise MedSynthError("None of the lesion labels has a lesion; choose labels with one.", kind="input")
    if any(label.shape != background.shape for label in usable):
        raise MedSynthError(
            f"The lesion labels must have the shape of the structure map, {background.shape}; resample them first.",
            kind="input",
        )

    sides = background.shape[-2:]
    # Room for the largest lesion, turned, grown and shifted, on all four sides.
    room = int(np.ceil(1.5 * max(_extent(label) for label in usable))) + variation.resize[1] + variation.shift[1]
    margin = [(0, 0)] * (background.ndim - 2) + [(room, room)] * 2
    inner = (..., slice(room, room + sides[0]), slice(room, room + sides[1]))
    around = np.pad(background != 0, margin, constant_values=True)

    def drawn() -> np.ndarray:
        label = np.pad(usable[random.integers(len(usable))], margin)
        return vary_label(label, random, variation, sides)

    for _ in range(TRIES):
        label = drawn()
        if is_inside(label, around):
            return label[inner].copy()
    for _ in range(SEARCHES):
        moved = _moved_inside(drawn(), around, random)
        if moved is not None:
            return moved[inner].copy()
    raise MedSynthError(
        f"None of {TRIES + SEARCHES} lesions drawn at random fits into the organ of this structure map; choose smaller "
        "lesions or another map.",
        kind="input",
    )


def _extent(label: np.ndarray) -> int:
    """Return the larger side of the box around a lesion, in pixels of the plane."""
    places = np.argwhere(label)[:, -2:]
    return int((places.max(axis=0) - places.min(axis=0)).max()) + 1


def _moved_inside(label: np.ndarray, background: np.ndarray, random: np.random.Generator) -> np.ndarray | None:
    """Return a label moved to a random place at which it lies in the organ; None if there is none."""
    from scipy.signal import fftconvolve  # slow to import, and reading any recipe imports this file

    found = np.argwhere(label)
    if not found.size:
        return None
    first, last = found.min(axis=0), found.max(axis=0) + 1
    lesion = label[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    # Voxels of background under the lesion, for each place of its first voxel.
    flipped = (lesion != 0)[tuple(slice(None, None, -1) for _ in lesion.shape)].astype(np.float32)
    outside = fftconvolve((background != 0).astype(np.float32), flipped, mode="valid")
    places = np.argwhere(outside < 0.5)
    if not len(places):
        return None
    place = places[random.integers(len(places))]
    moved = np.zeros_like(label)
    moved[tuple(slice(a, a + n) for a, n in zip(place, lesion.shape, strict=True))] = lesion
    return moved
