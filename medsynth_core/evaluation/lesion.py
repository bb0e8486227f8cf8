"""Errors of uptake in a lesion: what a reader would quote from the synthetic PET, against the reference's."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve

# The sphere of 1 cm³.
PEAK_DIAMETER = 12.4
# Of the maximum: the isocontour of the metabolic tumour volume (EANM guideline for FDG PET/CT, Boellaard et al. 2015).
METABOLIC_SHARE = 0.41


@dataclass(frozen=True)
class Uptake:
    """Uptake in a lesion, in the unit of the voxels (``tlg``: times millilitres).

    Attributes:
        maximum: highest voxel in the lesion.
        mean: mean over the lesion's voxels.
        peak: highest mean in a 1 cm³ sphere (12.4 mm across) centred on a voxel of the lesion. The sphere
            holds the voxels whose centres lie within 6.2 mm of its own and may reach beyond the lesion;
            voxels beyond the volume do not count.
        tlg: total lesion glycolysis: mean times volume of the metabolic tumour, those voxels of the lesion that reach
            41 % of its maximum.
    """

    maximum: float
    mean: float
    peak: float
    tlg: float


def uptake(voxels: np.ndarray, lesion: np.ndarray, ijk_to_ras: np.ndarray) -> Uptake:
    """Measure the uptake of ``voxels`` (k, j, i) where ``lesion``, of the same shape, is not zero.

    Args:
        voxels: SUV or activity concentration.
        lesion: at least one voxel that is not zero.
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
    100·(synthetic − reference)/reference, so −20 means that the synthetic volume shows a fifth too little.
    Each volume's maximum and peak is looked for by itself, so they may lie at different places of the lesion.
    Both volumes share the lesion's contour; in it each has a metabolic tumour of its own, of which ``tlg_error`` is.
    NaN where the reference's value is zero. Arguments as in `uptake`.
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
    sphere = _sphere(ijk_to_ras)
    # Only the surroundings of the lesion matter: its box and half a sphere around it.
    box = tuple(
        slice(max(found.min() - n // 2, 0), found.max() + n // 2 + 1)
        for found, n in zip(np.nonzero(inside), sphere.shape, strict=True)
    )
    near = voxels[box].astype(np.float64)
    sums = fftconvolve(near, sphere, mode="same")
    counts = fftconvolve(np.ones_like(near), sphere, mode="same")
    return float((sums / counts)[inside[box]].max())


def _sphere(ijk_to_ras: np.ndarray) -> np.ndarray:
    """Return a (k, j, i) array of ones at voxel centres within the sphere around the middle voxel."""
    to_ras = ijk_to_ras[:3, :3]
    radius = PEAK_DIAMETER / 2
    reach = np.floor(radius * np.linalg.norm(np.linalg.inv(to_ras), axis=1)).astype(int)
    k, j, i = np.meshgrid(*[np.arange(-n, n + 1) for n in reach[::-1]], indexing="ij")
    distance = np.linalg.norm(np.stack([i, j, k], axis=-1) @ to_ras.T, axis=-1)
    return (distance <= radius).astype(np.float64)
