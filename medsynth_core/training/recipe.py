"""What a training is, as a file: everything that decides the weights except the data."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.models.card import Name, NetworkSpec
from medsynth_core.preparation.contract import Contract
from medsynth_core.resources import resource_folder
from medsynth_core.simulation.settings import DoseSettings


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Loss(_Part):
    """Weights of the generator's losses; those of 0 are not computed.

    ``l1``, ``mse``, ``ssim`` (1 − SSIM), ``gradient`` (gradient difference, Mathieu et al. 2016), ``perceptual``
    (features of a VGG-16 whose weights lie in the local file ``perceptual_weights``; ``random`` takes a network that
    was never trained) and ``adversarial`` compare the synthetic with the real image. ``deep_supervision`` is the weight
    of the same pixel losses for the mean of a cascade's earlier stages. ``cycle`` and ``identity`` are those of a
    CycleGAN (Zhu et al. 2017). In a CG-3DSRGAN (Xue et al. 2023) ``l1`` and ``mse`` judge the coarse image, and
    ``refined_l1``, ``refined_log_mse``, ``perceptual`` and ``adversarial`` the refined one; the logarithm of each
    volume's mean squared error is what PSNR measures, so that every dose counts alike. ``dose_class`` is the weight of
    the cross entropy of the dose reduction factor.
    """

    l1: float = Field(default=0.0, ge=0)
    mse: float = Field(default=0.0, ge=0)
    ssim: float = Field(default=0.0, ge=0)
    gradient: float = Field(default=0.0, ge=0)
    perceptual: float = Field(default=0.0, ge=0)
    perceptual_weights: Path | Literal["random"] | None = None
    adversarial: float = Field(default=0.0, ge=0)
    adversarial_kind: Literal["least_squares", "logits", "hinge"] = "least_squares"
    deep_supervision: float = Field(default=0.0, ge=0)
    cycle: float = Field(default=0.0, ge=0)
    identity: float = Field(default=0.0, ge=0)
    refined_l1: float = Field(default=0.0, ge=0)
    refined_log_mse: float = Field(default=0.0, ge=0)
    dose_class: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _something(self) -> Loss:
        if self.l1 + self.mse + self.ssim + self.perceptual + self.cycle == 0:
            raise ValueError("give l1, mse, ssim, perceptual or cycle a weight above 0")
        if bool(self.perceptual) != (self.perceptual_weights is not None):
            raise ValueError("a weight of perceptual above 0 and the file perceptual_weights go together")
        return self


class Optimiser(_Part):
    """Adam (AdamW with weight decay) for generator and discriminator alike.

    ``schedule`` of the learning rate: ``constant``; ``linear``, constant for the share ``hold`` of the epochs and
    then falling to 0 in a line (pix2pix, CycleGAN: 0.5); ``exponential``, times ``factor`` every epoch; ``plateau``,
    times ``factor`` whenever ``patience`` validations in a row were no better than the best; ``cosine``.
    The training ends when the learning rate of the plateau falls below ``stop_below``.
    ``accumulate`` is the number of parts in which a batch is computed, to need less memory.
    """

    learning_rate: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "linear", "exponential", "plateau", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    hold: float = Field(default=0.5, ge=0, lt=1)
    factor: float = Field(default=0.95, gt=0, le=1)
    patience: int = Field(default=5, gt=0)
    stop_below: float = Field(default=0.0, ge=0)
    accumulate: int = Field(default=1, gt=0)


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


class Dose(_Part):
    """Inputs of a lower dose that are simulated from the target, one for each of the contract's ``dose_factors``.

    The target is then the full dose of the same simulated counts. ``attenuation_role`` is the column of the manifest
    with the CT by which photons are attenuated; left out, they are not.
    """

    simulation: DoseSettings = DoseSettings()
    attenuation_role: str = ""


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


def _plain(part: Any) -> dict[str, Any]:
    """Return a part of a recipe as it stands in a file; {} for what is none."""
    found = part.model_dump() if isinstance(part, BaseModel) else part
    return found if isinstance(found, dict) else {}


class Recipe(_Part):
    """A training of a system.

    Attributes:
        name: of the model that it makes.
        system: how networks and losses play together: ``paired`` (a generator, with a discriminator if there is an
            adversarial loss: cascades, U-Nets, pix2pix), ``dsggan`` (two stages with losses of their own),
            ``cyclegan`` (unpaired) or ``cg3dsrgan`` (low-dose PET, with a head for the dose).
        input_role: column of the manifest with the input volumes.
        target_role: column of the manifest with the volumes to synthesize.
        contract: how volumes are prepared, in training and ever after.
        dose: how low-dose inputs are simulated; None reads inputs from their own files.
        coarse_epochs: epochs at the beginning in which a CG-3DSRGAN trains its ML-Net alone.
        common_field: learn only where the target was imaged: cut a pair to the box that both have in common (an MR
            whose field of view is smaller than that of the CT). Off, the target counts as 0 outside its field.
        precision: of the computation: ``bfloat16`` and ``float16`` are mixed precision.
        image_pool: how many earlier synthetic images the discriminator may be shown again (CycleGAN: 50).
        average: decay of the exponential moving average of the weights that is validated and kept; 0 for none.
        validation_every: epochs between two validations.
        choose_by: validation metric by which the best epoch is kept: ``mae`` (in the body, lower is better),
            ``psnr`` or ``ssim`` (whole slices, higher is better), ``nrmse`` (over the real image's range, lower is
            better).
        stop_after: validations in a row without a better one after which the training ends early; 0 for never.
        checkpoint_minutes: minutes after which an epoch is interrupted by a checkpoint; there is one after every
            epoch in any case.
    """

    name: Name
    about: About
    seed: int = Field(default=0, ge=0)
    system: Literal["paired", "dsggan", "cyclegan", "cg3dsrgan"] = "paired"
    input_role: str
    target_role: str
    contract: Contract
    network: NetworkSpec
    discriminator: NetworkSpec | None = None
    loss: Loss
    optimiser: Optimiser = Optimiser()
    augmentation: Augmentation = Augmentation()
    dose: Dose | None = None
    coarse_epochs: int = Field(default=0, ge=0)
    common_field: bool = False
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    image_pool: int = Field(default=0, ge=0)
    average: float = Field(default=0.0, ge=0, lt=1)
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    validation_every: int = Field(default=1, gt=0)
    choose_by: Literal["mae", "psnr", "ssim", "nrmse"] = "mae"
    stop_after: int = Field(default=0, ge=0)
    checkpoint_minutes: float = Field(default=10.0, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _plane(cls, content: Any) -> Any:
        """Networks are given as much of a plane as they learn from."""
        if not isinstance(content, dict):
            return content
        contract, changes = _plain(content.get("contract")), _plain(content.get("augmentation"))
        slab, crop = contract.get("slab"), changes.get("crop", Augmentation().crop)
        # What is not as it must be, the fields complain of, by its name.
        if not isinstance(slab, dict) or slab.get("plane") or not isinstance(crop, int) or crop <= 0:
            return content
        return {**content, "contract": {**contract, "slab": {**slab, "plane": crop}}}

    @model_validator(mode="after")
    def _adversary(self) -> Recipe:
        if (self.discriminator is None) != (self.loss.adversarial == 0):
            raise ValueError("a discriminator and a weight of the adversarial loss above 0 go together")
        if self.system == "cyclegan" and (self.discriminator is None or self.loss.cycle == 0):
            raise ValueError("the system cyclegan needs a discriminator and a weight of the cycle loss above 0")
        if self.system != "cyclegan" and self.loss.cycle + self.loss.identity > 0:
            raise ValueError("the losses cycle and identity belong to the system cyclegan")
        if self.optimiser.accumulate > self.batch_size:
            raise ValueError("optimiser.accumulate cannot be larger than batch_size")
        return self

    @model_validator(mode="after")
    def _doses(self) -> Recipe:
        if self.dose is not None and (self.input_role != self.target_role or not self.contract.dose_factors):
            raise ValueError(
                "with dose, input_role and target_role are the same column and contract.dose_factors says the factors"
            )
        loss = self.loss
        own = loss.dose_class + loss.refined_l1 + loss.refined_log_mse + self.coarse_epochs
        if self.system != "cg3dsrgan" and own > 0:
            raise ValueError(
                "loss.dose_class, loss.refined_l1, loss.refined_log_mse and coarse_epochs belong to the system "
                "cg3dsrgan"
            )
        if self.loss.dose_class and self.dose is None:
            raise ValueError("loss.dose_class needs to know the dose of an input: simulate it by dose")
        if self.coarse_epochs >= self.epochs:
            raise ValueError("coarse_epochs must be less than epochs, or nothing is refined")
        return self

    @model_validator(mode="after")
    def _volumes(self) -> Recipe:
        changes = self.augmentation
        if self.contract.slab and changes.rotate_degrees + changes.scale + changes.shift_pixels > 0:
            raise ValueError(
                "rotate_degrees, scale and shift_pixels would blur the noise of volumes that a 3-D network learns "
                "from; set them to 0"
            )
        return self


def needed_roles(recipe: Recipe) -> tuple[str, ...]:
    """Return the columns of the manifest that a training needs, each once."""
    attenuation = (recipe.dose.attenuation_role,) if recipe.dose and recipe.dose.attenuation_role else ()
    return tuple(dict.fromkeys((recipe.input_role, recipe.target_role, *attenuation)))


def read_recipe(path: str | Path) -> Recipe:
    """Return the recipe in a YAML file; ``path`` may also be the name of a preset.

    Raises:
        MedSynthError: no such file, not YAML, or a key or value that a recipe does not have (named).
    """
    import yaml

    path = Path(path)
    preset = resource_folder() / "Recipes" / f"{path}.yaml"
    if not path.exists() and preset.is_file():
        path = preset
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MedSynthError(
            f"The recipe {path} cannot be read: {error.strerror}; give a YAML file or the name of a preset, which "
            "medsynth train --help lists."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MedSynthError(f"The recipe {path} is not a YAML file: {' '.join(str(error).split())}.") from error
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise MedSynthError(f"The recipe {path} is wrong {_wrong(error)}.") from error


def _wrong(error: ValidationError) -> str:
    """Return where a recipe is wrong, why, and for a key that it cannot have, which ones it can."""
    # A misspelt key is the reason why another one is missing.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    *parents, key = [str(part) for part in first["loc"]] or ["the whole file"]
    where = ".".join((*parents, key))
    if first["type"] != "extra_forbidden":
        return f"at '{where}': {first['msg']}"
    part: Any = Recipe
    for name in parents:
        part = part.model_fields[name].annotation if name in getattr(part, "model_fields", {}) else None
    known = list(getattr(part, "model_fields", {}))
    guess = get_close_matches(key, known, n=1)
    meant = f"; did you mean '{guess[0]}'?" if guess else ""
    listed = f" It can have: {', '.join(known)}" if known else ""
    return f"at '{where}': there is no such key{meant or '.'}{listed}"


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe with every default spelled out."""
    import yaml

    from medsynth_core.io.atomic import atomic_write

    with atomic_write(path) as temporary:
        text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
        temporary.write_text(text, encoding="utf-8")
