"""The generators of the library, as their cards describe them. Loads neither PyTorch nor a network."""

from __future__ import annotations

from dataclasses import dataclass

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.settings import (
    draws_colours,
    draws_lesions,
    draws_maps,
    needs_map,
    settings_of,
)
from medsynth_core.modality import modality_name
from medsynth_core.models.library import list_models
from medsynth_core.models.package import Model
from medsynth_core.preparation.contract import Side


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
        classes: names of the classes that it draws; () if it has none.
        lesions: whether it draws lesions with their labels.
        in_colour: whether its images are in colour, so that they are pictures and no volumes.
        from_noise: whether it can draw without an image of a patient.
        from_image: whether it can draw from the structure map of an image.
    """

    name: str
    title: str
    description: str
    images: dict[str, str]
    spacing: tuple[float, float, float] | None
    limits: tuple[str, ...]
    data_licence: str
    classes: tuple[str, ...]
    lesions: bool
    in_colour: bool
    from_noise: bool
    from_image: bool


def list_generators() -> list[GeneratorSummary]:
    """Return the generators of the library, the bundled ones first; packages that are not valid are left out."""
    found = []
    for known in list_models():
        try:
            found.append(_summary(Model.open(known.path)))
        except MedSynthError:  # another kind of model, or removed meanwhile
            continue
    return found


def _summary(model: Model) -> GeneratorSummary:
    settings = settings_of(model)
    return GeneratorSummary(
        name=model.name,
        title=model.card.title,
        description=model.metadata.description,
        images={role: _image(side) for role, side in settings.contract.outputs.items()},
        spacing=settings.contract.spacing,
        limits=tuple(model.card.limits),
        data_licence=model.card.data_licence,
        classes=settings.classes,
        lesions=draws_lesions(settings),
        in_colour=draws_colours(settings),
        from_noise=draws_maps(settings) or not needs_map(settings),
        from_image=needs_map(settings),
    )


def _image(side: Side) -> str:
    return f"{modality_name(side.modality)} in {'colour' if side.colours else side.unit}"
