"""Images from noise, of one or several registered modalities: DCGAN, ACGAN, WGAN, WGAN-GP and PGGAN."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.metrics.field_means import field_means, scaled_distance
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.frame import framed
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.systems.base import Candidate, Records, System, Tally
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.codes import codes
from medsynth_core.systems.output_fid import output_fid
from medsynth_core.systems.output_range import check_output_range
from medsynth_core.systems.picture_records import grey_image, picture_records
from medsynth_core.systems.unconditional_settings import UnconditionalSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from medsynth_core.systems.engine import Engine

# A loss to descend, and its parts by name, not weighted.
Losses = tuple["Tensor", dict[str, "Tensor"]]


class UnconditionalSystem(System[UnconditionalSettings]):
    """A generator that draws from noise, and a discriminator or critic.

    Each step updates the discriminator; the first step, and every `critic_steps`-th one after it, also the generator.
    With several outputs, the images of a registered pair are the channels of one image.

    Raises:
        MedSynthError: the networks of the recipe cannot be built, or do not fit each other, contract or objective.
    """

    settings_class = UnconditionalSettings
    kinds = ("generation",)
    keeps_records = True

    def __init__(self, settings: UnconditionalSettings, engine: Engine) -> None:
        from medsynth_core.losses.adversarial import Adversarial
        from medsynth_core.networks.registry import create_network

        specs = {"generator": settings.network, "discriminator": settings.discriminator}
        networks = {name: create_network(spec.name, **spec.options) for name, spec in specs.items()}
        _check(settings, networks)
        super().__init__(settings, engine, networks)
        self.adversarial = Adversarial("logits")
        self._steps = 0
        # Losses of the generator's last update, so that their means over an epoch are not those of zeros.
        self._latest: dict[str, float] = {}

    @classmethod
    def reports(cls, metric: str) -> bool:
        """Return whether `validate_set` reports a metric."""
        return metric in ("image_distance", "fid")

    @property
    def complete(self) -> bool:  # type: ignore[override]  # it changes with the steps
        """Whether the generator draws images of the whole size; before, nothing can be published."""
        levels = getattr(self.generator, "levels", 0)
        return not self.settings.fade_epochs or self._level(levels) == levels

    def _level(self, levels: int) -> float:
        """Return the level that a growing network has reached after the steps so far."""
        settings = self.settings
        return level_at(self._steps / self.epoch_steps, settings.stable_epochs, settings.fade_epochs, levels)

    def _grown(self, network: Any) -> Any:
        """Return a network at the present level, if it is one that grows in this training."""
        if self.settings.fade_epochs:
            network.grow(self._level(network.levels))
        return network

    def validated_part(self, generator: nn.Module) -> nn.Module:
        """Return a generator at the present level: that of an average of the weights does not follow by itself."""
        return self._grown(generator)

    def step(self, batch: Batch, parts: int = 1) -> dict[str, float]:
        """Train on one batch and return its losses by name; those of the generator are of its latest update.

        Args:
            batch: targets (n, 1, h, w) by output and, with classes, the label ``class``.
            parts: number of parts in which the batch is computed, one after the other, to save memory.
        """
        self._train_mode()
        for network in self.networks.values():
            self._grown(network)
        pieces = list(self._with_noise(batch).split(parts))
        judged, drawn = Tally(), Tally()
        self._update("discriminator", pieces, self._judging, judged)
        self._clip()
        found = judged.means(self.engine)
        if self._steps % self.settings.critic_steps == 0:
            self._update("generator", pieces, self._drawing, drawn)
            self._latest = drawn.means(self.engine)
        # Last, so that a step that is repeated for lack of memory is counted once.
        self._steps += 1
        return {**found, **self._latest}

    def _with_noise(self, batch: Batch) -> Batch:
        """Return a batch with all that is drawn at random, so that it does not depend on the number of parts."""
        import torch

        n, device = len(batch), self.engine.device
        noise = {name: torch.randn(n, self.settings.generation.noise, device=device) for name in ("judged", "drawn")}
        return Batch({**noise, "mixing": torch.rand(n, 1, 1, 1, device=device)}, batch.targets, batch.labels)

    def _update(
        self, name: str, pieces: list[tuple[Batch, float]], losses: Callable[[Batch], Losses], tally: Tally
    ) -> None:
        """Update a network by the losses of each piece; the other one stays as it is."""
        other = self.networks["generator" if name == "discriminator" else "discriminator"]
        self.optimisers[name].zero_grad(set_to_none=True)
        other.requires_grad_(False)
        try:
            for piece, share in pieces:
                total, found = losses(piece)
                self.engine.backward(share * total)
                tally.add(share, found)
        finally:
            # Also if memory runs out here, because the step is then repeated.
            other.requires_grad_(True)
        self._descend(name)

    def _clip(self) -> None:
        """Limit the magnitude of the critic's weights (WGAN)."""
        import torch

        if self.settings.clip:
            with torch.no_grad():
                for weight in self.networks["discriminator"].parameters():
                    weight.clamp_(-self.settings.clip, self.settings.clip)

    def _images(self, noise: Tensor, piece: Batch) -> Tensor:
        """Return the images of codes, with classes those of the piece's images."""
        given = (noise, piece.labels["class"]) if self.settings.classes else (noise,)
        with self.engine.autocast():
            return self.generator(*given).float()

    def _opinion(self, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the logits or scores (n) of images and, with classes, the logits (n, classes) of these."""
        with self.engine.autocast():
            found = self.networks["discriminator"](image)
        return (found[0].float(), found[1].float()) if isinstance(found, tuple) else (found.float(), None)

    def _judging(self, piece: Batch) -> Losses:
        """Return the losses of the discriminator or critic."""
        import torch

        with torch.no_grad():
            fake = self._images(piece.inputs["judged"], piece)
        real = self._shown(piece.target)
        (of_fake, fake_class), (of_real, real_class) = self._opinion(fake), self._opinion(real)
        if self.settings.objective.startswith("wgan"):
            return self._criticised(of_fake, of_real, torch.lerp(fake, real, piece.inputs["mixing"]))
        # Radford et al. add both terms, of which `Adversarial` returns the mean.
        found = {"discriminator": 2 * self.adversarial.discriminator(of_fake, of_real)}
        total = found["discriminator"]
        if fake_class is not None and real_class is not None:
            found["discriminator_label"] = self._label(fake_class, piece) + self._label(real_class, piece)
            total = total + self.settings.loss.label * found["discriminator_label"]
        return total, found

    def _criticised(self, of_fake: Tensor, of_real: Tensor, mixed: Tensor) -> Losses:
        """Return the losses of a critic from its scores, and from mixtures of real and synthetic images."""
        from medsynth_core.losses.wasserstein import critic_loss, gradient_penalty

        loss = self.settings.loss
        found = {"discriminator": critic_loss(of_fake, of_real)}
        total = found["discriminator"]
        if self.settings.objective == "wgan-gp":
            # In single precision, because it is a gradient of which a gradient is taken.
            found["penalty"] = gradient_penalty(self.networks["discriminator"], mixed)
            total = total + loss.penalty * found["penalty"]
        if loss.drift:
            found["drift"] = of_real.square().mean()
            total = total + loss.drift * found["drift"]
        return total, found

    def _drawing(self, piece: Batch) -> Losses:
        """Return the losses of the generator."""
        of_fake, kind = self._opinion(self._images(piece.inputs["drawn"], piece))
        wasserstein = self.settings.objective.startswith("wgan")
        found = {"adversarial": -of_fake.mean() if wasserstein else self.adversarial.generator(of_fake)}
        total = found["adversarial"]
        if kind is not None:
            found["label"] = self._label(kind, piece)
            total = total + self.settings.loss.label * found["label"]
        return total, {"loss": total, **found}

    def _label(self, logits: Tensor, piece: Batch) -> Tensor:
        """Return the cross-entropy of the classes of a piece's images."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits, piece.labels["class"])

    def _shown(self, image: Tensor) -> Tensor:
        """Return real images as the discriminator sees them: those of a growing network at its level."""
        network: Any = self.networks["discriminator"]
        return network.shown(image) if self.settings.fade_epochs else image

    def state(self) -> dict[str, Any]:
        """Return the complete state, for a checkpoint."""
        return {**super().state(), "steps": self._steps, "latest": self._latest}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a `state`."""
        super().load_state(state)
        self._steps, self._latest = state["steps"], dict(state["latest"])

    @classmethod
    def records(
        cls, settings: UnconditionalSettings, cases: Sequence[TrainingCase], patients: Sequence[str]
    ) -> Records | None:
        """Return small pictures of the training images, unless the recipe leaves them out."""
        if not settings.keep_pictures:
            return None
        size = settings.generation.side
        arrays: dict[str, np.ndarray] = {}
        for role, side in settings.contract.outputs.items():
            frames = (framed(grey_image(case, role, side), size, side.empty) for case in cases)
            arrays |= picture_records(role, side, frames, patients)
        return Records(arrays, {})

    @classmethod
    def validate(cls, settings: UnconditionalSettings, case: TrainingCase, candidate: Candidate) -> dict[str, float]:
        """Return nothing: an image from noise belongs to no case."""
        return {}

    @classmethod
    def validate_set(
        cls, settings: UnconditionalSettings, cases: Sequence[TrainingCase], candidate: Candidate
    ) -> dict[str, float]:
        """Return ``image_distance``: the Fréchet distance of images from noise from those of the cases.

        The features of an image are the means of 8 × 8 fields of each channel. As many images are drawn as the cases
        have slices, always from the same noise and, with classes, of the classes of the cases. If the recipe chooses by
        ``fid``, this is returned as well, as the mean over the outputs.
        """
        sides, size = channels_of(settings.contract.outputs), settings.generation.side
        frames = [[framed(case.targets[name], size, side.empty) for name, side in sides.items()] for case in cases]
        real = np.concatenate([_features(channels) for channels in frames])
        if len(real) < 2:
            return {}
        labels = [
            case.labels.get("class", 0) for case, channels in zip(cases, frames, strict=True) for _ in channels[0]
        ]
        parts = drawn_images(candidate.network, settings.generation.noise, labels, seed=0)
        drawn = [np.concatenate(channel) for channel in zip(*parts, strict=True)]
        found = {"image_distance": scaled_distance(_features(drawn), real)}
        if settings.choose_by == "fid":
            channels = [np.concatenate(channel) for channel in zip(*frames, strict=True)]
            named = (dict(zip(sides, some, strict=True)) for some in (channels, drawn))
            found |= output_fid(settings.contract.outputs, *named)
        return found


def level_at(epochs: float, stable: int, fade: int, levels: int) -> float:
    """Return the level that a growing network has reached, from 0 to ``levels``.

    Args:
        epochs: epochs trained so far, with fractions.
        stable: epochs in which each level is trained.
        fade: epochs, above 0, in which the next one is then faded in.
        levels: the highest level.
    """
    if epochs < stable:
        return 0.0
    whole, within = divmod(epochs - stable, stable + fade)
    return min(whole + min(within / fade, 1.0), float(levels))


def drawn_images(network: nn.Module, noise: int, labels: Sequence[int], seed: int) -> Iterator[list[np.ndarray]]:
    """Yield images from noise in parts: for each channel an array (n, size, size) of network values.

    Args:
        network: generator; one that grows draws at its level, and the pixels are repeated up to the whole size.
        noise: length of the codes.
        labels: number of the class of each image; of no effect on a network without classes.
        seed: of the codes; a longer series begins with the shorter one.
    """
    import torch
    from torch.nn.functional import interpolate

    device, done = next(network.parameters()).device, 0
    for part in codes(len(labels), noise, seed):
        wanted = torch.tensor(labels[done : done + len(part)], device=device)
        done += len(part)
        with torch.no_grad():
            given = (part.to(device), wanted) if getattr(network, "chosen", 0) else (part.to(device),)
            images = interpolate(network(*given).float(), size=(int(network.size),) * 2)  # type: ignore[arg-type]
        yield list(images.movedim(1, 0).cpu().numpy())


def _features(channels: Sequence[np.ndarray]) -> np.ndarray:
    """Return the means of the fields of all channels (n, h, w) of images: (n, 64 · channels)."""
    return np.concatenate([field_means(channel) for channel in channels], axis=1)


def _check(settings: UnconditionalSettings, networks: dict[str, Any]) -> None:
    """Check that the networks fit contract, objective and each other.

    Raises:
        MedSynthError: they do not.
    """
    count, classes = len(channels_of(settings.contract.outputs)), len(settings.classes)
    size, noise = settings.generation.side, settings.generation.noise
    wanted: dict[str, dict[str, int]] = {
        "generator": {"size": size, "latent": noise, "out_channels": count, "classes": classes},
        "discriminator": {"size": size, "in_channels": count, "classes": classes},
    }
    for name, facts in wanted.items():
        for option, value in facts.items():
            if _stated(networks[name], option) != value:
                raise MedSynthError(
                    f"The {name} of the recipe '{settings.name}' needs {option}: {value}; set the option, or choose "
                    "another network.",
                    kind="model",
                )
    check_output_range(settings.name, settings.contract.outputs, networks["generator"])
    _check_critic(settings, networks["discriminator"])
    _check_growth(settings, networks)


def _stated(network: Any, option: str) -> int | None:
    """Return what a network says of itself; None if nothing."""
    if option != "classes":
        return getattr(network, option, None)
    head = getattr(network, "label", None)
    return head.out_channels if head is not None else getattr(network, "chosen", 0)


def _check_critic(settings: UnconditionalSettings, critic: nn.Module) -> None:
    """Check that a critic with a gradient penalty judges each image by itself.

    Raises:
        MedSynthError: it normalises over the batch.
    """
    from torch.nn.modules.batchnorm import BatchNorm2d

    if settings.objective == "wgan-gp" and any(isinstance(layer, BatchNorm2d) for layer in critic.modules()):
        raise MedSynthError(
            f"The critic of the recipe '{settings.name}' normalises over the batch, but its gradient penalty is one of "
            "each image; set discriminator.options.normalisation: none.",
            kind="model",
        )


def _check_growth(settings: UnconditionalSettings, networks: dict[str, Any]) -> None:
    """Check that networks can grow, and that there are epochs after they have grown.

    Raises:
        MedSynthError: they cannot, or there are none.
    """
    if not settings.fade_epochs:
        return
    for name, network in networks.items():
        if not hasattr(network, "grow"):
            raise MedSynthError(
                f"The {name} of the recipe '{settings.name}' does not grow; leave out fade_epochs, or choose pggan and "
                "pggan-discriminator.",
                kind="model",
            )
    needed = networks["generator"].levels * (settings.stable_epochs + settings.fade_epochs)
    if settings.epochs <= needed:
        raise MedSynthError(
            f"The networks of the recipe '{settings.name}' have grown after {needed} epochs, and can be published only "
            f"after further ones; set epochs above {needed}, or lower stable_epochs or fade_epochs.",
            kind="model",
        )
