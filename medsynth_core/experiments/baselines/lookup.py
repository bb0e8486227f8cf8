"""Look-up tables from one voxel value to another, as baselines for networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medsynth_core.preparation.case import prepare
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.volume import Volume

BINS = 200


@dataclass(frozen=True)
class LookupTable:
    """A value in the unit of the output for each bin of the prepared input.

    Attributes:
        edges: (n - 1,) rising edges between the bins, as network values.
        values: (n,) one for each bin.
    """

    edges: np.ndarray
    values: np.ndarray

    def __call__(self, prepared: np.ndarray) -> np.ndarray:
        """Look every voxel up."""
        return self.values[np.digitize(prepared, self.edges)]


def constant(pairs: list[TrainingCase], contract: SynthesisContract) -> LookupTable:
    """Return a table with one value, the mean of the target over the bodies of ``pairs``."""
    mean = np.mean(np.concatenate([_bodies(pair, contract)[1] for pair in pairs]))
    return LookupTable(np.array([]), np.array([mean]))


def fit_lookup(
    pairs: list[TrainingCase], contract: SynthesisContract, centre: Callable[[np.ndarray], np.floating]
) -> LookupTable:
    """Return a table of per-bin centres over the bodies of ``pairs``.

    Args:
        pairs: training cases.
        contract: contract of the model.
        centre: the mean (optimal for MSE) or the median (optimal for MAE) of a bin.
    """
    inputs, targets = (np.concatenate(part) for part in zip(*(_bodies(p, contract) for p in pairs), strict=True))
    edges = np.linspace(inputs.min(), inputs.max(), BINS + 1)[1:-1]
    order = np.argsort(inputs)
    groups = np.split(targets[order], np.searchsorted(inputs[order], edges))
    values = np.array([float(centre(group)) if group.size else np.nan for group in groups])
    known = np.flatnonzero(np.isfinite(values))
    return LookupTable(edges, np.interp(np.arange(BINS), known, values[known]))


def prepared_method(table: LookupTable, contract: SynthesisContract) -> Callable[[Volume], Volume]:
    """Return a method that looks values up on the grid of the model, where a network would compute them."""

    def method(ct: Volume) -> Volume:
        prepared = prepare(ct, contract)
        values = np.where(prepared.body, table(prepared.voxels), 0)
        side = contract.output
        return ct.replace(voxels=prepared.restore(values), modality=side.modality, unit=side.unit)

    return method


def _bodies(pair: TrainingCase, contract: SynthesisContract) -> tuple[np.ndarray, np.ndarray]:
    body = pair.body
    return pair.voxels[body], contract.output.intensity.inverse(pair.target)[body]
