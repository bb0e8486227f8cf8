"""Settings of generators that draw images from noise, with or without a class: DCGAN, ACGAN, WGAN, WGAN-GP, PGGAN."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

from pydantic import Field, model_validator

from medsynth_core.models.card import NetworkSpec
from medsynth_core.preparation.contract import GenerationContract
from medsynth_core.preparation.part import Part
from medsynth_core.systems.data_needs import DataNeeds, check_classes
from medsynth_core.systems.settings import SystemSettings

Objective = Literal["gan", "acgan", "wgan", "wgan-gp"]


class UnconditionalLoss(Part):
    """Weights of what is added to the adversarial loss of the objective.

    Attributes:
        label: cross-entropy of the class, in generator and discriminator (``acgan``).
        penalty: gradient penalty of the critic (``wgan-gp``).
        drift: mean square of the critic's scores of real images, which keeps them near 0 (``wgan`` and ``wgan-gp``;
            PGGAN: 0.001).
    """

    label: float = Field(default=1.0, gt=0)
    penalty: float = Field(default=10.0, gt=0)
    drift: float = Field(default=0.0, ge=0)


class UnconditionalSettings(SystemSettings):
    """Settings of the system ``unconditional``.

    Attributes:
        discriminator: network that tells real from synthetic images; with ``wgan`` and ``wgan-gp`` the critic.
        objective: ``gan``, the non-saturating cross-entropy (DCGAN); ``acgan``, the same with classes; ``wgan``, the
            Wasserstein distance with clipped weights; ``wgan-gp``, with a gradient penalty (also PGGAN).
        classes: names of the classes, as in the column ``class`` of the manifest, in the order of their numbers; only
            with ``acgan``.
        critic_steps: batches that the discriminator learns from for each of the generator's.
        clip: largest magnitude of the critic's weights; only with ``wgan``.
        stable_epochs, fade_epochs: of a network that grows: epochs in which a level is trained, before the next one is
            faded in during further epochs. 0 for ``fade_epochs`` trains at the whole size from the beginning.
        keep_pictures: keep pictures of 16 × 16 fields of the training images in the package, by which generated images
            that repeat one of them are recognised.
        loss: weights of further losses.

    ``choose_by`` must be ``image_distance`` or ``fid``, the metrics of images that belong to no case.
    """

    discriminator: NetworkSpec
    objective: Objective = "gan"
    classes: tuple[str, ...] = ()
    critic_steps: int = Field(default=1, gt=0)
    clip: float = Field(default=0.0, ge=0)
    stable_epochs: int = Field(default=0, ge=0)
    fade_epochs: int = Field(default=0, ge=0)
    keep_pictures: bool = True
    loss: UnconditionalLoss = UnconditionalLoss()

    @property
    def needs(self) -> DataNeeds:
        """The images of every output and, with ``acgan``, the class of each case."""
        return replace(super().needs, classes=self.classes)

    @property
    def generation(self) -> GenerationContract:
        """The contract, which is one of a generator."""
        return cast(GenerationContract, self.contract)

    @model_validator(mode="after")
    def _from_noise(self) -> UnconditionalSettings:
        if self.contract.inputs or not self.generation.noise or len(self.generation.matrix) != 2:
            raise ValueError(
                "this system draws slices from noise alone: contract.noise must be above 0, contract.inputs empty, and "
                "contract.matrix rows and columns"
            )
        return self

    @model_validator(mode="after")
    def _classes(self) -> UnconditionalSettings:
        check_classes(self.classes)
        if (self.objective == "acgan") != (len(self.classes) > 1):
            raise ValueError("objective: acgan and classes, at least two, must be given together")
        return self

    @model_validator(mode="after")
    def _critic(self) -> UnconditionalSettings:
        if (self.objective == "wgan") != (self.clip > 0):
            raise ValueError("objective: wgan and clip above 0 must be given together")
        if self.loss.drift and not self.objective.startswith("wgan"):
            raise ValueError("loss.drift is for the scores of a critic; leave it out, or choose wgan or wgan-gp")
        if self.stable_epochs and not self.fade_epochs:
            raise ValueError("stable_epochs has an effect only with fade_epochs; leave it out")
        return self
