"""Reconstruction of activity from coincidence counts.

Implemented here, like the projector, because scikit-image's ``iradon`` reconstructs single slices from its own
``radon`` only, and because scikit-image has no OSEM.
"""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from medsynth_core.simulation.projector import Projector

FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))


def fbp(projector: Projector, sinograms: np.ndarray) -> np.ndarray:
    """Return filtered back-projections. Negative values are kept, because clipping them would bias the mean.

    The ramp filter is sampled in the spatial domain (Kak & Slaney, Principles of Computerized Tomographic Imaging,
    1988, eq. 3.61), which preserves the mean, and multiplied by a Hann window up to the Nyquist frequency of the bins.

    Args:
        projector: projector of the sinograms.
        sinograms: (angles × bins, slices), corrected for attenuation and background, value × mm.

    Returns:
        (pixels, slices) float32.
    """
    size = fft.next_fast_len(2 * projector.bins, real=True)
    offset = np.minimum(np.arange(size), size - np.arange(size))
    ramp = np.zeros(size)
    ramp[0] = 1 / 4
    ramp[offset % 2 == 1] = -1 / (np.pi * offset[offset % 2 == 1]) ** 2
    response = (fft.rfft(ramp).real * hann(fft.rfftfreq(size))).astype(np.float32) / projector.bin_mm
    lines = sinograms.reshape(projector.angles.size, projector.bins, -1).astype(np.float32, copy=False)
    spectrum = fft.rfft(lines, size, axis=1) * response[:, None]
    filtered = fft.irfft(spectrum, size, axis=1)[:, : projector.bins].reshape(sinograms.shape)
    # The adjoint sums ray lengths within pixels; divided by the total length per angle, this is the mean of the bins.
    per_angle = np.pi / projector.angles.size * projector.bin_mm / np.prod(projector.pixel)
    return projector.adjoint(filtered) * np.float32(per_angle)


def hann(frequency: np.ndarray) -> np.ndarray:
    """Return the Hann window at ``frequency`` in cycles per bin: 1 at 0, 0 from the Nyquist frequency 0.5 on."""
    return np.where(np.abs(frequency) < 0.5, 0.5 + 0.5 * np.cos(2 * np.pi * frequency), 0)


def osem(
    projector: Projector, counts: np.ndarray, survival: np.ndarray, background: np.ndarray, iterations: int
) -> np.ndarray:
    """Return ordered-subsets expectation maximization images (OSEM; Hudson & Larkin 1994); never negative.

    Args:
        projector: defines the subsets.
        counts: (angles × bins, doses, slices).
        survival: (angles × bins, slices): attenuation factor of each ray, 0…1.
        background: (doses, slices): mean scattered and random counts per bin.
        iterations: number of passes through all subsets.

    Returns:
        (pixels, doses, slices) float32, in counts per mm of ray.
    """
    image = np.ones((projector.subsets[0].matrix.shape[1], *counts.shape[1:]), dtype=np.float32)
    sensitivities = [part.matrix.T @ survival[part.rows] for part in projector.subsets]
    for _ in range(iterations):
        for part, sensitivity in zip(projector.subsets, sensitivities, strict=True):
            passing = survival[part.rows, None]
            rays = (part.matrix @ _flat(image)).reshape(-1, *counts.shape[1:])
            rays *= passing
            rays += background
            # Rays without expected counts (no activity, no background) carry no information.
            ratio = np.divide(counts[part.rows] * passing, rays, out=np.zeros_like(rays), where=rays > 0)
            image *= (part.matrix.T @ _flat(ratio)).reshape(image.shape)
            image /= sensitivity[:, None]
    return image


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def smooth(volume: np.ndarray, fwhm: float, spacing: np.ndarray) -> np.ndarray:
    """Return ``volume`` (k, j, i) after an isotropic Gaussian filter that preserves the sum.

    Args:
        volume: any values.
        fwhm: full width at half maximum in mm.
        spacing: voxel spacing in mm along (i, j, k).
    """
    # Reflection preserves the sum at the borders.
    return ndimage.gaussian_filter(volume, fwhm / FWHM_PER_SIGMA / spacing[::-1], mode="reflect", truncate=4.0)
