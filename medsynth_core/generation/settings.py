"""What the recipe of a generator says of how it draws. Loads neither PyTorch nor a network."""

from __future__ import annotations

from typing import TypeAlias

from medsynth_core.errors import MedSynthError
from medsynth_core.models.card import GenerationCard
from medsynth_core.models.package import Model
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.multimodal_maps import FROM_NOISE
from medsynth_core.systems.multimodal_settings import MultimodalSettings
from medsynth_core.systems.unconditional_settings import UnconditionalSettings

GeneratorSettings: TypeAlias = MultimodalSettings | UnconditionalSettings


def settings_of(model: Model) -> GeneratorSettings:
    """Return the settings of a generator's training, with network and images as its card states them.

    Raises:
        MedSynthError: the model does not generate images.
    """
    refused = MedSynthError(
        f"The model '{model.name}' does not generate images; choose one that was trained by the system multimodal or "
        "unconditional.",
        kind="model",
    )
    if not isinstance(model.card, GenerationCard):
        raise refused
    try:
        recipe = Recipe.model_validate(model.card.training.recipe)
    except ValueError as error:
        raise refused from error
    # What the card says of the network and of images holds, not what its recipe says.
    found = recipe.model_copy(update={"contract": model.card.contract, "network": model.card.network})
    if not isinstance(found, MultimodalSettings | UnconditionalSettings):
        raise refused
    return found


def needs_map(settings: GeneratorSettings) -> bool:
    """Return whether images are drawn from a structure map, or have a lesion in its organ, and not from noise alone."""
    return isinstance(settings, MultimodalSettings) and (settings.maps or draws_lesions(settings))


def draws_maps(settings: GeneratorSettings) -> bool:
    """Return whether the network draws structure maps from noise itself."""
    return settings.network.name == FROM_NOISE


def draws_lesions(settings: GeneratorSettings) -> bool:
    """Return whether images are drawn from lesion labels."""
    return isinstance(settings, MultimodalSettings) and bool(settings.lesion)


def draws_colours(settings: GeneratorSettings) -> bool:
    """Return whether images are drawn in colour: of one generator all are, or none is."""
    return any(side.colours for side in settings.contract.outputs.values())
