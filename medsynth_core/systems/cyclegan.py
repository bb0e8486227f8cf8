"""CycleGAN (Zhu et al. 2017): images of two kinds that need not belong to the same patients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from medsynth_core.errors import MedSynthError
from medsynth_core.losses.adversarial import Adversarial
from medsynth_core.networks.registry import create_network
from medsynth_core.systems.base import System, Tally, pieces
from medsynth_core.systems.pool import ImagePool

if TYPE_CHECKING:
    from medsynth_core.training.engine import Engine
    from medsynth_core.training.recipe import Recipe


class CycleGANSystem(System):
    """Two generators, there and back, and a discriminator for either kind of image.

    The generators minimise ``adversarial`` of both directions, ``cycle``·|back again − image| and, for networks with as
    many output as input channels, ``identity``·``cycle``·|G(target) − target|. They learn first, then the
    discriminators, which see earlier images from a pool. ``back`` is a network of the generator's kind,
    channels exchanged.

    Raises:
        MedSynthError: the networks of the recipe cannot be built or do not fit each other.
    """

    def __init__(self, recipe: Recipe, engine: Engine) -> None:
        adversary, network = recipe.discriminator, recipe.network
        assert adversary is not None
        generator = create_network(network.name, **network.options)
        taken, given = getattr(generator, "in_channels", 0), getattr(generator, "out_channels", 0)
        if not given:
            raise MedSynthError(f"The network '{network.name}' of the recipe makes no images; choose another.")
        if recipe.loss.identity and taken != given:
            raise MedSynthError(
                f"The identity loss needs as many output channels ({given}) as input channels ({taken}); "
                "set loss.identity to 0."
            )
        # A network without that choice has one channel on either side.
        back = {**network.options, **({"in_channels": given, "out_channels": taken} if taken != given else {})}
        networks = {
            "generator": generator,
            "back": create_network(network.name, **back),
            "discriminator": create_network(adversary.name, **{**adversary.options, "in_channels": given}),
            "discriminator_back": create_network(adversary.name, **{**adversary.options, "in_channels": taken}),
        }
        super().__init__(recipe, engine, networks)
        self.adversarial = Adversarial(recipe.loss.adversarial_kind)
        seed = recipe.seed + engine.rank
        self.pools = {"there": ImagePool(recipe.image_pool, seed), "back": ImagePool(recipe.image_pool, seed + 1)}

    def _groups(self) -> dict[str, nn.Module]:
        return {
            "generators": nn.ModuleList([self.networks["generator"], self.networks["back"]]),
            "discriminators": nn.ModuleList([self.networks["discriminator"], self.networks["discriminator_back"]]),
        }

    def step(self, image: Tensor, target: Tensor, parts: int = 1, *, dose: Tensor | None = None) -> dict[str, float]:
        """Train on one batch of either kind of image, (n, c, h, w) and (n, o, h, w), and return its losses by name."""
        self._train_mode()
        tally = Tally()
        made: list[tuple[Tensor, Tensor]] = []
        self.trained["discriminators"].requires_grad_(False)
        self.optimisers["generators"].zero_grad(set_to_none=True)
        for some, wanted, share in pieces(image, target, parts):
            total, losses, images = self._generate(some, wanted)
            self.engine.backward(share * total)
            tally.add(share, {"loss": total, **losses})
            made.append(images)
        self._descend("generators")
        self.trained["discriminators"].requires_grad_(True)
        self.optimisers["discriminators"].zero_grad(set_to_none=True)
        for (some, wanted, share), (there, back) in zip(pieces(image, target, parts), made, strict=True):
            loss = self._tell_apart("discriminator", self.pools["there"](there), wanted)
            loss = loss + self._tell_apart("discriminator_back", self.pools["back"](back), some)
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
        weights = self.recipe.loss
        total = weights.adversarial * adversarial + weights.cycle * cycle
        if weights.identity:
            same = (self._run("generator", target) - target).abs().mean()
            losses["identity"] = same + (self._run("back", image) - image).abs().mean()
            total = total + weights.cycle * weights.identity * losses["identity"]
        return total, losses, (there.detach(), back.detach())

    def _tell_apart(self, name: str, fake: Tensor, real: Tensor) -> Tensor:
        return self.adversarial.discriminator(self._run(name, fake), self._run(name, real))

    def _run(self, name: str, image: Tensor) -> Tensor:
        with self.engine.autocast():
            return self.networks[name](image).float()

    def state(self) -> dict[str, Any]:
        """Return everything that another step depends on."""
        return {**super().state(), "pools": {name: pool.state() for name, pool in self.pools.items()}}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        super().load_state(state)
        for name, pool in self.pools.items():
            pool.load_state(state["pools"][name])
