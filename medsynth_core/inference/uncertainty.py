"""The usual error of a model at a value, from its error curve in validation.

In Python and on the command line it is called ``uncertainty``; texts say what it is, because it depends on the voxel's
value alone, not on the image.
"""

from __future__ import annotations

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid
from medsynth_core.inference.finite import check_finite
from medsynth_core.models.card import SynthesisCard
from medsynth_core.volume import Volume


def check_error_known(card: SynthesisCard) -> None:
    """Check that a model's usual error is known.

    Raises:
        MedSynthError: its card has no error curve, or one of too few patients.
    """
    if not card.error_known:
        raise MedSynthError(
            f"The usual error of the model '{card.name}' is not known{card.few_validated}; run it without "
            "'uncertainty'."
        )


def with_usual_error(result: Volume, errors: np.ndarray, model: str) -> Volume:
    """Return a synthetic volume with ``uncertainty`` set to the errors (k, j, i) at its voxels, in its unit.

    Raises:
        MedSynthError: an error is not finite.
    """
    check_finite(errors, Grid.of(result), Grid.of(result), model, "usual error")
    described = {
        **result.metadata,
        "error_map": True,
        "description": f"usual error at the value of {result.metadata['description']}",
    }
    return result.replace(uncertainty=result.replace(voxels=errors, metadata=described))


def expected_error(values: np.ndarray, card: SynthesisCard, doses: np.ndarray | None = None) -> np.ndarray:
    """Return the root mean square error that the model had where it gave these values, in their unit.

    Args:
        values: voxels (k, j, i) of a result, in the output's unit.
        card: card of the model.
        doses: probability of each of the contract's dose factors, for a network with a dose head; the squared errors
            at the doses are averaged with these weights.
    """
    assert card.error_curve
    curves, shares = [card.error_curve], np.ones(1)
    if doses is not None and card.dose_error_curves:
        curves, shares = list(card.dose_error_curves), doses
    found = np.empty(values.shape, dtype=np.float32)
    # Slice by slice, because interpolation needs several times the memory of its input.
    for k, part in enumerate(values):
        squared = [share * _at(part, curve) ** 2 for share, curve in zip(shares, curves, strict=True) if share > 0]
        found[k] = np.sqrt(sum(squared))
    return found


def _at(values: np.ndarray, curve: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Return the error of a curve at the given values; above its highest value it is extrapolated in proportion."""
    (hottest, error) = curve[-1]
    found = np.interp(values, *np.array(curve).T)
    return np.where(values > hottest, error / max(hottest, 1e-6) * values, found)
