"""A training batch, with images and labels by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Batch:
    """Slices or patches for one training step.

    Attributes:
        inputs: (n, channels, h, w) or (n, 1, d, h, w) network inputs by role; empty for a generator that takes only
            noise.
        targets: (n, channels, h, w) or (n, 1, d, h, w) network targets by role.
        labels: (n,) integers by name: ``dose`` is the dose class of each input, -1 if it has none; ``class`` is the
            number of each image's class, in a training with classes.
        cases: names of the cases in the batch.
    """

    inputs: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]
    labels: Mapping[str, Tensor] = field(default_factory=dict)
    cases: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.targets.values())))

    @cached_property
    def image(self) -> Tensor:
        """All inputs, concatenated along the channels."""
        return _joined(self.inputs)

    @cached_property
    def target(self) -> Tensor:
        """All targets, concatenated along the channels."""
        return _joined(self.targets)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """Return the batch in pinned memory, for fast transfer to a CUDA device; called by torch's DataLoader."""
        return self._each(lambda tensor: tensor.pin_memory())

    def split(self, parts: int) -> Iterator[tuple[Batch, float]]:
        """Yield the batch in ``parts``, each with its fraction of the whole."""
        if parts == 1:
            yield self, 1.0
            return
        split = [
            {name: tensor.tensor_split(parts) for name, tensor in tensors.items()}
            for tensors in (self.inputs, self.targets, self.labels)
        ]
        for number in range(parts):
            inputs, targets, labels = ({name: some[number] for name, some in group.items()} for group in split)
            piece = Batch(inputs, targets, labels, self.cases)
            yield piece, len(piece) / len(self)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        groups = (self.inputs, self.targets, self.labels)
        inputs, targets, labels = ({name: change(tensor) for name, tensor in group.items()} for group in groups)
        return Batch(inputs, targets, labels, self.cases)


def _joined(images: Mapping[str, Tensor]) -> Tensor:
    import torch

    several = list(images.values())
    return several[0] if len(several) == 1 else torch.cat(several, dim=1)
