"""Anatomies from noise: structure maps of codes, and lesions placed in them (section 4.6 of Qu's thesis)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.anatomy import Anatomy, axial_grid
from medsynth_core.generation.generator import Generator
from medsynth_core.structure.lesions import place_lesion
from medsynth_core.structure.quality import map_measures

# Angle (radians) between the codes of slices beside each other: a stack of 63 slices returns to its first one.
STEP = 0.1
# Draws of a lesion in a stack, and of the slice that its middle lies in.
DRAWS = 5
# Draws of a map that is like real ones and has room for a lesion, for the first case. Once there is one, the filter is
# not too strict for the model, and a long run need not end because of a few cases.
TRIES, LATER_TRIES = 50, 2000
# Why a map is drawn again, in words.
REASONS = {
    "empty": "it has no organ",
    "organ": "its organ is larger or smaller than real ones",
    "lines": "its organ has more or fewer lines than real ones",
    "largest": "its organ is in more pieces than real ones",
    "lesion": "no lesion fits into its organ",
}


@dataclass(frozen=True, eq=False)
class Draw:
    """An anatomy from noise, and what was drawn before it and not used.

    Attributes:
        anatomy: structure map, organ and lesion label.
        redrawn: why each earlier draw was not used, by the keys of `REASONS`.
    """

    anatomy: Anatomy
    redrawn: tuple[str, ...] = ()


def smooth_codes(latent: int, slices: int, random: np.random.Generator, step: float = STEP) -> np.ndarray:
    """Return codes (slices, latent) that change gradually, each drawn from the normal distribution.

    They lie on a great circle through two independent codes, a cos t + b sin t, which is distributed as these are for
    every t; on a straight line between them, those in the middle would be too near to 0. The thesis draws single slices
    only.
    """
    first, second = random.standard_normal((2, latent))
    angles = step * np.arange(slices)[:, None]
    return first * np.cos(angles) + second * np.sin(angles)


def codes_between(first: np.ndarray, last: np.ndarray, count: int) -> np.ndarray:
    """Return codes (count, latent) from one to another at equal distances, as figures 15 and 16 of the thesis.

    Raises:
        ValueError: there are fewer than two.
    """
    if count < 2:
        raise ValueError("an interpolation has two codes at least")
    share = np.linspace(0, 1, count)[:, None]
    return (1 - share) * first + share * last


def draw_anatomy(
    generator: Generator,
    random: np.random.Generator,
    slices: int,
    lesions: Sequence[np.ndarray],
    *,
    filtered: bool = True,
    tries: int = TRIES,
) -> Draw:
    """Return an anatomy from noise with a lesion.

    Args:
        generator: the model.
        random: source of the draws.
        slices: slices of the stack; the structure changes gradually from one to the next.
        lesions: labels to draw from, in frames of the model; none for an anatomy without a lesion.
        filtered: draw again where a map is unlike those of the training images. A map without an organ is always drawn
            again.
        tries: how many maps are drawn at most.

    Raises:
        MedSynthError: none of these maps is usable.
    """
    redrawn: list[str] = []
    spacing = generator.contract.spacing or (1.0, 1.0, 1.0)
    for _ in range(tries):
        lines, organ = generator.maps(smooth_codes(generator.contract.noise, slices, random))
        reason = _unusable(generator, lines, organ, filtered)
        if not reason:
            anatomy = Anatomy(lines, organ, np.zeros(lines.shape, np.uint8), axial_grid(_three(lines.shape), spacing))
            if not lesions:
                return Draw(anatomy, tuple(redrawn))
            try:
                return Draw(with_lesion(anatomy, lesions, random), tuple(redrawn))
            except MedSynthError:
                reason = "lesion"
        redrawn.append(reason)
    raise MedSynthError(
        f"None of {tries} structure maps that the model '{generator.model.name}' drew can be used (the last one: "
        f"{REASONS[redrawn[-1]]}); choose another seed, smaller lesions or fewer slices, or leave the "
        "filter out.",
        kind="model",
    )


def with_lesion(anatomy: Anatomy, lesions: Sequence[np.ndarray], random: np.random.Generator) -> Anatomy:
    """Return an anatomy with a lesion, drawn from labels, that lies inside the organ in every slice that it is in.

    Args:
        anatomy: what the lesion is placed in.
        lesions: labels (rows, columns) of the size of its slices.
        random: source of the draws.

    Raises:
        MedSynthError: none of the drawn lesions fits.
    """
    slices = anatomy.shape[0]
    if slices == 1:
        return anatomy.with_label(place_lesion(lesions, ~anatomy.organ[0], random)[None])
    flat = [label for label in lesions if label.any()]
    for _ in range(DRAWS):
        chosen = flat[random.integers(len(flat))]
        solid = solid_label(chosen, slices, anatomy.grid.spacing, int(random.integers(slices)))
        try:
            return anatomy.with_label(place_lesion([solid], ~anatomy.organ, random))
        except MedSynthError as error:
            problem = error
    raise problem


def solid_label(label: np.ndarray, slices: int, spacing: np.ndarray, middle: int) -> np.ndarray:
    """Return a label of a slice continued to both sides, smaller and smaller as the slices of an ellipsoid.

    Args:
        label: (rows, columns), whole numbers, with a lesion.
        slices: slices of the result.
        spacing: distance between voxel centres along (i, j, k), mm.
        middle: slice in which the label itself lies.

    Returns:
        (slices, rows, columns). Along the third axis the lesion reaches as far as a disc of its area.
    """
    from scipy.ndimage import affine_transform

    reach = np.sqrt(np.count_nonzero(label) * spacing[0] * spacing[1] / np.pi) / spacing[2]
    centre = np.argwhere(label).mean(axis=0)
    found = np.zeros((slices, *label.shape), dtype=label.dtype)
    for k in range(slices):
        share = 1 - ((k - middle) / max(reach, 0.5)) ** 2
        if share > 0:
            scale = 1 / np.sqrt(share)
            found[k] = affine_transform(label, np.full(2, scale), centre - scale * centre, order=0)
    return found


def _unusable(generator: Generator, lines: np.ndarray, organ: np.ndarray, filtered: bool) -> str:
    """Return why a stack of maps cannot be used, by the keys of `REASONS`; "" if it can."""
    for one, around in zip(lines, organ, strict=True):
        if not around.any():
            return "empty"
        reason = generator.oddity(map_measures(one, around)) if filtered else ""
        if reason:
            return reason
    return ""


def _three(shape: tuple[int, ...]) -> tuple[int, int, int]:
    k, j, i = shape
    return k, j, i
