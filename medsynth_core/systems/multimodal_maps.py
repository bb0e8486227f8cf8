"""The part of a multi-modal generator that draws structure maps from noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medsynth_core.errors import MedSynthError
from medsynth_core.models.library import load_model
from medsynth_core.systems.multimodal_settings import MultimodalSettings

if TYPE_CHECKING:
    from torch import nn

FROM_NOISE, MAPS = "multimodal-from-noise", "structure-generator"


def check_maps(settings: MultimodalSettings, generator: nn.Module) -> None:
    """Check that a generator draws maps from noise if the recipe states a model for it, and only then.

    Raises:
        MedSynthError: it does not, or its maps are not of the contract's size and noise.
    """
    maps: Any = getattr(generator, "maps", None)
    if bool(settings.structure_model) != (maps is not None):
        told = f"set structure_model to one of {MAPS}" if maps is not None else f"choose the network {FROM_NOISE}"
        raise MedSynthError(
            f"The generator of the recipe '{settings.name}' draws structure maps from noise only with both a "
            f"structure_model and the network {FROM_NOISE}; {told}, or leave the other one out.",
            kind="model",
        )
    if maps is None:
        return
    wanted = {"latent": settings.generation.noise, "size": settings.generation.side}
    for option, value in wanted.items():
        if getattr(maps, option) != value:
            key = "noise" if option == "latent" else "matrix"
            raise MedSynthError(
                f"The generator of the recipe '{settings.name}' has {option}: {getattr(maps, option)}, but "
                f"contract.{key} is {value}; give both the same.",
                kind="model",
            )


def has_maps(generator: nn.Module, maps: nn.Module) -> bool:
    """Return whether the maps of a generator are drawn by a network with the weights of ``maps``."""
    own, other = getattr(generator, "maps").state_dict(), maps.state_dict()  # noqa: B009
    return own.keys() == other.keys() and all(bool((own[name] == other[name]).all()) for name in own)


def load_maps(settings: MultimodalSettings, generator: nn.Module) -> None:
    """Give a generator the weights of the recipe's ``structure_model``, which stay as they are.

    Raises:
        MedSynthError: there is no such model, or it is not one of structure maps of this size.
    """
    model, maps = load_model(settings.structure_model), getattr(generator, "maps")  # noqa: B009
    if model.card.network.name != MAPS:
        raise MedSynthError(
            f"The structure_model '{settings.structure_model}' has the network {model.card.network.name}, not {MAPS}; "
            "give a model that was trained by the system structure-vaegan.",
            kind="model",
        )
    weights = model.network().state_dict()
    own = {name: value.shape for name, value in maps.state_dict().items()}
    if own != {name: value.shape for name, value in weights.items()}:
        raise MedSynthError(
            f"The structure_model '{settings.structure_model}' has the options {model.card.network.options}, which "
            "are not those of the recipe's network; give both the same size, latent, width and mask_channels.",
            kind="model",
        )
    maps.load_state_dict(weights)
    maps.requires_grad_(False)
