"""Images from noise alone: of the system ``unconditional``, and of one that learned without structure maps (GAN#)."""

from __future__ import annotations

import numpy as np

from medsynth_core.generation.anatomy import Anatomy, axial_grid
from medsynth_core.generation.case import Drawn
from medsynth_core.generation.drawing import images_of, images_of_codes
from medsynth_core.generation.from_noise import smooth_codes
from medsynth_core.generation.generator import Generator


def takes_codes(generator: Generator) -> bool:
    """Return whether a model draws from codes, so that slices can change gradually; GAN# draws from maps of noise."""
    return not generator.structures


def drawn_alone(generator: Generator, random: np.random.Generator, slices: int, kind: int = 0) -> Drawn:
    """Return images from noise without structure map, organ and lesion.

    Args:
        generator: a model that needs no map.
        random: source of the draws.
        slices: slices of the stack, which change gradually if the model `takes_codes`.
        kind: number of the class, for a model with classes.

    Raises:
        MedSynthError: an image is not finite.
    """
    contract = generator.contract
    rows, columns = contract.matrix[-2:]
    grid = axial_grid((slices, rows, columns), contract.spacing or (1.0, 1.0, 1.0))
    if takes_codes(generator):
        return Drawn(images_of_codes(generator, smooth_codes(contract.noise, slices, random), kind), {}, grid)
    nothing = np.zeros(grid.shape, np.uint8)
    return Drawn(images_of(generator, Anatomy(nothing != 0, nothing == 0, nothing, grid), random, kind), {}, grid)
