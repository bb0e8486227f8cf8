"""Low-dose noise added in image space: fast but approximate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medsynth_core.preparation.body import tissue_mask
from medsynth_core.progress import Progress
from medsynth_core.simulation.attenuation import survival
from medsynth_core.simulation.projector import Projector, make_projector
from medsynth_core.simulation.reconstruction import FWHM_PER_SIGMA, hann, smooth
from medsynth_core.simulation.scanned_object import ScannedObject
from medsynth_core.simulation.settings import DoseSettings

# Enough to estimate the counts per ray.
FEW_ANGLES = 12


def noisy_images(
    scanned: ScannedObject, factors: Sequence[float], settings: DoseSettings, seed: int, progress: Progress
) -> tuple[list[np.ndarray], float]:
    """Return the activity with the added noise of lower doses, and the noise strength k.

    The activity itself is taken as the full dose. The noise is Gaussian with variance (factor - 1) · k · activity and
    correlated by a Gaussian filter of ``settings.filter_mm``; the noise of a higher factor contains that of a lower
    one, as in thinned counts. The approximation is that the noise of a voxel depends on its own activity only, whereas
    in a real image it also depends on all activity along the rays. Values may be negative, which preserves the mean.

    Args:
        scanned, factors, settings, seed, progress: as `projection.project_doses`.

    Returns:
        Images (k, j, i) float32: the full dose, then one for each factor; and k in the unit of the activity.
    """
    progress(0.0, "Estimating the noise")
    activity, spacing = scanned.activity, scanned.spacing
    strength = noise_strength(activity, scanned.attenuation, spacing, settings)
    deviation = np.sqrt(np.float32(strength) * activity)
    random = np.random.default_rng(seed)
    # Normalize filtered noise to unit variance.
    impulse = np.zeros([2 * int(np.ceil(4 * settings.filter_mm / d)) + 1 for d in spacing[::-1]], dtype=np.float32)
    impulse[tuple(n // 2 for n in impulse.shape)] = 1
    unit = 1 / np.linalg.norm(smooth(impulse, settings.filter_mm, spacing))
    images, noise, before = [activity.astype(np.float32)], np.zeros(activity.shape, dtype=np.float32), 1.0
    for number, factor in enumerate(factors):
        progress(0.1 + 0.9 * number / len(factors), "Adding noise")
        white = random.standard_normal(activity.shape, dtype=np.float32)
        noise += np.float32(np.sqrt(factor - before) * unit) * smooth(white, settings.filter_mm, spacing)
        images.append((activity + deviation * noise).astype(np.float32))
        before = factor
    return images, strength


def noise_strength(
    activity: np.ndarray, attenuation: np.ndarray | None, spacing: np.ndarray, settings: DoseSettings
) -> float:
    """Return k: ratio of variance to activity at full dose, averaged over the body, in the unit of the activity.

    The variance is that of filtered back-projection (Hann) with the counts and filter of the settings, derived from the
    variance of the counts at a few angles: independent bins of variance v and width w at n angles give a voxel the
    variance (π² / n) w ∫ v f² H(f)² df, where H is the product of all filters.
    """
    projector = make_projector(activity.shape[1:], (spacing[1], spacing[0]), angles=FEW_ANGLES)
    columns = activity.reshape(len(activity), -1).T.astype(np.float32)
    rays = projector.forward(columns)
    passing = np.ones_like(rays)
    if attenuation is not None:
        passing = survival(projector, attenuation.reshape(len(attenuation), -1).T.astype(np.float32))
    trues = rays * passing
    sensitivity = settings.counts * np.count_nonzero(trues.any(axis=0)) / trues.sum(dtype=np.float64)
    background = trues.mean(axis=0) * settings.background / (1 - settings.background)
    variance = (trues + background) / (passing**2 * np.float32(sensitivity))
    per_pixel = projector.adjoint(variance) * np.float32(projector.bin_mm / np.prod(projector.pixel) / FEW_ANGLES)
    body = tissue_mask(activity, "PT").reshape(len(activity), -1).T
    body = body if body.any() else columns > 0
    gain = np.pi**2 / FEW_ANGLES * projector.bin_mm * _bandwidth(projector, settings.filter_mm)
    axial = _axial_share(settings.filter_mm, spacing[2], len(activity))
    return float(per_pixel[body].mean(dtype=np.float64) / columns[body].mean(dtype=np.float64) * gain * axial)


def _bandwidth(projector: Projector, filter_mm: float) -> float:
    """Return ∫ f² H² df for the ramp, the Hann window, the bin and pixel sampling, and the Gaussian (per mm³)."""
    frequency = np.linspace(-0.5, 0.5, 1001) / projector.bin_mm
    dj, di = projector.pixel
    steps = [
        np.sinc(frequency * projector.bin_mm)
        * np.sinc(frequency * di * np.cos(a))
        * np.sinc(frequency * dj * np.sin(a))
        for a in projector.angles
    ]
    sigma = filter_mm / FWHM_PER_SIGMA
    other = hann(frequency * projector.bin_mm) * np.exp(-2 * (np.pi * frequency * sigma) ** 2)
    power = frequency**2 * other**2 * np.mean(np.square(steps), axis=0)
    return float(power.sum() * (frequency[1] - frequency[0]))


def _axial_share(filter_mm: float, step: float, slices: int) -> float:
    """Return the fraction of the variance that remains after filtering across ``slices`` that are ``step`` mm apart."""
    impulse = np.zeros((slices, 1, 1))
    impulse[slices // 2] = 1
    return float((smooth(impulse, filter_mm, np.array([step] * 3)) ** 2).sum())
