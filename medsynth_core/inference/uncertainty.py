"""How wrong a model is expected to be, by what it was in validation."""

from __future__ import annotations

import numpy as np

from medsynth_core.models.card import Card


def expected_error(values: np.ndarray, card: Card, doses: np.ndarray | None = None) -> np.ndarray:
    """Return the root mean square error to expect at each voxel, in the unit of ``values``.

    Args:
        values: (k, j, i) of a result, in the output's unit.
        card: of the model.
        doses: how probable each of the contract's dose factors is, of a network that tells them apart; squared errors
            at the several doses are averaged by it.
    """
    if doses is None or not card.dose_error_curves:
        return _at(values, card.error_curve)
    squared = np.zeros(values.shape, dtype=np.float32)
    for share, curve in zip(doses, card.dose_error_curves, strict=True):
        if share > 0:
            squared += np.float32(share) * _at(values, curve) ** 2
    return np.sqrt(squared)


def _at(values: np.ndarray, curve: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Return the error of a curve at values; beyond its hottest one it grows in proportion."""
    (hottest, error) = curve[-1]
    found = np.interp(values, *np.array(curve).T)
    return np.where(values > hottest, error / max(hottest, 1e-6) * values, found).astype(np.float32)
