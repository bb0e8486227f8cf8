"""What a training is, as a file: everything that decides the weights except the data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.models.card import Name, NetworkSpec
from medsynth_core.preparation.contract import Contract


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Loss(_Part):
    """Weights of the generator's losses; those of 0 are not computed."""

    l1: float = Field(default=0.0, ge=0)
    mse: float = Field(default=0.0, ge=0)
    adversarial: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _something(self) -> Loss:
        if self.l1 + self.mse == 0:
            raise ValueError("give l1 or mse a weight above 0")
        return self


class Optimiser(_Part):
    """Adam (AdamW with weight decay) for generator and discriminator alike."""

    learning_rate: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)


class Augmentation(_Part):
    """Random changes, the same for input and target: ranges of a uniform distribution around no change.

    ``crop`` is the side in pixels of the square that a training slice is cut or padded to; ``intensity``
    shifts the network's input by a constant.
    """

    crop: int = Field(default=256, ge=8)
    flip: bool = True
    rotate_degrees: float = Field(default=0.0, ge=0)
    scale: float = Field(default=0.0, ge=0, lt=1)
    shift_pixels: float = Field(default=0.0, ge=0)
    intensity: float = Field(default=0.0, ge=0)


class About(_Part):
    """What the card of the model will say that no figure says."""

    title: str
    description: str
    intended_use: str
    limits: tuple[str, ...] = Field(min_length=1)
    authors: str
    licence: str
    data_licence: str
    references: tuple[str, ...] = ()


class Recipe(_Part):
    """A training of a paired 2-D system.

    Attributes:
        name: of the model that it makes.
        input_role: column of the manifest with the input volumes.
        target_role: column of the manifest with the volumes to synthesize.
        contract: how volumes are prepared, in training and ever after.
        average: decay of the exponential moving average of the weights that is validated and kept; 0 for none.
        validation_every: epochs between two validations.
        choose_by: validation metric by which the best epoch is kept: ``mae`` (in the body, lower is better)
            or ``psnr`` (whole slices, higher is better).
    """

    name: Name
    about: About
    seed: int = Field(default=0, ge=0)
    input_role: str
    target_role: str
    contract: Contract
    network: NetworkSpec
    discriminator: NetworkSpec | None = None
    loss: Loss
    optimiser: Optimiser = Optimiser()
    augmentation: Augmentation = Augmentation()
    average: float = Field(default=0.0, ge=0, lt=1)
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    validation_every: int = Field(default=1, gt=0)
    choose_by: Literal["mae", "psnr"] = "mae"

    @model_validator(mode="after")
    def _adversary(self) -> Recipe:
        if (self.discriminator is None) != (self.loss.adversarial == 0):
            raise ValueError("a discriminator and a weight of the adversarial loss above 0 go together")
        return self


def read_recipe(path: str | Path) -> Recipe:
    """Return the recipe in a YAML file.

    Raises:
        MedSynthError: no such file, not YAML, or a key or value that a recipe does not have (named).
    """
    import yaml

    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MedSynthError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MedSynthError(f"The recipe {path} is not a YAML file: {' '.join(str(error).split())}.") from error
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise MedSynthError(f"The recipe {path} is wrong at '{where}': {first['msg']}.") from error


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe with every default spelled out."""
    import yaml

    from medsynth_core.io.atomic import atomic_write

    with atomic_write(path) as temporary:
        text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")
