"""Whether the networks of a recipe fit its images: checked before any case is prepared."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from medsynth_core.errors import MedSynthError
from medsynth_core.inference.predictor import check_channels
from medsynth_core.models.dry_run import check_dimensions, check_forward
from medsynth_core.networks.registry import check_network
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.base import System
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system

REMEDY = "change augmentation.crop, contract.slab or the options of the network in the recipe"


def check_networks(recipe: Recipe) -> None:
    """Check that the networks of a recipe can be built, and that they take the images of its training.

    No memory is taken for weights or images.

    Raises:
        MedSynthError: there is no such network, an option of it is not valid, or it does not fit the images, the
            other networks or the system.
    """
    adversary = getattr(recipe, "discriminator", None)
    for network in (recipe.network, adversary):
        if network is not None:
            check_network(network.name, **network.options)
    system = _without_memory(recipe)
    check_generator(recipe, system)
    if not isinstance(recipe.contract, SynthesisContract):
        return  # what a generative network is shown, its system alone knows
    side, slab = recipe.augmentation.crop, recipe.contract.slab
    shape = (side, side) if slab is None else (slab.slices, side, side)
    for key, built in system.networks.items():
        name = recipe.network.name if adversary is None or not key.startswith("discriminator") else adversary.name
        check_dimensions(built, name, len(shape))
        check_forward(built, name, shape, REMEDY)


def check_generator(recipe: Recipe, system: System[Any]) -> None:
    """Check that the generator of a system fits the images of a recipe, and that all of it is trained.

    Raises:
        MedSynthError: its channels, or the multiple of pixels that it needs, do not fit; or no loss trains its dose
            head; or it is no generator.
    """
    generator = system.generator
    _check_crop(recipe, generator)
    _check_head(recipe, system)
    if isinstance(recipe.contract, SynthesisContract):
        check_dimensions(generator, recipe.network.name, 3 if recipe.needs.patches else 2)
        check_channels(generator, recipe.contract)
    if recipe.needs.patches:
        _check_one_channel_each(recipe, generator)


def _check_one_channel_each(recipe: Recipe, generator: nn.Module) -> None:
    """Check that a 3-D network has one channel for each image.

    Raises:
        MedSynthError: it has more or fewer.
    """
    for what, images in (("in_channels", recipe.contract.inputs), ("out_channels", recipe.contract.outputs)):
        if getattr(generator, what, len(images)) != len(images):
            raise MedSynthError(
                f"The network '{recipe.network.name}' has {getattr(generator, what)} {what}, but takes one for each "
                f"image of the recipe ({', '.join(images)}); set network.options.{what} to {len(images)}.",
                kind="model",
            )


def _without_memory(recipe: Recipe) -> System[Any]:
    """Return the system of a recipe with parameters that have shapes and no values."""
    # Neither the initialisation nor the precision changes a shape, and both need values or a real device.
    shapes = recipe.model_copy(update={"initialisation": "torch", "precision": "float32"})
    meta = torch.device("meta")
    with meta:
        return create_system(shapes.system, shapes, Engine(meta, shapes))


def _check_crop(recipe: Recipe, generator: nn.Module) -> None:
    """Check that the network accepts slices of the recipe's crop size.

    Raises:
        MedSynthError: it does not, or it is not a generator.
    """
    multiple = getattr(generator, "multiple_of", None)
    if multiple is None:
        raise MedSynthError(
            f"The network '{recipe.network.name}' of the recipe does not produce images; choose a generator."
        )
    if recipe.augmentation.crop % multiple:
        raise MedSynthError(
            f"The recipe crops slices to {recipe.augmentation.crop} pixels, but the network '{recipe.network.name}' "
            f"needs a multiple of {multiple}; change augmentation.crop."
        )


def _check_head(recipe: Recipe, system: System[Any]) -> None:
    """Check that the dose head of a network, if it has one, is trained.

    Raises:
        MedSynthError: no loss trains it.
    """
    if hasattr(system.generator, "classes") and not system.teaches_classes:
        raise MedSynthError(
            f"The network '{recipe.network.name}' has a dose head that no loss trains; give loss.dose_class a weight "
            "or choose a network without a dose head (unet3d, contextual3d)."
        )
