"""CycleGAN (Zhu et al. 2017): translation between two image domains, trained without pairs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.models.card import NetworkSpec
from medsynth_core.systems.base import System, Tally
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.data_needs import DataNeeds
from medsynth_core.systems.image_channels import image_channels
from medsynth_core.systems.settings import AdversarialLoss, SystemSettings, check_adversary

if TYPE_CHECKING:
    from torch import Tensor, nn

    from medsynth_core.systems.engine import Engine


class CycleLoss(AdversarialLoss):
    """Weights of the losses: ``adversarial``, ``cycle``, and ``identity`` as a multiple of ``cycle``."""

    cycle: float = Field(gt=0)
    identity: float = Field(default=0.0, ge=0)


class CycleGANSettings(SystemSettings):
    """Settings of the system ``cyclegan``.

    Attributes:
        discriminator: architecture of both discriminators.
        loss: weights of the losses.
        image_pool: number of earlier synthetic images kept for each discriminator (published: 50).
    """

    discriminator: NetworkSpec
    loss: CycleLoss
    image_pool: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _adversary(self) -> CycleGANSettings:
        check_adversary(self.discriminator, self.loss)
        return self

    @property
    def needs(self) -> DataNeeds:
        """Images of both domains, which need not be paired."""
        return replace(super().needs, paired=False)


class CycleGANSystem(System[CycleGANSettings]):
    """Two generators, one for each direction, and a discriminator for each domain.

    The generators minimise ``adversarial`` in both directions, ``cycle``·|back(G(image)) − image| and, for networks
    with equal numbers of input and output channels, ``identity``·``cycle``·|G(target) − target|. They are updated
    first, then the discriminators, which also see earlier images from a pool. ``back`` has the architecture of the
    generator with input and output channels swapped.

    Raises:
        MedSynthError: the networks of the recipe cannot be built or do not fit each other.
    """

    settings_class = CycleGANSettings

    def __init__(self, settings: CycleGANSettings, engine: Engine) -> None:
        from medsynth_core.losses.adversarial import Adversarial
        from medsynth_core.networks.registry import create_network
        from medsynth_core.systems.pool import ImagePool

        adversary, network = settings.discriminator, settings.network
        generator = create_network(network.name, **network.options)
        taken, given = image_channels(network.name, generator)
        if settings.loss.identity and taken != given:
            raise MedSynthError(
                f"The identity loss needs as many output channels ({given}) as input channels ({taken}); "
                "set loss.identity to 0."
            )
        # A network without these options has one input and one output channel.
        back = {**network.options, **({"in_channels": given, "out_channels": taken} if taken != given else {})}
        networks = {
            "generator": generator,
            "back": create_network(network.name, **back),
            "discriminator": create_network(adversary.name, **{**adversary.options, "in_channels": given}),
            "discriminator_back": create_network(adversary.name, **{**adversary.options, "in_channels": taken}),
        }
        super().__init__(settings, engine, networks)
        self.adversarial = Adversarial(settings.loss.adversarial_kind)
        seed = settings.seed + engine.rank
        self.pools = {"there": ImagePool(settings.image_pool, seed), "back": ImagePool(settings.image_pool, seed + 1)}

    def _groups(self) -> dict[str, nn.Module]:
        from torch.nn import ModuleList

        return {
            "generators": ModuleList([self.networks["generator"], self.networks["back"]]),
            "discriminators": ModuleList([self.networks["discriminator"], self.networks["discriminator_back"]]),
        }

    def step(self, batch: Batch, parts: int = 1) -> dict[str, float]:
        """Train on one batch, (n, c, h, w) inputs and (n, o, h, w) unpaired targets, and return its losses by name."""
        self._train_mode()
        tally = Tally()
        made: list[tuple[Tensor, Tensor]] = []
        self.trained["discriminators"].requires_grad_(False)
        self.optimisers["generators"].zero_grad(set_to_none=True)
        for some, share in batch.split(parts):
            total, losses, images = self._generate(some.image, some.target)
            self.engine.backward(share * total)
            tally.add(share, {"loss": total, **losses})
            made.append(images)
        self._descend("generators")
        self.trained["discriminators"].requires_grad_(True)
        self.optimisers["discriminators"].zero_grad(set_to_none=True)
        for (some, share), (there, back) in zip(batch.split(parts), made, strict=True):
            loss = self._discriminator_loss("discriminator", self.pools["there"](there), some.target)
            loss = loss + self._discriminator_loss("discriminator_back", self.pools["back"](back), some.image)
            self.engine.backward(share * loss)
            tally.add(share, {"discriminator": loss})
        self._descend("discriminators")
        return tally.means(self.engine)

    def _generate(self, image: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor], tuple[Tensor, Tensor]]:
        there, back = self._run("generator", image), self._run("back", target)
        adversarial = self.adversarial.generator(self._run("discriminator", there))
        adversarial = adversarial + self.adversarial.generator(self._run("discriminator_back", back))
        cycle = (self._run("back", there) - image).abs().mean() + (self._run("generator", back) - target).abs().mean()
        losses = {"adversarial": adversarial, "cycle": cycle}
        weights = self.settings.loss
        total = weights.adversarial * adversarial + weights.cycle * cycle
        if weights.identity:
            same = (self._run("generator", target) - target).abs().mean()
            losses["identity"] = same + (self._run("back", image) - image).abs().mean()
            total = total + weights.cycle * weights.identity * losses["identity"]
        return total, losses, (there.detach(), back.detach())

    def _discriminator_loss(self, name: str, fake: Tensor, real: Tensor) -> Tensor:
        return self.adversarial.discriminator(self._run(name, fake), self._run(name, real))

    def _run(self, name: str, image: Tensor) -> Tensor:
        with self.engine.autocast():
            return self.networks[name](image).float()

    def state(self) -> dict[str, Any]:
        """Return the complete state, for a checkpoint."""
        return {**super().state(), "pools": {name: pool.state() for name, pool in self.pools.items()}}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a `state`."""
        super().load_state(state)
        for name, pool in self.pools.items():
            pool.load_state(state["pools"][name])
