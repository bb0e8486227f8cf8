"""Errors of lesion uptake (SUVmax, SUVmean, SUVpeak, TLG) of a synthetic PET against the reference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medsynth_core.metrics.metric import Comparison, Metric
from medsynth_core.metrics.pixel import mae

# Diameter of a sphere of 1 cm³, in mm.
PEAK_DIAMETER = 12.4
# Isocontour of the metabolic tumour volume as a fraction of SUVmax (EANM guideline, Boellaard et al. 2015).
METABOLIC_SHARE = 0.41


@dataclass(frozen=True)
class Uptake:
    """Uptake in a lesion, in the unit of the voxels (``tlg``: times millilitres).

    Attributes:
        maximum: highest voxel in the lesion.
        mean: mean over the lesion's voxels.
        peak: highest mean in a 1 cm³ sphere (12.4 mm diameter) centred on a voxel of the lesion. The sphere
            contains the voxels whose centres are within 6.2 mm of its centre and may extend beyond the lesion;
            voxels outside the volume are ignored.
        tlg: total lesion glycolysis: mean times volume of the metabolic tumour, i.e. of the lesion's voxels with at
            least 41 % of its maximum.
    """

    maximum: float
    mean: float
    peak: float
    tlg: float


def uptake(voxels: np.ndarray, lesion: np.ndarray, ijk_to_ras: np.ndarray) -> Uptake:
    """Return the uptake of ``voxels`` (k, j, i) in a lesion.

    Args:
        voxels: SUV or activity concentration.
        lesion: lesion mask (not zero) of the same shape, with at least one voxel.
        ijk_to_ras: 4×4 matrix from (i, j, k) to millimetres.
    """
    inside = lesion != 0
    values = voxels[inside].astype(np.float64)
    maximum = float(values.max())
    metabolic = values[values >= METABOLIC_SHARE * maximum]
    millilitres = abs(float(np.linalg.det(ijk_to_ras[:3, :3]))) / 1000
    glycolysis = float(metabolic.sum()) * millilitres
    return Uptake(maximum, float(values.mean()), _peak(voxels, inside, ijk_to_ras), glycolysis)


def lesion_errors(
    reference: np.ndarray, synthetic: np.ndarray, lesion: np.ndarray, ijk_to_ras: np.ndarray
) -> dict[str, float]:
    """Return the signed relative errors in percent of the synthetic volume's uptake in the lesion.

    Keys: ``suvmax_error``, ``suvmean_error``, ``suvpeak_error``, ``tlg_error``; each is
    100·(synthetic − reference)/reference, so −20 means that uptake is underestimated by a fifth. Maximum and peak are
    determined in each volume separately and may be at different positions in the lesion. Both volumes share the
    lesion's contour, but ``tlg_error`` uses the metabolic tumour volume of each. NaN if the reference's value is zero.
    Arguments as in `uptake`.
    """
    true, made = (uptake(voxels, lesion, ijk_to_ras) for voxels in (reference, synthetic))
    return {
        "suvmax_error": _percent(made.maximum, true.maximum),
        "suvmean_error": _percent(made.mean, true.mean),
        "suvpeak_error": _percent(made.peak, true.peak),
        "tlg_error": _percent(made.tlg, true.tlg),
    }


def _percent(made: float, true: float) -> float:
    return 100 * (made - true) / true if true else math.nan


def _peak(voxels: np.ndarray, inside: np.ndarray, ijk_to_ras: np.ndarray) -> float:
    from scipy.signal import fftconvolve

    sphere = _sphere(ijk_to_ras)
    # Only the lesion's bounding box plus the radius of the sphere is needed.
    box = tuple(
        slice(max(found.min() - n // 2, 0), found.max() + n // 2 + 1)
        for found, n in zip(np.nonzero(inside), sphere.shape, strict=True)
    )
    near = voxels[box].astype(np.float64)
    sums = fftconvolve(near, sphere, mode="same")
    counts = fftconvolve(np.ones_like(near), sphere, mode="same")
    return float((sums / counts)[inside[box]].max())


def _sphere(ijk_to_ras: np.ndarray) -> np.ndarray:
    """Return a (k, j, i) array that is 1 where the voxel centre is in the sphere around the central voxel, else 0."""
    to_ras = ijk_to_ras[:3, :3]
    radius = PEAK_DIAMETER / 2
    reach = np.floor(radius * np.linalg.norm(np.linalg.inv(to_ras), axis=1)).astype(int)
    k, j, i = np.meshgrid(*[np.arange(-n, n + 1) for n in reach[::-1]], indexing="ij")
    distance = np.linalg.norm(np.stack([i, j, k], axis=-1) @ to_ras.T, axis=-1)
    return (distance <= radius).astype(np.float64)


_ZERO = "the reference's value in the lesion is zero"


def _error(name: str) -> Callable[[Comparison], float]:
    def measured(comparison: Comparison) -> float:
        lesion = comparison.lesion
        if lesion is None or not np.any(lesion):
            return math.nan
        return lesion_errors(comparison.reference, comparison.synthetic, lesion, comparison.ijk_to_ras)[name]

    return measured


def _signed(name: str, title: str) -> Metric:
    return Metric(name, title, "%", "zero", _error(name), region="lesion", undefined=_ZERO, decimals="+.1f")


def _size(signed: Metric) -> Metric:
    """Return the absolute value of a signed error, whose mean over patients does not cancel out."""
    return Metric(
        f"{signed.name}_size",
        title=f"absolute {signed.title}",
        unit="%",
        direction="lower",
        function=lambda comparison: abs(signed(comparison)),
        region="lesion",
        undefined=_ZERO,
        decimals=".1f",
        evaluated=False,
    )


SUVMAX_ERROR = _signed("suvmax_error", "lesion SUVmax error")
SUVMEAN_ERROR = _signed("suvmean_error", "lesion SUVmean error")
SUVPEAK_ERROR = _signed("suvpeak_error", "lesion SUVpeak error")
TLG_ERROR = _signed("tlg_error", "lesion TLG error")
SUVMAX_ERROR_SIZE = _size(SUVMAX_ERROR)
SUVMEAN_ERROR_SIZE = _size(SUVMEAN_ERROR)
SUVPEAK_ERROR_SIZE = _size(SUVPEAK_ERROR)
TLG_ERROR_SIZE = _size(TLG_ERROR)
LESION_MAE = Metric(
    "lesion_mae",
    title="lesion MAE",
    unit="image",
    direction="lower",
    function=lambda c: mae(c.reference, c.synthetic, c.lesion),
    region="lesion",
    evaluated=False,
)
