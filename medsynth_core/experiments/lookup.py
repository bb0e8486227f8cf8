"""Methods that see one voxel at a time: what any network must beat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medsynth_core.preparation.case import prepare
from medsynth_core.preparation.contract import Contract
from medsynth_core.training.arrays import Pair
from medsynth_core.volume import Volume

BINS = 200


@dataclass(frozen=True)
class LookupTable:
    """A value of the output's unit for each range of the prepared input's value."""

    edges: np.ndarray
    values: np.ndarray

    def __call__(self, prepared: np.ndarray) -> np.ndarray:
        """Look every voxel up."""
        return self.values[np.digitize(prepared, self.edges)]


def constant(pairs: list[Pair], contract: Contract) -> LookupTable:
    """Return the mean of the target over the bodies of ``pairs``, whatever the input."""
    mean = np.mean(np.concatenate([_bodies(pair, contract)[1] for pair in pairs]))
    return LookupTable(np.array([]), np.array([mean]))


def fit_lookup(pairs: list[Pair], contract: Contract, centre: Callable[[np.ndarray], np.floating]) -> LookupTable:
    """Return the best table for an error: ``centre`` is the mean for squared, the median for absolute errors."""
    inputs, targets = (np.concatenate(part) for part in zip(*(_bodies(p, contract) for p in pairs), strict=True))
    edges = np.linspace(inputs.min(), inputs.max(), BINS + 1)[1:-1]
    order = np.argsort(inputs)
    groups = np.split(targets[order], np.searchsorted(inputs[order], edges))
    values = np.array([float(centre(group)) if group.size else np.nan for group in groups])
    known = np.flatnonzero(np.isfinite(values))
    return LookupTable(edges, np.interp(np.arange(BINS), known, values[known]))


def prepared_method(table: LookupTable, contract: Contract) -> Callable[[Volume], Volume]:
    """Return a method that looks values up on the grid of the model, as a network would."""

    def method(ct: Volume) -> Volume:
        prepared = prepare(ct, contract)
        values = np.where(prepared.body, table(prepared.voxels), 0)
        side = contract.output
        return ct.replace(voxels=prepared.restore(values), modality=side.modality, unit=side.unit)

    return method


def _bodies(pair: Pair, contract: Contract) -> tuple[np.ndarray, np.ndarray]:
    body = pair.body
    return pair.voxels[body], contract.output.intensity.inverse(pair.target)[body]
