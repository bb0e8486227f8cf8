"""The generators of the library, as their cards describe them. Loads neither PyTorch nor a network."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth_core.errors import MedSynthError
from medsynth_core.modality import modality_name
from medsynth_core.models.card import GenerationCard
from medsynth_core.models.library import list_models
from medsynth_core.models.package import Model

SYSTEM = "multimodal"


@dataclass(frozen=True)
class GeneratorSummary:
    """What a generator makes.

    Attributes:
        name: name in the library.
        title: title of its card.
        description: what it is for.
        images: modality and unit of each image, such as ``CT in HU``, by role.
        spacing: distance between voxel centres along (i, j, k) of images from noise, mm; None if it is not stated.
        limits: what it is not for.
        data_licence: licence and attribution of the data that it was trained with.
    """

    name: str
    title: str
    description: str
    images: dict[str, str]
    spacing: tuple[float, float, float] | None
    limits: tuple[str, ...]
    data_licence: str


def is_generator(model: Model) -> bool:
    """Return whether a model generates images of several modalities from structure maps."""
    return isinstance(model.card, GenerationCard) and model.card.training.recipe.get("system") == SYSTEM


def list_generators() -> list[GeneratorSummary]:
    """Return the generators of the library, the bundled ones first; packages that are not valid are left out."""
    found = []
    for known in list_models():
        try:
            model = Model.open(known.path)
        except MedSynthError:  # removed meanwhile
            continue
        if is_generator(model):
            found.append(_summary(model))
    return found


def _summary(model: Model) -> GeneratorSummary:
    contract = model.contract
    return GeneratorSummary(
        name=model.name,
        title=model.card.title,
        description=model.metadata.description,
        images={role: f"{modality_name(side.modality)} in {side.unit}" for role, side in contract.outputs.items()},
        spacing=contract.spacing,
        limits=tuple(model.card.limits),
        data_licence=model.card.data_licence,
    )
