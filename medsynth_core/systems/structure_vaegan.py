"""Training of structure maps from noise by a VAE with two discriminators (Qu, multi-modal synthesis, section 4.2.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydantic import Field, model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.metrics.field_means import field_means, scaled_distance
from medsynth_core.models.card import NetworkSpec
from medsynth_core.preparation.contract import GenerationContract
from medsynth_core.preparation.part import Part
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.systems.base import Candidate, System, Tally
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.codes import codes
from medsynth_core.systems.data_needs import DataNeeds
from medsynth_core.systems.settings import SystemSettings
from medsynth_core.systems.structure_source import StructureSource

if TYPE_CHECKING:
    from torch import Tensor, nn

    from medsynth_core.systems.engine import Engine


class StructureVAEGANLoss(Part):
    """Weights of the losses. The defaults are those of the author's code.

    The thesis states no weights: its sum has 1 for all of equations 6 to 11, and 0 for ``absolute``, ``balance``,
    ``code_mean``, ``code_spread``, ``kl``, ``cross_entropy`` and ``overlap``, which it does not have.

    Attributes:
        mask: squared difference of the mask network's mask (equation 6).
        squared, absolute: difference of a map and its reconstruction (equation 7, first term).
        outside: lines outside the organ, of reconstructions (equation 7) and of maps from noise (equation 11).
        code_adversarial: of the encoder, against the discriminator of codes (equation 9).
        code_discriminator: of that discriminator (equation 8).
        map_adversarial: of the decoder, against the discriminator of maps (equation 11).
        map_discriminator: of that discriminator (equation 10).
        balance: squared difference of the share of lines, of reconstructions and of maps from noise.
        code_mean, code_spread: squared difference of mean and standard deviation of the codes from 0 and 1.
        kl: divergence of the codes from the normal distribution, as in a plain VAE.
        cross_entropy: of a map and its reconstruction. Unlike ``squared``, it moves a pixel that is certainly wrong.
        overlap: 1 − Dice of the lines of a map and its reconstruction, which are few.
    """

    mask: float = Field(default=15.0, ge=0)
    squared: float = Field(default=25.0, ge=0)
    absolute: float = Field(default=10.0, ge=0)
    outside: float = Field(default=1.0, ge=0)
    code_adversarial: float = Field(default=1e-3, ge=0)
    code_discriminator: float = Field(default=10.0, ge=0)
    map_adversarial: float = Field(default=0.1, ge=0)
    map_discriminator: float = Field(default=25.0, ge=0)
    balance: float = Field(default=1e-4, ge=0)
    code_mean: float = Field(default=1e-3, ge=0)
    code_spread: float = Field(default=1e-3, ge=0)
    kl: float = Field(default=0.0, ge=0)
    cross_entropy: float = Field(default=0.0, ge=0)
    overlap: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _trains_all(self) -> StructureVAEGANLoss:
        for name in ("mask", "squared"):
            if not getattr(self, name):
                raise ValueError(f"loss.{name} needs a weight above 0")
        for adversary, discriminator in (
            ("code_adversarial", "code_discriminator"),
            ("map_adversarial", "map_discriminator"),
        ):
            if bool(getattr(self, adversary)) != bool(getattr(self, discriminator)):
                raise ValueError(f"loss.{adversary} and loss.{discriminator} must be above 0 together")
        return self


class StructureVAEGANSettings(SystemSettings):
    """Settings of the system ``structure-vaegan``.

    Attributes:
        structure: the images whose structure maps are learned.
        encoder: network that encodes a map, such as ``structure-encoder``.
        code_discriminator: network that tells codes of maps from noise, such as ``latent-discriminator``.
        map_discriminator: network that tells maps of images from those of noise, such as ``structure-discriminator``.
        loss: weights of the losses.
        contrast: how sure the decoder is of its background before training: its last normalisation starts with this
            scale, and with this offset for the background and its negative for lines. A normalisation as it is
            created draws grey, and moves by about a learning rate a step.
        map_from: epochs before the first one with maps from noise and their discriminator, so that the decoder
            can draw by then.
        kl_start: share of ``loss.kl`` that counts in the first ``kl_from`` epochs.
        kl_from: epochs before the weight of ``kl`` begins to rise.
        kl_epochs: epochs in which it then rises to ``loss.kl``, in equal steps.
        binary_maps: whether discriminator, mask network and ``balance`` see maps from noise as 0 and 1, with the
            gradient of the probabilities (straight-through, Bengio et al. 2013). Otherwise the discriminator knows them
            by their shades of grey.
        discriminator_rate: learning rate of the discriminators in multiples of that of the other networks, which the
            optimiser's settings state (two time-scale update rule, Heusel et al. 2017).
        mask_share: share of each batch that the mask network learns from, which has less to learn than the decoder.

    ``choose_by`` must be ``map_distance``, the only metric of maps that belong to no case.
    """

    structure: StructureSource
    encoder: NetworkSpec
    code_discriminator: NetworkSpec
    map_discriminator: NetworkSpec
    loss: StructureVAEGANLoss = StructureVAEGANLoss()
    contrast: float = Field(default=0.0, ge=0, le=10)
    map_from: int = Field(default=0, ge=0)
    kl_start: float = Field(default=0.0, ge=0, le=1)
    kl_from: int = Field(default=0, ge=0)
    kl_epochs: int = Field(default=0, ge=0)
    binary_maps: bool = False
    discriminator_rate: float = Field(default=1.0, gt=0, le=100)
    mask_share: float = Field(default=1.0, gt=0, le=1)

    @property
    def needs(self) -> DataNeeds:
        """The images whose structure maps are learned."""
        return DataNeeds((self.structure.needed,), sides=((self.structure.role,),))

    @property
    def generation(self) -> GenerationContract:
        """The contract, which is one of a generator."""
        return cast(GenerationContract, self.contract)

    @model_validator(mode="after")
    def _two_outputs(self) -> StructureVAEGANSettings:
        if tuple(self.contract.outputs) != ("structure", "organ") or self.contract.inputs:
            raise ValueError("contract.outputs must be structure and organ, and there are no inputs")
        if self.epochs <= self.map_from or self.epochs < self.kl_from + self.kl_epochs:
            # Nothing could be published.
            raise ValueError("epochs must be more than map_from, and at least kl_from and kl_epochs together")
        return self


class StructureVAEGANSystem(System[StructureVAEGANSettings]):
    """A decoder of structure maps with its mask network, trained with an encoder and two discriminators.

    Each step updates the discriminators first, then the generator (decoder and mask network) and the encoder together.

    Raises:
        MedSynthError: the networks of the recipe cannot be built or do not fit each other.
    """

    settings_class = StructureVAEGANSettings
    kinds = ("generation",)

    def __init__(self, settings: StructureVAEGANSettings, engine: Engine) -> None:
        from medsynth_core.losses.adversarial import Adversarial
        from medsynth_core.networks.registry import create_network

        specs = {
            "generator": settings.network,
            "encoder": settings.encoder,
            "code_discriminator": settings.code_discriminator,
            "map_discriminator": settings.map_discriminator,
        }
        networks = {name: create_network(spec.name, **spec.options) for name, spec in specs.items()}
        _check(settings, networks)
        if settings.contrast:
            _start_certain(cast(Any, networks["generator"]).decoder.logits_normalisation, settings.contrast)
        super().__init__(settings, engine, networks)
        self.adversarial = Adversarial("least_squares")
        self.begin_epoch(0)
        self.set_learning_rate(settings.optimiser.learning_rate)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of generator and encoder, and by ``discriminator_rate`` that of the discriminators."""
        super().set_learning_rate(learning_rate)
        for group in self.optimisers["discriminators"].param_groups:
            group["lr"] = learning_rate * self.settings.discriminator_rate

    def begin_epoch(self, epoch: int) -> None:
        """Draw maps from noise from the epoch ``map_from`` on; raise the weight of ``kl`` from ``kl_from`` on."""
        settings = self.settings
        self._drawing = epoch >= settings.map_from
        risen = (epoch - settings.kl_from + 1) / max(1, settings.kl_epochs) if epoch >= settings.kl_from else 0.0
        self._complete = self._drawing and risen >= 1
        self._kl = settings.loss.kl * (settings.kl_start + (1 - settings.kl_start) * min(1.0, risen))

    @property
    def complete(self) -> bool:  # type: ignore[override]  # it changes with the epoch
        """Whether all losses have their whole weight; before, nothing can be published."""
        return self._complete

    @classmethod
    def reports(cls, metric: str) -> bool:
        """Return whether `validate_set` reports a metric."""
        return metric == "map_distance"

    def _groups(self) -> dict[str, nn.Module]:
        from torch import nn

        made = nn.ModuleList([self.networks["generator"], self.networks["encoder"]])
        judges = nn.ModuleList([self.networks["code_discriminator"], self.networks["map_discriminator"]])
        return {"generator": made, "discriminators": judges}

    def step(self, batch: Batch, parts: int = 1) -> dict[str, float]:
        """Train on one batch and return its losses by name.

        Args:
            batch: targets ``structure`` and ``organ`` (n, 1, h, w); above ½ is 1.
            parts: number of parts in which the batch is computed, one after the other, to save memory.
        """
        import torch

        self._train_mode()
        tally = Tally()
        pieces = list(batch.split(parts))
        # The same codes for both updates.
        noise = [torch.randn(len(some), self._decoder.latent, device=self.engine.device) for some, _ in pieces]
        self.optimisers["discriminators"].zero_grad(set_to_none=True)
        for (some, share), code in zip(pieces, noise, strict=True):
            self._judge(_two(_mask(some.targets["structure"])), code, share, tally)
        self._descend("discriminators")
        self.optimisers["generator"].zero_grad(set_to_none=True)
        for (some, share), code in zip(pieces, noise, strict=True):
            self._make(some, code, share, tally)
        self._descend("generator")
        return tally.means(self.engine)

    @property
    def _decoder(self) -> Any:
        return cast(Any, self.generator).decoder

    def _codes(self, lines: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the codes of maps, f = mean + exp(½ log variance) z, with mean and logarithm of the variance."""
        mean, log_variance = self.networks["encoder"](lines)
        return mean + (0.5 * log_variance).exp() * noise, mean, log_variance

    def _judge(self, maps: Tensor, noise: Tensor, share: float, tally: Tally) -> None:
        """Add the gradients of the discriminators (equations 8 and 10)."""
        import torch

        loss = self.settings.loss
        with torch.no_grad(), self.engine.autocast():
            codes, _, _ = self._codes(maps[:, 1:], noise)
        # The thesis adds both terms, of which `Adversarial` returns the mean.
        code = 2 * self._told_apart("code_discriminator", codes, noise)
        map_ = noise.new_zeros(())
        if self._drawing:
            with torch.no_grad(), self.engine.autocast():
                drawn = self._seen(self._decoder.logits(noise).float().sigmoid())
            map_ = 2 * self._told_apart("map_discriminator", drawn, maps)
        self.engine.backward(share * (loss.code_discriminator * code + loss.map_discriminator * map_))
        tally.add(share, {"code_discriminator": code, "map_discriminator": map_})

    def _told_apart(self, judge: str, made: Tensor, real: Tensor) -> Tensor:
        """Return the loss of a discriminator."""
        with self.engine.autocast():
            of_made, of_real = (self.networks[judge](some) for some in (made, real))
        return self.adversarial.discriminator(of_made.float(), of_real.float())

    def _seen(self, drawn: Tensor) -> Tensor:
        """Return maps from noise as the discriminator and the mask network see them."""
        return _decided(drawn) if self.settings.binary_maps else drawn

    def _make(self, batch: Batch, noise: Tensor, share: float, tally: Tally) -> None:
        """Add the gradients of decoder, mask network and encoder (equations 6, 7, 9 and 11)."""
        judges = self.trained["discriminators"]
        judges.requires_grad_(False)
        try:
            losses = self._losses(batch, noise)
            weights = self.settings.loss.model_dump() | {"kl": self._kl}
            total = sum((weights[name] * value for name, value in losses.items()), noise.new_zeros(()))
            self.engine.backward(share * total)
        finally:
            # Also if memory runs out here, because the step is then repeated.
            judges.requires_grad_(True)
        tally.add(share, {"loss": total, **losses})

    def _losses(self, batch: Batch, noise: Tensor) -> dict[str, Tensor]:
        """Return the losses of decoder, mask network and encoder by name, not weighted."""
        from torch.nn.functional import l1_loss, mse_loss

        maps, outside = _two(_mask(batch.targets["structure"])), 1 - _mask(batch.targets["organ"])
        learnt = self._learnt(len(maps))
        with self.engine.autocast():
            codes, mean, log_variance = self._codes(maps[:, 1:], noise)
            logits, masks = self._decoder.logits(codes).float(), cast(Any, self.generator).mask(maps[:learnt]).float()
            of_codes = self.networks["code_discriminator"](codes).float()
        made = logits.sigmoid()
        codes, mean, log_variance = codes.float(), mean.float(), log_variance.float()
        losses = {
            "mask": mse_loss(masks, _two(outside[:learnt])),
            "squared": mse_loss(made, maps),
            "absolute": l1_loss(made, maps),
            "outside": (outside * made[:, 1:]).square().mean(),
            "code_adversarial": self.adversarial.generator(of_codes),
            "map_adversarial": noise.new_zeros(()),
            "balance": (made[:, 1].mean() - maps[:, 1].mean()).square(),
            "code_mean": codes.mean().square(),
            "code_spread": (codes.std() - 1).square(),
            "kl": 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean(),
            **self._other_differences(logits, maps),
        }
        if self._drawing:
            for name, value in self._losses_of_drawn(noise, maps[:, 1].mean()).items():
                losses[name] = losses[name] + value
        return losses

    def _other_differences(self, logits: Tensor, maps: Tensor) -> dict[str, Tensor]:
        """Return the differences of maps and their reconstructions that the thesis does not have, if they count."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        found = {}
        if self.settings.loss.cross_entropy:
            found["cross_entropy"] = binary_cross_entropy_with_logits(logits, maps)
        if self.settings.loss.overlap:
            found["overlap"] = 1 - _dice(logits[:, 1].sigmoid(), maps[:, 1])
        return found

    def _losses_of_drawn(self, noise: Tensor, share: Tensor) -> dict[str, Tensor]:
        """Return the losses of maps from noise, whose share of lines should be ``share`` (equation 11)."""
        import torch

        learnt = self._learnt(len(noise))
        with self.engine.autocast():
            drawn = self._decoder.logits(noise).float().sigmoid()
            seen = self._seen(drawn)
            of_drawn = self.networks["map_discriminator"](seen).float()
        with torch.no_grad(), self.engine.autocast():
            # Only of use as a place where no lines may be: the mask network learns from maps of images alone.
            around = cast(Any, self.generator).mask(seen[:learnt])[:, 1:].float()
        return {
            "outside": (around * drawn[:learnt, 1:]).square().mean(),
            "map_adversarial": self.adversarial.generator(of_drawn),
            "balance": (seen[:, 1].mean() - share).square(),
        }

    def _learnt(self, maps: int) -> int:
        """Return how many of these maps, the first ones, the mask network sees."""
        return math.ceil(maps * self.settings.mask_share)

    @classmethod
    def validate(cls, settings: StructureVAEGANSettings, case: TrainingCase, candidate: Candidate) -> dict[str, float]:
        """Return nothing: a map from noise belongs to no case."""
        return {}

    @classmethod
    def validate_set(
        cls, settings: StructureVAEGANSettings, cases: Sequence[TrainingCase], candidate: Candidate
    ) -> dict[str, float]:
        """Return ``map_distance``: the Fréchet distance of maps from noise from those of the cases.

        The features of a map are the shares of lines and of organ in 8 × 8 fields. As many maps are drawn as the
        cases have slices, always from the same noise.
        """
        real = np.concatenate([_features(case.targets["structure"], case.targets["organ"]) for case in cases])
        if len(real) < 2:
            return {}
        drawn = drawn_maps(candidate.network, len(real), settings.generation.noise, seed=0)
        # Scaled, because lines are few: with equal weight in both kinds, the organ would decide alone.
        return {"map_distance": scaled_distance(_features(*drawn), real, kinds=2)}


def drawn_maps(network: nn.Module, count: int, latent: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return structure maps and organs from noise: two boolean arrays (count, h, w).

    Args:
        network: generator of structure maps.
        count: number of maps.
        latent: length of the codes.
        seed: of the codes; a longer series begins with the shorter one.
    """
    import torch

    device = next(network.parameters()).device
    with torch.no_grad():
        pairs = [cast(Any, network).draw(part.to(device)) for part in codes(count, latent, seed)]
    maps = torch.cat([torch.cat(pair, dim=1) for pair in pairs]).cpu().numpy().astype(bool)
    return maps[:, 0], maps[:, 1]


def _features(lines: np.ndarray, organ: np.ndarray) -> np.ndarray:
    """Return the shares of lines and of organ in the fields of each map: (n, 2 · 8²)."""
    return np.concatenate([field_means(lines), field_means(organ)], axis=1)


def _mask(image: Tensor) -> Tensor:
    """Return 0 and 1 of an image that augmentation has interpolated."""
    return (image > 0.5).to(image.dtype)


def _two(maps: Tensor) -> Tensor:
    """Return a map of 0 and 1 (n, 1, h, w) as two channels: what it is not, and what it is."""
    import torch

    return torch.cat([1 - maps, maps], dim=1)


def _decided(maps: Tensor) -> Tensor:
    """Return 1 in the larger of two channels and 0 in the other, with the gradient of the channels themselves."""
    decided = _two((maps[:, 1:] > maps[:, :1]).to(maps.dtype))
    # The difference is exactly 0, so that half precision leaves no trace of grey either.
    return decided + (maps - maps.detach())


def _dice(made: Tensor, real: Tensor) -> Tensor:
    """Return the mean Dice coefficient of probabilities and masks (n, h, w); 1 for both empty."""
    common = (made * real).sum(dim=(1, 2))
    return ((2 * common + 1) / (made.sum(dim=(1, 2)) + real.sum(dim=(1, 2)) + 1)).mean()


def _start_certain(normalisation: Any, contrast: float) -> None:
    """Let the last normalisation of a decoder start with background: its scale and, with both signs, its offset."""
    import torch

    with torch.no_grad():
        normalisation.weight.fill_(contrast)
        normalisation.bias.copy_(torch.tensor([contrast, -contrast]))


def _check(settings: StructureVAEGANSettings, networks: dict[str, Any]) -> None:
    """Check that the networks fit each other and the contract.

    Raises:
        MedSynthError: they do not.
    """
    for name, parts, remedy in (
        ("generator", ("decoder", "mask"), "structure-generator"),
        ("encoder", ("log_variance",), "structure-encoder"),
        ("code_discriminator", ("latent",), "latent-discriminator"),
    ):
        if not all(hasattr(networks[name], part) for part in parts):
            raise MedSynthError(
                f"The network '{getattr(settings, 'network' if name == 'generator' else name).name}' cannot be the "
                f"{name} of the system structure-vaegan; choose {remedy}.",
                kind="model",
            )
    generator, encoder = networks["generator"], networks["encoder"]
    lengths = {
        "network": generator.latent,
        "encoder": encoder.mean.out_features,
        "code_discriminator": networks["code_discriminator"].latent,
        "contract.noise": settings.generation.noise,
    }
    sizes = {"network": generator.size, "encoder": encoder.size, "contract.matrix": settings.generation.side}
    for what, found in (("latent", lengths), ("size", sizes)):
        if len(set(found.values())) > 1:
            listed = ", ".join(f"{name} {value}" for name, value in found.items())
            raise MedSynthError(
                f"The networks of the recipe '{settings.name}' differ in {what} ({listed}); give all the same.",
                kind="model",
            )
