"""Noise added to the image itself: fast, and an approximation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medsynth_core.preparation.body import tissue_mask
from medsynth_core.progress import Progress
from medsynth_core.simulation.attenuation import survival
from medsynth_core.simulation.projector import Projector, make_projector
from medsynth_core.simulation.reconstruction import FWHM_PER_SIGMA, hann, smooth
from medsynth_core.simulation.settings import DoseSettings

# Enough to know how many counts a ray has.
FEW_ANGLES = 12


def noisy_images(
    activity: np.ndarray,
    attenuation: np.ndarray | None,
    spacing: np.ndarray,
    factors: Sequence[float],
    settings: DoseSettings,
    seed: int,
    progress: Progress,
) -> tuple[list[np.ndarray], float]:
    """Return ``activity`` with the noise that lower doses would add to it, and how strong that is.

    The activity itself counts as the full dose. Noise is Gaussian with variance (factor - 1) · k · activity, correlated
    by a Gaussian of ``settings.filter_mm``; the noise of a higher factor contains that of a lower one, as in thinned
    counts. That it depends on the activity of a voxel alone is the approximation: in a real image it spreads along the
    rays of everything else. Values may be negative, for the mean is kept.

    Args:
        activity, attenuation, spacing, factors, settings, seed, progress: as `projection.project_doses`.

    Returns:
        Images (k, j, i) float32, the full dose first and then one for each factor; and k in the unit of the activity.
    """
    progress(0.0, "Estimating the noise")
    strength = noise_strength(activity, attenuation, spacing, settings)
    deviation = np.sqrt(np.float32(strength) * activity)
    random = np.random.default_rng(seed)
    # Filtered noise, so that it has variance 1.
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
    """Return k: the variance of the full dose over its activity, as a mean of the body, in the unit of the activity.

    It is the variance that filtered back-projection (Hann) of the settings' counts with their filter would have, from
    the variance of the counts in a few angles: independent bins of variance v and width w in n angles give a voxel
    the variance (π² / n) w ∫ v f² H(f)² df, H being all filters together.
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
    """Return ∫ f² H² df of ramp, Hann window, the steps of bins and pixels, and the Gaussian (per mm³)."""
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
    """Return what the filter across ``slices``, ``step`` mm apart, leaves of the variance."""
    impulse = np.zeros((slices, 1, 1))
    impulse[slices // 2] = 1
    return float((smooth(impulse, filter_mm, np.array([step] * 3)) ** 2).sum())
