"""Training recipes: all settings that determine the weights, except the data."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, Field, ModelWrapValidatorHandler, ValidationError, create_model, model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.metrics.registry import METRICS
from medsynth_core.models.card import PlainText, Text
from medsynth_core.preparation.contract import MOST_PIXELS, GenerationContract, SynthesisContract, kind_of
from medsynth_core.preparation.part import Part
from medsynth_core.recipes.earlier_formats import upgraded
from medsynth_core.recipes.presets import preset_file
from medsynth_core.systems.registry import SYSTEMS
from medsynth_core.systems.settings import Dose, Optimiser, SystemSettings

__all__ = ["About", "Augmentation", "Dose", "Optimiser", "Recipe", "needed_roles", "read_recipe", "write_recipe"]


class Augmentation(Part):
    """Random augmentation, the same for input and target; the values are half-widths of uniform distributions.

    ``crop`` is the side, in pixels, of the square to which training slices are cropped or padded; ``intensity`` is the
    largest constant added to the network's input.
    """

    crop: int = Field(default=256, ge=8, le=MOST_PIXELS)
    flip: bool = True
    rotate_degrees: float = Field(default=0.0, ge=0, le=180)
    scale: float = Field(default=0.0, ge=0, lt=1)
    shift_pixels: float = Field(default=0.0, ge=0, le=MOST_PIXELS)
    intensity: float = Field(default=0.0, ge=0, le=1e6)


class About(Part):
    """Text of the model card.

    ``authors``, of the model, and ``data_licence``, the licence of the training data, are missing in the presets: only
    the user knows them.
    """

    title: Text
    description: Text
    intended_use: Text
    limits: tuple[Text, ...] = Field(min_length=1)
    authors: PlainText = ""
    licence: Text
    data_licence: PlainText = ""
    references: tuple[str, ...] = ()


# Key for the package of another model, wherever it is.
_PLACE = "structure_model"


class Recipe(SystemSettings):
    """Settings of a training: those of its system, of data preparation, training loop and model card.

    A recipe also has the keys of its system's settings, such as ``loss`` (`medsynth_core.systems`);
    ``Recipe.model_validate`` returns an instance of the class that belongs to ``system``.

    Attributes:
        format: recipe format. Recipes without it are of format 1, in which ``input_role`` and ``target_role`` named
            the columns of one input and one output, and ``choose_by: ssim`` meant the SSIM of slices.
        about: text of the model card.
        system: the training method: ``paired`` (a generator, with a discriminator if there is an adversarial loss:
            cascades, U-Nets, pix2pix), ``dsggan`` (two stages with separate losses), ``cyclegan`` (unpaired),
            ``cg3dsrgan`` (low-dose PET, with a dose head), ``structure-vaegan`` (structure maps from noise),
            ``multimodal`` (images of several modalities from structure maps) or ``unconditional`` (images from noise:
            DCGAN, ACGAN, WGAN, PGGAN).
        augmentation: random augmentation of training slices.
        common_field: crop each pair to the common field of view of input and target, for instance if the MR covers
            less than the CT. If off, the target counts as 0 outside its field of view.
        average: decay of the exponential moving average of the weights that is validated and kept; 0 for none.
        validation_every: epochs between two validations.
        stop_after: consecutive validations without improvement after which training stops early; 0 for never.
        checkpoint_minutes: minutes between checkpoints within an epoch; there is always one after every epoch.
    """

    format: Literal[2] = 2
    about: About
    system: str = "paired"
    augmentation: Augmentation = Augmentation()
    common_field: bool = False
    average: float = Field(default=0.0, ge=0, lt=1)
    validation_every: int = Field(default=1, gt=0)
    stop_after: int = Field(default=0, ge=0)
    checkpoint_minutes: float = Field(default=10.0, gt=0)

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_system(cls, content: Any, handler: ModelWrapValidatorHandler[Recipe]) -> Recipe:
        """Validate a recipe with the class of its system."""
        if cls is not Recipe or not isinstance(content, dict):
            return handler(content)
        system = content.get("system", "paired")
        if not isinstance(system, str) or system not in SYSTEMS:
            raise ValueError(f"there is no system '{system}'; choose one of {', '.join(SYSTEMS)}")
        wanted = recipe_class(system)
        return wanted.model_validate(_with_trained_size(upgraded(content, wanted)))

    def trains_as(self, other: Recipe) -> bool:
        """Return whether another recipe trains the same weights: all is equal but what only the card shows.

        Nor does the place of a model count, which the recipe begins with (``structure_model``).
        """
        shown = {"about": other.about, "contract": self.contract.of_regions(other.contract.body_region)}
        if getattr(self, _PLACE, "") and getattr(other, _PLACE, ""):
            shown[_PLACE] = getattr(other, _PLACE)
        return self.model_copy(update=shown) == other

    @model_validator(mode="after")
    def _kind(self) -> Recipe:
        if self.contract.kind not in SYSTEMS[self.system].kinds:
            able = [name for name, system in SYSTEMS.items() if self.contract.kind in system.kinds]
            raise ValueError(
                f"the system '{self.system}' does not train models of the kind '{self.contract.kind}'; "
                f"choose {f'the system {able[0]}' if able else 'contract.kind: synthesis'}"
            )
        return self

    @model_validator(mode="after")
    def _choice(self) -> Recipe:
        if not SYSTEMS[self.system].reports(self.choose_by):
            known = [name for name in METRICS if SYSTEMS[self.system].reports(name)]
            raise ValueError(
                f"choose_by: validation does not report '{self.choose_by}'; choose one of {', '.join(known)}"
            )
        return self

    @model_validator(mode="after")
    def _size(self) -> Recipe:
        crop = self.augmentation.crop
        if isinstance(self.contract, GenerationContract) and self.contract.matrix[-2:] != (crop, crop):
            raise ValueError(f"contract.matrix must have {crop} rows and columns, the side of augmentation.crop")
        return self

    def check_effect(self) -> None:
        """Check, before a new training, that the recipe has no key that it makes no use of.

        Trainings of earlier versions may have such keys, so recipes are read with them.

        Raises:
            MedSynthError: it has one.
        """
        for key, given, reason in self._without_effect():
            if given:
                raise MedSynthError(
                    f"The key {key} of the recipe has no effect with the system '{self.system}' {reason}; leave it out."
                )

    def _without_effect(self) -> list[tuple[str, Any, str]]:
        """Return key, value if it is given, and reason of the keys that this recipe makes no use of."""
        contract, volumes = self.contract, "and a 3-D network (contract.slab)"
        found: list[tuple[str, Any, str]] = []
        if contract.slab:
            found += [
                ("augmentation.intensity", self.augmentation.intensity, volumes),
                ("contract.slices", contract.slices != "neighbours", volumes),
                ("contract.frame", contract.frame, volumes),
            ]
        if self.dose is not None:
            found.append(("common_field", self.common_field, "and dose, whose input and target have one field of view"))
        elif contract.kind != "synthesis":
            found.append(("common_field", self.common_field, "because a generative model has no pairs"))
        if self.optimiser.algorithm == "rmsprop":
            own = self.optimiser.betas != Optimiser().betas
            found.append(("optimiser.betas", own, "and optimiser.algorithm: rmsprop"))
        if self.dose is None:
            found.append(("contract.dose_factors", contract.dose_factors, "without the key dose"))
        return found

    @model_validator(mode="after")
    def _volumes(self) -> Recipe:
        changes = self.augmentation
        if self.contract.slab and changes.rotate_degrees + changes.scale + changes.shift_pixels > 0:
            raise ValueError(
                "rotate_degrees, scale and shift_pixels would blur the noise in the training patches of a 3-D "
                "network; set them to 0"
            )
        return self


@cache
def recipe_class(system: str) -> type[Recipe]:
    """Return the recipe class of a system: `Recipe` with the keys of the system's settings."""
    settings: Any = SYSTEMS[system].settings_class
    return create_model("Recipe", __base__=(Recipe, settings), __module__=__name__)


def synthesis_contract(recipe: Recipe) -> SynthesisContract:
    """Return the contract of a recipe for image synthesis.

    Raises:
        MedSynthError: the recipe is for a generative model.
    """
    if not isinstance(recipe.contract, SynthesisContract):
        raise MedSynthError(
            f"The recipe '{recipe.name}' is for a generative model; choose a recipe that synthesizes from images."
        )
    return recipe.contract


def needed_roles(recipe: Recipe) -> tuple[str, ...]:
    """Return the columns of the manifest that a training needs, each once."""
    return recipe.needs.names


def read_recipe(path: str | Path) -> Recipe:
    """Return the recipe in a YAML file; ``path`` may also be the name of a preset.

    Raises:
        MedSynthError: there is no such file, it is not YAML, or a key or value is not valid (named).
    """
    from medsynth_core.io.yaml_file import read_yaml

    try:
        path = preset_file(path)
        content = read_yaml(path)
    except OSError as error:
        raise MedSynthError(
            f"The recipe {path} cannot be read: {reason_of(error)}; give a YAML file or the name of a preset listed by "
            "medsynth train --help."
        ) from error
    except ValueError as error:
        raise MedSynthError(f"The recipe {path} is not a YAML file: {error}.") from error
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise MedSynthError(f"The recipe {path} is not valid {_wrong(error, content)}.") from error


def _wrong(error: ValidationError, content: Any) -> str:
    """Return where a recipe is not valid and why; for an unknown key also the keys that are possible there."""
    # An unknown key first: if misspelt, it explains why another one is missing.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    system = content.get("system", "paired") if isinstance(content, dict) else ""
    places, _ = _located(_class_of(system), first["loc"])
    where = ".".join(place if len(place) <= 64 else f"{place[:20]}…" for place in places) or "the whole file"
    if first["type"].startswith("union_tag"):
        kinds = first["ctx"].get("expected_tags")
        return f"at '{where}': it must be a mapping with {f'one of these kinds: {kinds}' if kinds else 'the key kind'}"
    if first["type"] != "extra_forbidden":
        return f"at '{where}': {first['msg'].removeprefix('Value error, ')}"
    return f"at '{where}': {_unknown_key(system, first['loc'])}"


def _unknown_key(system: str, loc: tuple[str | int, ...]) -> str:
    """Return why a recipe of a system cannot have a key, and the keys that it can have there."""
    key = str(loc[-1])
    owners = [name for name in SYSTEMS if name != system and key in _keys(recipe_class(name), loc[:-1])]
    if owners:
        return f"this key belongs to the system{'s' * (len(owners) > 1)} {' and '.join(owners)}"
    known = _keys(_class_of(system), loc[:-1])
    if not known:
        return "there is no such key"
    guess = get_close_matches(key, known, n=1)
    meant = f"; did you mean '{guess[0]}'?" if guess else "."
    return f"there is no such key{meant} Possible keys: {', '.join(known)}"


def _class_of(system: Any) -> type[Recipe]:
    return recipe_class(system) if isinstance(system, str) and system in SYSTEMS else Recipe


def _keys(recipe: type[Recipe], loc: tuple[str | int, ...]) -> list[str]:
    """Return the keys that a part of a recipe can have."""
    _, part = _located(recipe, loc)
    return list(part.model_fields) if part else []


def _located(recipe: type[Recipe], loc: tuple[str | int, ...]) -> tuple[list[str], type[BaseModel] | None]:
    """Return the keys that lead to a place in a recipe, and the class of what stands there, if it has one.

    Args:
        recipe: class of the recipe.
        loc: pydantic's location, which also contains the tags of unions (the ``kind`` of a contract or an intensity)
            and ``[key]`` for a key of a mapping.
    """
    places: list[str] = []
    part: type[BaseModel] | None = recipe
    choices: list[type[BaseModel]] = []
    by_name = False
    for place in loc:
        if choices:
            part = next((each for each in choices if place in get_args(each.model_fields["kind"].annotation)), None)
            choices = []
        elif place != "[key]":
            places.append(str(place))
            if by_name:
                by_name = False
                continue
            field = part.model_fields.get(str(place)) if part else None
            found = _classes(field.annotation) if field else []
            choices = found if len(found) > 1 else []
            part = found[0] if len(found) == 1 else None
            by_name = field is not None and get_origin(field.annotation) is dict
    return places, part


def _classes(annotation: Any) -> list[type[BaseModel]]:
    """Return the classes of mappings in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _classes(part)]


def _plain(part: Any) -> dict[str, Any]:
    """Return a part of a recipe as plain data; {} if it is not a mapping."""
    found = part.model_dump() if isinstance(part, BaseModel) else part
    return found if isinstance(found, dict) else {}


def _with_trained_size(content: dict[str, Any]) -> dict[str, Any]:
    """State the crop size of the training in the contract: as plane of a 3-D network's slab, else as frame."""
    contract, changes = _plain(content.get("contract")), _plain(content.get("augmentation"))
    slab, crop = contract.get("slab"), changes.get("crop", Augmentation().crop)
    # Invalid values are left to the validation of the fields, which names them.
    if not isinstance(crop, int) or crop <= 0:
        return content
    if isinstance(slab, dict) and not slab.get("plane"):
        return {**content, "contract": {**contract, "slab": {**slab, "plane": crop}}}
    if contract and not slab and kind_of(contract) == "synthesis":
        return {**content, "contract": {**contract, "frame": crop}}
    return content


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe with every default spelled out."""
    import yaml

    from medsynth_core.io.atomic import atomic_write

    content = recipe.model_dump(mode="json")
    first = ("format", "name", "about", "seed", "system")
    ordered = {key: content[key] for key in (*first, *(key for key in content if key not in first))}
    with atomic_write(path) as temporary:
        text = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")
