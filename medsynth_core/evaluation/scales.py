"""Doubts whether two volumes have values of the same kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth_core.preparation.value_checks import not_hounsfield
from medsynth_core.volume import Volume

# Percentiles (%) that bound the values of a volume, without single voxels.
BOUNDS = (0.5, 99.5)
# At most so many voxels are looked at, evenly over the volume.
LOOKED_AT = 1_000_000
# Two images of a patient in one unit hardly differ by such a factor both in their ranges and in their means; the more
# one image follows from the other (correlation), the smaller the factor that a model's bias does not explain. The
# ranges alone differ where a model misses a hot tumour, which says nothing about units.
LARGEST_RATIOS = ((4.0, -1.0), (3.0, 0.8), (2.2, 0.95))
# All voxels but this percentage are shifted to one side, by more than the first number in HU or, on a scale without
# unit, by more than a share of the larger range, which depends on the correlation; activity has its zero in every unit.
# The images must also resemble each other: where a model draws tissue instead of lung, the scale has not shifted.
EXCEPTIONS = 25.0
LARGEST_SHIFT_HU = 200.0
LARGEST_SHIFTS = ((0.25, 0.5), (0.15, 0.95))
ALIKE = 0.5
# An image that shows dark what the other shows bright.
INVERTED = -0.9


@dataclass(frozen=True)
class _Values:
    """Values of the synthetic volume (first) and of the reference (second) in the same voxels.

    Attributes:
        both: (2, n), limited to ``low`` and ``high``.
        low: (2,) lower bounds, without single voxels.
        high: (2,) upper bounds.
    """

    both: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def spans(self) -> np.ndarray:
        """Ranges, (2,)."""
        return self.high - self.low


def scale_doubts(synthetic: Volume, reference: Volume, covered: np.ndarray) -> list[str]:
    """Return a sentence if the values of two volumes look like different units or scales; [] if they do not.

    Args:
        synthetic: the synthetic volume.
        reference: the real volume on the same grid.
        covered: bool (k, j, i), the voxels to look at.
    """
    values = _values(synthetic.voxels[covered], reference.voxels[covered])
    if not values.spans.all():
        return []
    unit = synthetic.unit or reference.unit
    modality = synthetic.modality or reference.modality
    if not (_other_factor(values) or _shifted(values, modality, unit) or _one_is_no_ct(values, modality, unit)):
        return []
    ranges = [f"{first:.4g} to {last:.4g}" for first, last in zip(values.low, values.high, strict=True)]
    stated = f"both are taken to be in {unit}" if unit else "neither volume states a unit"
    return [
        f"The values of the synthetic volume ({ranges[0]}) and of the reference ({ranges[1]}) are on different scales, "
        f"although {stated}: check the units (SUV, kBq/mL or Bq/mL; HU or stored values) and convert one of them, as "
        "the errors mean nothing otherwise."
    ]


def _values(synthetic: np.ndarray, reference: np.ndarray) -> _Values:
    step = -(-synthetic.size // LOOKED_AT)
    values = np.stack([each[::step].astype(np.float64) for each in (synthetic, reference)])
    low, high = np.percentile(values, BOUNDS, axis=1)
    for number, whole in enumerate((synthetic, reference)):
        if low[number] == high[number]:  # a small hot spot in nothing
            low[number], high[number] = whole.min(), whole.max()
    return _Values(np.clip(values, low[:, None], high[:, None]), low, high)


def _correlation(values: _Values) -> float:
    # Where one image is constant but for a few voxels, the sample may miss them.
    return float(np.corrcoef(values.both)[0, 1]) if values.both.std(axis=1).all() else 0.0


def _other_factor(values: _Values) -> bool:
    """Return whether the values differ by a factor, or one image is the negative of the other."""
    # What is never negative is measured from zero, as a body that fills the volume has no background.
    origin = np.zeros(2) if values.low.min() >= 0 else values.low
    means = values.both.mean(axis=1) - origin
    if not means.all():
        return False
    ratio = min(float(size.max() / size.min()) for size in (values.spans, means))
    correlation = _correlation(values)
    return correlation < INVERTED or any(ratio > most and correlation >= least for most, least in LARGEST_RATIOS)


def _shifted(values: _Values, modality: str, unit: str) -> bool:
    """Return whether nearly all values differ by an offset in the same direction."""
    if modality == "PT" or unit.startswith("SUV") or unit.endswith("Bq/mL"):
        return False
    differences = np.diff(values.both, axis=0)
    low, high = np.percentile(differences, (EXCEPTIONS, 100 - EXCEPTIONS))
    shift, correlation = max(low, -high), _correlation(values)
    if unit == "HU" or modality == "CT":
        return bool(shift > LARGEST_SHIFT_HU and correlation > ALIKE)
    return any(shift > most * values.spans.max() and correlation > least for most, least in LARGEST_SHIFTS)


def _one_is_no_ct(values: _Values, modality: str, unit: str) -> bool:
    """Return whether one of two CTs has Hounsfield units and the other has not, and their means differ."""
    if (unit != "HU" and modality != "CT") or abs(np.diff(values.both.mean(axis=1))) < LARGEST_SHIFT_HU:
        return False
    first, second = (not not_hounsfield(each) for each in values.both)
    return first != second
