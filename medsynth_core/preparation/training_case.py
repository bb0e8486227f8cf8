"""A training case on the grid of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """A training case on the grid of the model.

    Attributes:
        name: name of the case.
        inputs: (k, j, i) float32 network inputs by role; empty for a generator that works from noise.
        body: (k, j, i) bool: body mask on the grid of the first input.
        targets: (k, j, i) float32 network targets by role; on their own grid if they are not paired with the inputs.
        labels: integer labels of the case for the system: ``dose`` is the index of the input's factor among the dose
            factors of the contract, -1 if the input was not simulated; ``class`` is the number of the case's class, in
            a training with classes.
        boxes: (k, 4) int: rows and columns of each slice that a 2-D network sees, as in `Prepared`; None for whole
            slices.
    """

    name: str
    inputs: Mapping[str, np.ndarray]
    body: np.ndarray
    targets: Mapping[str, np.ndarray]
    labels: Mapping[str, int] = field(default_factory=dict)
    boxes: np.ndarray | None = None

    @property
    def voxels(self) -> np.ndarray:
        """The first, or only, input."""
        return next(iter(self.inputs.values()))

    @property
    def target(self) -> np.ndarray:
        """The first, or only, target."""
        return next(iter(self.targets.values()))
