"""Images of several modalities from one structure map, without registered pairs (Qu, multi-modal synthesis, 4.3–4.5).

A training has three phases. First the modality translator and the lesion processors learn from real images; then the
generator learns to draw images from their own structure maps (equation 18); then it is trained against a discriminator
with structure maps of other images (equations 13 to 17).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.metrics.image_sets import ms_ssim_paired
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.structure.fusion import NOISE
from medsynth_core.structure.lesions import place_lesion
from medsynth_core.systems.base import Candidate, Records, System, Tally
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.lesion_processors import lesion_loss
from medsynth_core.systems.multimodal_checks import check_networks
from medsynth_core.systems.multimodal_input import drawn_from, generator_input, sets_of
from medsynth_core.systems.multimodal_maps import load_maps
from medsynth_core.systems.multimodal_records import records_of
from medsynth_core.systems.multimodal_settings import MultimodalSettings
from medsynth_core.systems.output_fid import output_fid

if TYPE_CHECKING:
    from torch import Tensor, nn

    from medsynth_core.systems.engine import Engine


class MultimodalSystem(System[MultimodalSettings]):
    """A conditional generator, a discriminator with two heads, a translator with its own, and lesion processors.

    Raises:
        MedSynthError: the networks of the recipe cannot be built or do not fit the modalities.
    """

    settings_class = MultimodalSettings
    kinds = ("generation",)
    keeps_records = True

    def __init__(self, settings: MultimodalSettings, engine: Engine) -> None:
        from medsynth_core.losses.adversarial import Adversarial
        from medsynth_core.networks.registry import create_network

        specs = {"generator": settings.network, "discriminator": settings.discriminator}
        if settings.translator is not None:
            specs |= {"translator": settings.translator, "translator_discriminator": settings.discriminator}
        if settings.processor is not None:
            specs |= {f"processor_{role}": settings.processor for role in settings.modalities}
        networks = {name: create_network(spec.name, **spec.options) for name, spec in specs.items()}
        check_networks(settings, networks)
        super().__init__(settings, engine, networks)
        # Networks without memory are built to see whether they can be.
        if settings.structure_model and next(networks["generator"].parameters()).device.type != "meta":
            load_maps(settings, self.networks["generator"])
        self.adversarial = Adversarial("least_squares")
        self._epoch, self._steps, self._count = 0, 0, len(settings.modalities)
        self._random = np.random.default_rng(settings.seed)

    def _groups(self) -> dict[str, nn.Module]:
        """Return the networks that each optimiser updates: all of them, but not what draws maps from noise."""
        return {name: getattr(network, "contrasts", network) for name, network in self.networks.items()}

    @classmethod
    def reports(cls, metric: str) -> bool:
        """Return whether `validate` or `validate_set` reports a metric."""
        return metric in ("ms_ssim_paired", "fid")

    @property
    def complete(self) -> bool:  # type: ignore[override]  # it changes with the epoch
        """Whether the generator learns by all of its losses: no epoch before can be the best one."""
        return self._epoch >= self.settings.prepare_epochs + self.settings.pretrain_epochs

    def begin_epoch(self, epoch: int) -> None:
        """Begin an epoch (from 0), and with it perhaps another phase."""
        self._epoch = epoch

    def step(self, batch: Batch, parts: int = 1) -> dict[str, float]:
        """Train on one batch and return its losses by name.

        Args:
            batch: for each modality its images (n, 1, h, w), in colour the three of `channels_of`, and, as
                ``role:structure``, ``role:organ`` and ``role:lesion``, what belongs to them.
            parts: number of parts in which the batch is computed, one after the other, to save memory.
        """
        self._train_mode()
        # Draws depend on the number of the step, so that a training continues as if it had not been stopped.
        self._random = np.random.default_rng((self.settings.seed, self.engine.rank, self._steps))
        self._steps += 1
        tally = Tally()
        pieces = [(_Piece(some, self.settings), share) for some, share in batch.split(parts)]
        if self._epoch < self.settings.prepare_epochs:
            self._prepare(pieces, tally)
        elif self._epoch < self.settings.prepare_epochs + self.settings.pretrain_epochs:
            self._update(("generator",), pieces, self._pretraining, tally)
        else:
            drawn = [(_Drawn(piece, *self._given(piece)), share) for piece, share in pieces]
            if len(drawn) == 1:
                # Drawn once for both updates, but not in parts, because what is kept for the second takes memory.
                drawn[0][0].made = self._drawings(drawn[0][0].given)
            self._update(("discriminator",), drawn, self._judging, tally)
            self._update(("generator",), drawn, self._drawing, tally)
        return tally.means(self.engine)

    def _prepare(self, pieces: list[tuple[Any, float]], tally: Tally) -> None:
        """Update the translator with its discriminator, and the lesion processors, on real images."""
        if self.settings.translator is not None:
            self._update(("translator_discriminator",), pieces, self._judging_translations, tally)
            self._update(("translator",), pieces, self._translating, tally)
        if self.settings.processor is not None:
            names = tuple(f"processor_{role}" for role in self.settings.modalities)
            self._update(names, pieces, self._processing, tally)

    def _update(self, names: tuple[str, ...], pieces: list[tuple[Any, float]], losses: Any, tally: Tally) -> None:
        """Update networks by the weighted losses that ``losses`` returns for each piece; others stay as they are."""
        for name in names:
            self.optimisers[name].zero_grad(set_to_none=True)
        others = [network for name, network in self.networks.items() if name not in names]
        for network in others:
            network.requires_grad_(False)
        try:
            for piece, share in pieces:
                found, weights = losses(piece)
                total = sum((weights[name] * value for name, value in found.items()), _zero(found))
                self.engine.backward(share * total)
                tally.add(share, found)
                if not names[0].endswith("discriminator"):
                    tally.add(share, {"loss": total})
        finally:
            # Also if memory runs out here, because the step is then repeated.
            for network in others:
                network.requires_grad_(True)
        for name in names:
            self._descend(name)

    def _images(self, network: str, image: Tensor, modalities: Sequence[int]) -> list[Tensor]:
        """Return what generator or translator make of an image for each of some modalities."""
        import torch

        numbers = torch.tensor(modalities, dtype=torch.long, device=image.device).expand(len(image), -1)
        with self.engine.autocast():
            if self._count == 1:
                return [self.networks[network](image).float()]
            return list(self.networks[network](image, numbers).float().unbind(1))

    def _image(self, network: str, image: Tensor, modality: int) -> Tensor:
        """Return what generator or translator make of an image for a modality."""
        return self._images(network, image, [modality])[0]

    def _drawings(self, given: Tensor) -> list[Tensor]:
        """Return the images of all modalities that the generator draws."""
        return self._images("generator", given, range(self._count))

    def _translations(self, images: Sequence[Tensor]) -> dict[tuple[int, int], Tensor]:
        """Return the translations of each modality's images into every other one, by both numbers."""
        found: dict[tuple[int, int], Tensor] = {}
        for source, image in enumerate(images):
            others = [number for number in range(self._count) if number != source]
            made = self._images("translator", image, others)
            found |= {(source, target): each for target, each in zip(others, made, strict=True)}
        return found

    def _opinion(self, network: str, image: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the maps of a discriminator: real or synthetic and, with several modalities, the modality."""
        with self.engine.autocast():
            found = self.networks[network](image)
        if isinstance(found, tuple):
            return found[0].float(), found[1].float()
        return found.float(), None

    def _input(self, lines: Tensor, organ: Tensor, label: Tensor) -> Tensor:
        """Return the generator's input with new noise, as `generator_input`."""
        import torch

        return generator_input(self.settings, lines, organ, label, torch.empty_like(lines).uniform_(*NOISE))

    def _given(self, piece: _Piece) -> tuple[Tensor, Tensor]:
        """Return the input that all modalities are drawn from, and its label.

        The map of each item is that of a modality in turn, or drawn from noise; its label is that of any image of the
        batch.
        """
        import torch

        n = len(piece.images[0])
        turn = self._random.integers(self._count, size=n)
        lines, organ = (
            torch.stack([some[turn[item]][item] for item in range(n)]) for some in (piece.lines, piece.organs)
        )
        if self.settings.drawn_maps:
            lines, organ = self._some_drawn(lines, organ)
        label = torch.zeros_like(lines)
        if self.settings.classes:
            kinds = self._random.integers(len(self.settings.classes), size=n)
            label += torch.from_numpy(kinds).to(label)[:, None, None, None]
        elif self.settings.lesion:
            pool = [one[0].cpu().numpy() for labels in piece.labels for one in labels if one.any()]
            for item in range(n):
                label[item, 0] = torch.from_numpy(self._label(pool, 1 - organ[item, 0].cpu().numpy())).to(label)
        return self._input(lines, organ, label), label

    def _some_drawn(self, lines: Tensor, organ: Tensor) -> tuple[Tensor, Tensor]:
        """Return structure maps and organs, of which some are replaced by those from noise."""
        import torch

        maps: Any = self.networks["generator"].maps
        chosen = torch.from_numpy(self._random.random(len(lines)) < self.settings.drawn_maps).to(lines.device)
        codes = self._random.standard_normal((len(lines), maps.latent)).astype(np.float32)
        maps.eval()
        with torch.no_grad():
            drawn, around = maps.draw(torch.from_numpy(codes).to(lines.device))
        chosen = chosen[:, None, None, None]
        return torch.where(chosen, drawn, lines), torch.where(chosen, around, organ)

    def _label(self, pool: list[np.ndarray], background: np.ndarray) -> np.ndarray:
        """Return a label from the pool, inside the organ if asked for; an empty one if there is none."""
        if not pool:
            return np.zeros_like(background)
        if not self.settings.fit_lesions:
            return pool[self._random.integers(len(pool))]
        try:
            return place_lesion(pool, background, self._random)
        except MedSynthError:  # no lesion of this batch fits into this organ
            return np.zeros_like(background)

    def _judged(self, network: str, real: Tensor, fake: Tensor, modality: int) -> dict[str, Tensor]:
        """Return the losses of a discriminator for one modality (equations 13 and 20)."""
        of_real, kind = self._opinion(network, real)
        of_fake, fake_kind = self._opinion(network, fake)
        found = {"real": (of_real - 1).square().mean(), "fake": of_fake.square().mean()}
        if kind is not None and fake_kind is not None:
            found["modality"] = _modality_loss(kind, modality)
            found["modality_fake"] = _modality_loss(fake_kind, modality)
        return found

    def _judging(self, drawn: _Drawn) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return the losses of the discriminator of images."""
        import torch

        with torch.no_grad():
            made = [image.detach() for image in drawn.made or self._drawings(drawn.given)]
        losses = [
            self._judged("discriminator", real, fake, number)
            for number, (real, fake) in enumerate(zip(drawn.piece.images, made, strict=True))
        ]
        return _means(losses, "discriminator_"), self._of_judges("discriminator_")

    def _judging_translations(self, piece: _Piece) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return the losses of the discriminator of translations."""
        import torch

        with torch.no_grad():
            made = self._translations(piece.images)
        losses = [
            self._judged("translator_discriminator", piece.images[target], fake, target)
            for (_, target), fake in made.items()
        ]
        return _means(losses, "translation_"), self._of_judges("translation_")

    def _of_judges(self, prefix: str) -> dict[str, float]:
        loss = self.settings.loss
        return {f"{prefix}{name}": getattr(loss, name) for name in ("real", "fake", "modality", "modality_fake")}

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        """All pairs of different modalities: from which, and into which."""
        return [(one, other) for one in range(self._count) for other in range(self._count) if one != other]

    def _persuading(self, network: str, image: Tensor, modality: int) -> dict[str, Tensor]:
        """Return the losses of a generator against a discriminator for one modality (equations 14 and 21)."""
        of_image, kind = self._opinion(network, image)
        found = {"adversarial": self.adversarial.generator(of_image)}
        if kind is not None:
            found["modality"] = _modality_loss(kind, modality)
        return found

    def _translating(self, piece: _Piece) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return the losses of the translator (equations 19 and 21)."""
        losses = []
        for (source, target), there in self._translations(piece.images).items():
            back = self._image("translator", there, source)
            cycle = (back - piece.images[source]).square().mean()
            losses.append({"cycle": cycle, **self._persuading("translator_discriminator", there, target)})
        loss = self.settings.loss
        weights = {"cycle": loss.cycle, "adversarial": loss.adversarial, "modality": loss.modality}
        return _means(losses, "translator_"), {f"translator_{name}": value for name, value in weights.items()}

    def _processing(self, piece: _Piece) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return the losses of the lesion processors on real images (equation 22)."""
        losses = [
            {"processor": self._lesion_loss(role, image, label)}
            for role, image, label in zip(self.settings.modalities, piece.images, piece.labels, strict=True)
        ]
        return _means(losses, ""), {"processor": self.settings.loss.processor}

    def _lesion_loss(self, role: str, image: Tensor, label: Tensor) -> Tensor:
        """Return the difference of a label from what the processor of a modality finds in images."""
        processor = self.networks[f"processor_{role}"]
        with self.engine.autocast():
            found = processor(image)
        return lesion_loss(processor, found, label, self.settings.lesion_loss == "own")

    def _pretraining(self, piece: _Piece) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return the losses of images that are drawn from their own maps and labels (equation 18)."""
        losses = []
        for number, image in enumerate(piece.images):
            organ = piece.organs[number]
            given = self._input(piece.lines[number], organ, piece.labels[number])
            losses.append(_apart(self._image("generator", given, number), image, organ))
        loss = self.settings.loss
        return _means(losses, ""), {"reconstruction": loss.reconstruction, "background": loss.background}

    def _drawing(self, drawn: _Drawn) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return the losses of the generator against the discriminator (equations 14 to 17)."""
        made = drawn.made or self._drawings(drawn.given)
        losses = [self._persuading("discriminator", image, number) for number, image in enumerate(made)]
        found = _means(losses, "")
        if self.settings.own_maps:
            # With a single modality, every image is drawn from the map of the real one with its number.
            found |= _apart(made[0], drawn.piece.images[0], drawn.piece.organs[0])
        if self.settings.reconstruct:
            found |= self._pretraining(drawn.piece)[0]
        if self.settings.processor is not None:
            of_lesions = [
                {"lesion": self._lesion_loss(role, image, drawn.label)}
                for role, image in zip(self.settings.modalities, made, strict=True)
            ]
            found |= _means(of_lesions, "")
        if self.settings.translator is not None:
            found |= self._registration(made)
        return found, {name: getattr(self.settings.loss, name) for name in found}

    def _registration(self, made: list[Tensor]) -> dict[str, Tensor]:
        """Return how far images of one map are from each other's translations, and these from each other."""
        translated = self._translations(made)
        apart = [(made[target] - image).square().mean() for (_, target), image in translated.items()]
        found = {"registration": sum(apart, _zero({"": apart[0]})) / len(apart)}
        twice = [
            (translated[one, target] - translated[other, target]).square().mean()
            for one, target in self._pairs
            for other in range(one + 1, self._count)
            if other != target
        ]
        if twice:
            found["agreement"] = sum(twice, _zero({"": twice[0]})) / len(twice)
        return found

    def state(self) -> dict[str, Any]:
        """Return the complete state, for a checkpoint."""
        return {**super().state(), "steps": self._steps}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a `state`."""
        super().load_state(state)
        self._steps = state["steps"]

    @classmethod
    def records(
        cls, settings: MultimodalSettings, cases: Sequence[TrainingCase], patients: Sequence[str]
    ) -> Records | None:
        """Return lesion labels and small pictures of the training cases, and the ranges of measures of their maps."""
        return records_of(settings, cases, patients)

    @classmethod
    def validate(cls, settings: MultimodalSettings, case: TrainingCase, candidate: Candidate) -> dict[str, float]:
        """Return ``ms_ssim_paired`` of images that are drawn from the maps and labels of a case's real images.

        The noise is always the same. It is the mean over the modalities that the case has.
        """
        scores = []
        for number, role in enumerate(settings.modalities):
            side = settings.contract.outputs[role]
            real = np.stack([case.targets[name] for name in channels_of({role: side})], axis=-1)
            if not len(real):
                continue
            made = drawn_from(candidate.network, settings, number, case)
            low, high = side.intensity.mapped
            rows, columns = made.shape[1:3]
            scores.append(ms_ssim_paired(real[:, :rows, :columns], made, max(high - low, 1e-6)))
        return {"ms_ssim_paired": float(np.mean(scores))} if scores else {}

    @classmethod
    def validate_set(
        cls, settings: MultimodalSettings, cases: Sequence[TrainingCase], candidate: Candidate
    ) -> dict[str, float]:
        """Return ``fid``, if the recipe chooses by it: of images that are drawn from the maps and labels of the cases.

        It is the mean over the modalities, always with the same noise.
        """
        if settings.choose_by != "fid":
            return {}
        pairs = [sets_of(candidate.network, settings, number, cases) for number in range(len(settings.modalities))]
        real, drawn = ({name: some for pair in pairs for name, some in pair[which].items()} for which in (0, 1))
        return output_fid(settings.contract.outputs, real, drawn)


class _Piece:
    """The images of a batch by number of the modality, with their maps, organs and labels."""

    def __init__(self, batch: Batch, settings: MultimodalSettings) -> None:
        import torch

        roles, targets = settings.modalities, batch.targets
        names = [channels_of({role: side}) for role, side in settings.contract.outputs.items()]
        self.images = [torch.cat([targets[name] for name in several], dim=1) for several in names]
        # Augmentation interpolates.
        self.lines, self.organs = (
            [(targets[f"{role}:{part}"] > 0.5).float() for role in roles] for part in ("structure", "organ")
        )
        self.labels = [targets[f"{role}:lesion"].round() for role in roles]


class _Drawn:
    """What the images of all modalities are drawn from, beside real ones, and the images if they are kept."""

    def __init__(self, piece: _Piece, given: Tensor, label: Tensor) -> None:
        self.piece, self.given, self.label = piece, given, label
        self.made: list[Tensor] = []


def _modality_loss(found: Tensor, modality: int) -> Tensor:
    """Return how far a map is from a modality: squared difference of its number, or cross-entropy of its logits."""
    import torch

    if found.shape[1] == 1:
        return (found - modality).square().mean()
    wanted = torch.full((len(found), *found.shape[2:]), modality, device=found.device)
    return torch.nn.functional.cross_entropy(found, wanted)


def _apart(made: Tensor, image: Tensor, organ: Tensor) -> dict[str, Tensor]:
    """Return how far a synthetic image is from the real one of the same map (equation 18)."""
    apart = made - image
    return {"reconstruction": apart.square().mean(), "background": ((1 - organ) * apart).square().mean()}


def _means(losses: list[dict[str, Tensor]], prefix: str) -> dict[str, Tensor]:
    """Return the mean of each loss over modalities, with a prefix to its name."""
    return {
        f"{prefix}{name}": sum((each[name] for each in losses), _zero(losses[0])) / len(losses) for name in losses[0]
    }


def _zero(losses: dict[str, Tensor]) -> Tensor:
    return next(iter(losses.values())).new_zeros(())
