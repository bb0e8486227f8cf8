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
    curves, shares = [card.error_curve], np.ones(1)
    if doses is not None and card.dose_error_curves:
        curves, shares = list(card.dose_error_curves), doses
    found = np.empty(values.shape, dtype=np.float32)
    # Slice by slice, as interpolation takes several times the memory of what it is given.
    for k, part in enumerate(values):
        squared = [share * _at(part, curve) ** 2 for share, curve in zip(shares, curves, strict=True) if share > 0]
        found[k] = np.sqrt(sum(squared))
    return found


def _at(values: np.ndarray, curve: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Return the error of a curve at values; beyond its hottest one it grows in proportion."""
    (hottest, error) = curve[-1]
    found = np.interp(values, *np.array(curve).T)
    return np.where(values > hottest, error / max(hottest, 1e-6) * values, found)
