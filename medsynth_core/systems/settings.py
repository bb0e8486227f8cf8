"""Settings common to all systems, and losses used by several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from medsynth_core.models.card import Name, NetworkSpec
from medsynth_core.preparation.contract import Contract, Side, SynthesisContract
from medsynth_core.preparation.part import Part
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.systems.data_needs import DataNeeds, Role

# Decay of a running mean of the gradients: with 1, Adam would divide by zero.
Beta = Annotated[float, Field(ge=0, lt=1)]


class DifferenceLoss(Part):
    """Weights of the losses by the difference of a synthetic image from the real one; 0 for none.

    ``unit`` is what ``l1``, ``mse`` and ``gradient`` are measured in: ``network`` values, or the unit of the
    ``image`` (SUV), so that their ratio to losses without a unit (adversarial, cross entropy) does not depend on the
    divisor of the contract's intensity.
    """

    l1: float = Field(default=0.0, ge=0)
    mse: float = Field(default=0.0, ge=0)
    unit: Literal["network", "image"] = "network"


class StructureLoss(Part):
    """Weights of ``ssim`` (1 − SSIM) and ``gradient`` (gradient difference, Mathieu et al. 2016); 0 for none."""

    ssim: float = Field(default=0.0, ge=0)
    gradient: float = Field(default=0.0, ge=0)


class PerceptualLoss(Part):
    """Weight of the loss by features of a VGG-16; 0 for none.

    ``perceptual_weights`` is a local file with its weights, or ``random`` for an untrained one.
    """

    perceptual: float = Field(default=0.0, ge=0)
    perceptual_weights: Path | Literal["random"] | None = None

    @model_validator(mode="after")
    def _features(self) -> PerceptualLoss:
        if bool(self.perceptual) != (self.perceptual_weights is not None):
            raise ValueError("perceptual above 0 and perceptual_weights must be given together")
        return self


class PixelLoss(PerceptualLoss, StructureLoss, DifferenceLoss):
    """Weights of all losses that compare a synthetic image with the real one."""

    @model_validator(mode="after")
    def _something(self) -> PixelLoss:
        check_any(self, "l1", "mse", "ssim", "perceptual")
        return self


class AdversarialLoss(Part):
    """Weight and kind of the generator's adversarial loss."""

    adversarial: float = Field(default=0.0, ge=0)
    adversarial_kind: Literal["least_squares", "logits", "hinge"] = "least_squares"


class Optimiser(Part):
    """The optimiser, with the same settings for generator and discriminator.

    ``algorithm`` is ``rmsprop``, which has no ``betas`` (WGAN), or Adam in one of two forms, which differ in where
    ``weight_decay`` applies: ``adamw`` shrinks the weights themselves (Loshchilov and Hutter 2019), ``adam`` adds it to
    the gradient (L2 regularisation). Without weight decay they are the same.
    ``schedule`` of the learning rate: ``constant``; ``linear``, constant for the fraction ``hold`` of the epochs, then
    decreasing linearly to 0 (pix2pix, CycleGAN: 0.5); ``exponential``, multiplied by ``factor`` every epoch;
    ``plateau``, multiplied by ``factor`` after more than ``patience`` consecutive validations without improvement, as
    torch's ``ReduceLROnPlateau``; ``cosine``.
    With ``plateau``, training ends when the learning rate falls below ``stop_below``.
    ``accumulate`` is the number of parts in which a batch is computed, to save memory.
    """

    algorithm: Literal["adamw", "adam", "rmsprop"] = "adamw"
    learning_rate: float = Field(default=1e-3, gt=0, le=1e30)
    betas: tuple[Beta, Beta] = (0.9, 0.99)
    weight_decay: float = Field(default=0.0, ge=0, le=10)
    clip_norm: float = Field(default=0.0, ge=0)
    schedule: Literal["constant", "linear", "exponential", "plateau", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    hold: float = Field(default=0.5, ge=0, lt=1)
    factor: float = Field(default=0.95, gt=0, le=1)
    patience: int = Field(default=5, gt=0)
    stop_below: float = Field(default=0.0, ge=0)
    accumulate: int = Field(default=1, gt=0)

    @model_validator(mode="after")
    def _trains(self) -> Optimiser:
        if self.stop_below and self.schedule != "plateau":
            raise ValueError("stop_below has an effect only with schedule: plateau; leave it out")
        if self.stop_below > self.learning_rate:
            raise ValueError(
                f"stop_below ({self.stop_below:g}) is above learning_rate ({self.learning_rate:g}), so that no epoch "
                "would be trained; lower it"
            )
        return self


class Dose(Part):
    """Low-dose inputs simulated from the full-dose image, one for each of the contract's ``dose_factors``.

    The target is then the full-dose image from the same simulated counts. ``attenuation_role`` is the manifest column
    of the CT used for attenuation; if empty, attenuation is not simulated.
    """

    simulation: DoseSettings = DoseSettings()
    attenuation_role: str = ""


class SystemSettings(Part):
    """Settings of all systems; each system adds its own keys in a subclass in its module.

    Attributes:
        name: name of the trained model.
        seed: random seed.
        contract: inputs and outputs of the model and their preparation, in training and inference. Its roles are the
            columns of the manifest.
        dose: settings of the simulation of low-dose inputs; None reads inputs from their own files.
        network: the generator, which is validated and published.
        initialisation: initial weights of all networks: ``torch`` as its layers draw them, or ``normal``, N(0, 0.02²)
            as in pix2pix and CycleGAN.
        optimiser: optimiser and learning rate schedule.
        precision: numeric precision; ``bfloat16`` and ``float16`` are mixed precision. Where a device has no
            instructions for ``bfloat16``, the training computes in ``float32``, which its environment records.
        epochs: number of epochs.
        batch_size: slices or patches per step.
        choose_by: metric that selects the best epoch; the system must report it in validation.
    """

    name: Name
    seed: int = Field(default=0, ge=0, lt=2**63)
    contract: Contract
    dose: Dose | None = None
    network: NetworkSpec
    initialisation: Literal["torch", "normal"] = "torch"
    optimiser: Optimiser = Optimiser()
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    epochs: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    choose_by: str = "mae"

    @property
    def needs(self) -> DataNeeds:
        """The data that the training needs: paired images of every role."""
        return DataNeeds(
            self._roles(),
            optional=self._optional(),
            simulated=self.dose is not None,
            patches=self.contract.slab is not None,
            sides=self._sides(),
        )

    def _sides(self) -> tuple[tuple[str, ...], ...]:
        """Return the roles that can be used only together if training is unpaired."""
        contract = self.contract
        if self.dose is not None or not isinstance(contract, SynthesisContract):
            # A dose is simulated from all images of a case; a generative model is trained on all images of a case.
            return (tuple(role.name for role in self._roles()),)
        return tuple(contract.inputs), tuple(contract.outputs)

    def _roles(self) -> tuple[Role, ...]:
        """Return each column of the manifest once: inputs, outputs, and the CT for attenuation in a dose simulation."""
        sides = {**self.contract.outputs, **self.contract.inputs}
        # Inputs first, because the other images are compared with them. A simulated input shares its output's file.
        order = [*self.contract.inputs, *(role for role in self.contract.outputs if role not in self.contract.inputs)]
        roles = {role: role_of(role, sides[role], self.contract) for role in order}
        if self.dose is not None and self.dose.attenuation_role:
            ct = self.dose.attenuation_role
            roles.setdefault(ct, Role(ct, "CT", "HU"))
        return tuple(roles.values())

    def _optional(self) -> tuple[str, ...]:
        if not isinstance(self.contract, SynthesisContract):
            return ()
        attenuates = self.dose.attenuation_role if self.dose is not None else ""
        return tuple(role for role, side in self.contract.inputs.items() if side.optional and role != attenuates)

    @model_validator(mode="after")
    def _columns(self) -> SystemSettings:
        if not isinstance(self.contract, SynthesisContract):
            if self.dose is not None:
                raise ValueError("dose simulates the input of a synthesis, which a generative model does not have")
            return self
        inputs, outputs = self.contract.inputs, self.contract.outputs
        simulated = self.contract.input_role if self.dose is not None else ""
        if self.dose is not None and (simulated != next(iter(outputs)) or not self.contract.dose_factors):
            raise ValueError(
                "with dose, the first input and the output must have the same role (the column of the full-dose image) "
                "and contract.dose_factors must list the factors"
            )
        if self.dose is not None and len(outputs) > 1:
            raise ValueError(
                f"with dose, contract.outputs must be '{simulated}' alone, because the target is made from the same "
                f"simulated counts as the input; remove '{list(outputs)[1]}'"
            )
        both = [role for role in inputs if role in outputs and role != simulated]
        if both:
            raise ValueError(
                f"the role '{both[0]}' is both an input and an output, which is allowed only for simulated doses "
                "(dose); give each image its own role"
            )
        return self

    @model_validator(mode="after")
    def _parts_of_a_batch(self) -> SystemSettings:
        if self.optimiser.accumulate > self.batch_size:
            raise ValueError("optimiser.accumulate cannot be larger than batch_size")
        return self


def role_of(name: str, side: Side, contract: Contract) -> Role:
    """Return the column of a manifest for an image of a contract; those of generators may be pictures."""
    return Role(name, side.modality, side.unit, pictures=contract.kind == "generation", colours=side.colours)


def check_any(loss: Part, *names: str) -> None:
    """Check that one of the losses that an image needs has a weight.

    Raises:
        ValueError: none has.
    """
    if not any(getattr(loss, name) for name in names):
        *others, last = names
        raise ValueError(f"at least one of {', '.join(others)} and {last} needs a weight above 0")


def check_adversary(discriminator: NetworkSpec | None, loss: AdversarialLoss, image_pool: int = 0) -> None:
    """Check that a discriminator and a weight of the adversarial loss are given together.

    Raises:
        ValueError: only one of the two is given, or an image pool without them.
    """
    if image_pool and discriminator is None:
        raise ValueError("image_pool keeps images for a discriminator, and there is none; set it to 0")
    if (discriminator is not None) != (loss.adversarial > 0):
        raise ValueError("a discriminator and loss.adversarial above 0 must be given together")


def loss_unit(loss: DifferenceLoss, contract: Contract) -> float:
    """Return what a network value of 1 counts in the pixel losses: 1, or for the unit ``image`` the divisor.

    Raises:
        ValueError: the outputs' intensities have no common divisor.
    """
    if loss.unit == "network":
        return 1.0
    divisors = {getattr(side.intensity, "divisor", None) for side in contract.outputs.values()}
    divisor = divisors.pop()
    if divisors or divisor is None:
        raise ValueError(
            "loss.unit 'image' needs outputs whose intensity is of the kind linear or scale, with the same divisor; "
            "set loss.unit to network"
        )
    return divisor
