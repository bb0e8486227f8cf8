"""Base class of judges, and their training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.judges.examples import Examples, network_values
from medsynth_core.preparation.part import Part

# Images are judged in parts of so many, to bound memory.
_PART = 16
CPU = torch.device("cpu")


class JudgeSettings(Part):
    """How a judge is trained; all judges of a comparison have the same.

    Attributes:
        iterations: batches that it learns from; none is chosen by a test, the last weights are taken.
        batch_size: images of a batch.
        width: channels of its first level.
        seed: of weights and order.
        learning_rate: of Adam, constant, so that neither part of a training with two phases learns faster.
    """

    iterations: int = Field(default=2000, ge=2, le=10_000_000)
    batch_size: int = Field(default=8, ge=1, le=4096)
    width: int = Field(default=16, ge=1, le=1024)
    seed: int = Field(default=0, ge=0)
    learning_rate: float = Field(default=1e-3, gt=0)


@dataclass(frozen=True, eq=False)
class Scores:
    """What a judge makes of a set of images.

    Attributes:
        of_set: metrics of the whole set by name; NaN where one is not defined.
        per_image: the same for each image, (n), as far as they have a value for a single image.
    """

    of_set: dict[str, float]
    per_image: dict[str, np.ndarray]


class Judge(ABC):
    """A network that learns a task.

    Attributes:
        metrics: names of its metrics in the registry, the most important one first.
        network: the network.
    """

    metrics: ClassVar[tuple[str, ...]]
    network: nn.Module

    @abstractmethod
    def __init__(self, training: Examples, width: int) -> None:
        """Build the network.

        Args:
            training: what it will learn from; only its shapes, and how often each class is there, are used.
            width: channels of its first level.
        """

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @abstractmethod
    def loss(self, images: Tensor, examples: Examples) -> Tensor:
        """Return the loss of standardised images (n, channels, rows, columns), on the judge's device, of examples."""

    @abstractmethod
    def scores(self, test: Examples) -> Scores:
        """Return the metrics of real or synthetic images with labels."""

    def outputs(self, test: Examples) -> list[Tensor | tuple[Tensor, ...]]:
        """Return what the network finds in examples, in parts."""
        self.network.eval()
        found = []
        with torch.inference_mode():
            for start in range(0, len(test), _PART):
                part = torch.from_numpy(network_values(test.images[start : start + _PART]))
                made = self.network(part.to(self.device))
                found.append(tuple(one.cpu() for one in made) if isinstance(made, tuple) else made.cpu())
        return found


def trained_judge(
    kind: type[Judge],
    training: Examples,
    order: Iterable[np.ndarray],
    settings: JudgeSettings,
    device: torch.device = CPU,
) -> Judge:
    """Return a judge that has learnt from examples.

    On a CPU, the same examples, order and settings give the same judge (with the same number of threads and the same
    version of PyTorch); on a GPU, rounding may differ. The random state of the process is left as it was.

    Args:
        kind: class of the judge.
        training: what it learns from.
        order: the examples of each iteration, by number.
        settings: of the training.
        device: where it is computed.

    Raises:
        MedSynthError: the judge cannot learn from these examples, or its loss stops being finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        judge = kind(training, settings.width)
        judge.network.to(device)
        optimiser = torch.optim.Adam(judge.network.parameters(), settings.learning_rate)
        judge.network.train()
        for index in order:
            some = training.of(index)
            loss = judge.loss(torch.from_numpy(network_values(some.images)).to(device), some)
            if not torch.isfinite(loss):
                raise MedSynthError(
                    f"The training of a judge has failed, because its loss is not finite; choose a learning_rate below "
                    f"{settings.learning_rate:g}."
                )
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    return judge
