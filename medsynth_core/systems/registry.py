"""Every system by its name in recipes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from medsynth_core.systems.base import System
from medsynth_core.systems.cg3dsrgan import CG3DSRGANSystem
from medsynth_core.systems.cyclegan import CycleGANSystem
from medsynth_core.systems.dsggan import DSGGANSystem
from medsynth_core.systems.paired import PairedSystem

if TYPE_CHECKING:
    from medsynth_core.training.engine import Engine
    from medsynth_core.training.recipe import Recipe

SYSTEMS: dict[str, Callable[[Recipe, Engine], System]] = {
    "paired": PairedSystem,
    "dsggan": DSGGANSystem,
    "cyclegan": CycleGANSystem,
    "cg3dsrgan": CG3DSRGANSystem,
}


def create_system(recipe: Recipe, engine: Engine) -> System:
    """Return the system of a recipe, with random weights that follow from the recipe's seed alone.

    Raises:
        MedSynthError: its networks cannot be built or do not fit each other.
    """
    torch.manual_seed(recipe.seed)
    return SYSTEMS[recipe.system](recipe, engine)
