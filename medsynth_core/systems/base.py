"""Base class of systems: networks, optimisers, and the methods that a training calls.

System modules import torch only when a system is built, because their settings are also read where torch is not
installed (in Slicer's own process).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from medsynth_core.metrics.metric import Comparison
from medsynth_core.metrics.registry import METRICS, compute
from medsynth_core.preparation.contract import Side
from medsynth_core.preparation.contract_images import comparable
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.settings import SystemSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from medsynth_core.systems.engine import Engine

# Metrics that validation reports of synthetic images, besides the recipe's `choose_by`.
REPORTED = ("mae", "psnr", "ssim_2d_wang11", "nrmse_minmax")

S = TypeVar("S", bound=SystemSettings)


@dataclass(frozen=True)
class Records:
    """What the package of a generative model keeps of its training data, besides the weights.

    Attributes:
        arrays: uint8 arrays by name (`medsynth_core.models.records`).
        ranges: measures of real structure maps with the range in which nearly all of them lie.
    """

    arrays: Mapping[str, np.ndarray]
    ranges: Mapping[str, tuple[float, float]]


class Candidate(Protocol):
    """A network under validation.

    Attributes:
        network: the generator, or the part of it that is being trained, in evaluation mode.
    """

    network: nn.Module

    def images(self, case: TrainingCase) -> dict[str, np.ndarray]:
        """Return the synthetic images (k, j, i) of a case by role, in the contract's units; air outside the body."""


class System(ABC, Generic[S]):
    """Networks and losses that are trained together.

    Attributes:
        settings_class: settings class, with the recipe keys of this system.
        kinds: kinds of contract that the system can train, ``synthesis`` or ``generation``.
        networks: networks by name; ``generator`` is validated and published.
        optimisers: optimisers by name; each updates the networks of the same name in `trained`.
        keeps_records: whether a package keeps something of the training data besides the weights.
        complete: whether the whole generator is being trained; until then nothing can be published.
        epoch_steps: steps of an epoch, which the training loop states; systems that change with every step need it.
    """

    settings_class: ClassVar[type[SystemSettings]]
    kinds: ClassVar[tuple[str, ...]] = ("synthesis",)
    keeps_records = False
    complete = True
    epoch_steps = 1

    def __init__(self, settings: S, engine: Engine, networks: dict[str, nn.Module]) -> None:
        from medsynth_core.networks.initialisation import initialise_normal

        self.settings = settings
        self.engine = engine
        if settings.initialisation == "normal":
            for network in networks.values():
                initialise_normal(network)
        self.networks = {name: engine.prepare(network) for name, network in networks.items()}
        self.trained = self._groups()
        self.optimisers = {name: self._optimiser(network) for name, network in self.trained.items()}

    @property
    def teaches_classes(self) -> bool:
        """Whether the dose head of the generator is trained; its prediction is shown to users."""
        return False

    @classmethod
    def reports(cls, metric: str) -> bool:
        """Return whether `validate` can report a metric of the registry, so that it can be used in ``choose_by``."""
        found = METRICS.get(metric)
        return found is not None and found.function is not None and found.evaluated and found.region != "lesion"

    @property
    def generator(self) -> nn.Module:
        """The network that produces the synthetic image."""
        return self.networks["generator"]

    def _groups(self) -> dict[str, nn.Module]:
        """Return the networks that each optimiser updates; by default one optimiser per network."""
        return dict(self.networks)

    def _optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        import torch

        settings = self.settings.optimiser
        if settings.algorithm == "rmsprop":
            return torch.optim.RMSprop(
                network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
            )
        algorithm = torch.optim.Adam if settings.algorithm == "adam" else torch.optim.AdamW
        return algorithm(
            network.parameters(),
            lr=settings.learning_rate,
            betas=settings.betas,
            weight_decay=settings.weight_decay,
            fused=self.engine.device.type in ("cpu", "cuda"),
        )

    @abstractmethod
    def step(self, batch: Batch, parts: int = 1) -> dict[str, float]:
        """Train on one batch, computed in ``parts``, and return its losses by name; ``loss`` is their weighted sum."""

    @classmethod
    def validate(cls, settings: S, case: TrainingCase, candidate: Candidate) -> dict[str, float]:
        """Return metrics of the registry for a case that was not used for training.

        The scores depend only on the weights of the generator, so that a published model gets the same ones.

        Metrics in the unit of the image are computed in the body, all others over whole slices, on the grid of the
        network. The data range is that of the contract's intensity mapping or, if this has no upper limit, the
        reference's maximum minus its minimum. With several outputs, each metric is the mean over them, except that
        metrics in the unit of the image are those of the first output if the outputs differ in modality or unit.
        """
        made = candidate.images(case)
        names = dict.fromkeys((*REPORTED, settings.choose_by))
        outputs = settings.contract.outputs
        found = [image_scores(names, made[role], case.targets[role], case.body, side) for role, side in outputs.items()]
        return _over_outputs(names, found, comparable(outputs.values()))

    @classmethod
    def validate_set(cls, settings: S, cases: Sequence[TrainingCase], candidate: Candidate) -> dict[str, float]:
        """Return metrics of the registry for all cases of a split together, such as the distance of distributions.

        As those of `validate`, they depend only on the weights of the generator. Most systems have none.
        """
        return {}

    @classmethod
    def records(cls, settings: S, cases: Sequence[TrainingCase], patients: Sequence[str]) -> Records | None:
        """Return what a package keeps of the training cases; None, as for most systems, if it keeps nothing.

        Only asked if `keeps_records`.

        Args:
            settings: the recipe.
            cases: training cases.
            patients: patient of each case.
        """
        return None

    def begin_epoch(self, epoch: int) -> None:  # noqa: B027 - most systems have nothing to do
        """Prepare for an epoch (from 0); systems that train in stages switch to the next stage here."""

    def validated_part(self, generator: nn.Module) -> nn.Module:
        """Return the part of a generator that is being trained; only this part is validated."""
        return generator

    @property
    def learning_rate(self) -> float:
        """The current learning rate."""
        return next(iter(self.optimisers.values())).param_groups[0]["lr"]

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of every optimiser."""
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = learning_rate

    def state(self) -> dict[str, Any]:
        """Return the complete state, for a checkpoint."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore a `state`."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])

    def _train_mode(self) -> None:
        for network in self.networks.values():
            network.train()

    def _descend(self, name: str) -> None:
        self.engine.descend(self.optimisers[name], self.trained[name], self.settings.optimiser.clip_norm)


class Tally:
    """Losses of a batch that is computed in parts: means weighted by the size of each part."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}

    def add(self, share: float, losses: dict[str, Tensor]) -> None:
        """Add the losses of a part that makes up ``share`` (0…1) of the batch."""
        for name, value in losses.items():
            part = share * value.detach()
            self._sums[name] = self._sums[name] + part if name in self._sums else part

    def means(self, engine: Engine) -> dict[str, float]:
        """Return the mean losses of the whole batch over all processes."""
        import torch

        values = engine.mean(torch.stack([value.float() for value in self._sums.values()]))
        return dict(zip(self._sums, values.tolist(), strict=True))


def image_scores(
    names: Mapping[str, Any], synthetic: np.ndarray, target: np.ndarray, body: np.ndarray, side: Side
) -> dict[str, float]:
    """Return the named metrics of a synthetic image (k, j, i), in its unit, for a network target; see `validate`."""
    reference = side.intensity.inverse(target)
    span = side.intensity.span or float(np.ptp(reference)) or 1.0
    whole = Comparison(reference, synthetic, low=side.nothing, span=span)
    inside = Comparison(reference, synthetic, mask=body, span=span)
    in_body = [name for name in names if METRICS[name].in_image_unit]
    return {**compute(names, whole), **compute(in_body, inside)}


def _over_outputs(names: Iterable[str], found: list[dict[str, float]], alike: bool) -> dict[str, float]:
    """Return the metrics of a case from those of its outputs; ``alike`` if these are comparable, see `validate`."""
    # Otherwise the output with the larger numbers would outweigh the others.
    counted = {name: found[:1] if METRICS[name].in_image_unit and not alike else found for name in names}
    return {name: float(np.mean([scores[name] for scores in some])) for name, some in counted.items()}
