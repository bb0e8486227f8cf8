"""From counted coincidences back to activity."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from medsynth_core.simulation.projector import Projector

FWHM_PER_SIGMA = 2 * np.sqrt(2 * np.log(2))


def fbp(projector: Projector, sinograms: np.ndarray) -> np.ndarray:
    """Return filtered back-projections, negative values and all: to clip them would bias the mean.

    The ramp is the one of samples in space (Kak & Slaney, Principles of Computerized Tomographic Imaging, 1988,
    eq. 3.61), which keeps the mean, under a Hann window that ends at the Nyquist frequency of the bins.

    Args:
        projector: that made the sinograms.
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
    # The adjoint sums mm of rays in pixels; divided by the mm of an angle it is the mean of the bins under a pixel.
    per_angle = np.pi / projector.angles.size * projector.bin_mm / np.prod(projector.pixel)
    return projector.adjoint(filtered) * np.float32(per_angle)


def hann(frequency: np.ndarray) -> np.ndarray:
    """Return the Hann window of ``frequency`` in cycles a bin: 1 at 0, 0 from the Nyquist frequency 0.5 on."""
    return np.where(np.abs(frequency) < 0.5, 0.5 + 0.5 * np.cos(2 * np.pi * frequency), 0)


def osem(
    projector: Projector, counts: np.ndarray, survival: np.ndarray, background: np.ndarray, iterations: int
) -> np.ndarray:
    """Return images that make the counts likely, by ordered subsets (Hudson & Larkin 1994); never negative.

    Args:
        projector: whose subsets are the ordered ones.
        counts: (angles × bins, doses, slices).
        survival: (angles × bins, slices): what attenuation leaves of each ray.
        background: (doses, slices) mean scattered and random counts in each bin.
        iterations: passes through all subsets.

    Returns:
        (pixels, doses, slices) float32, in counts for each mm of a ray.
    """
    image = np.ones((projector.subsets[0].matrix.shape[1], *counts.shape[1:]), dtype=np.float32)
    sensitivities = [part.matrix.T @ survival[part.rows] for part in projector.subsets]
    for _ in range(iterations):
        for part, sensitivity in zip(projector.subsets, sensitivities, strict=True):
            passing = survival[part.rows, None]
            rays = (part.matrix @ _flat(image)).reshape(-1, *counts.shape[1:])
            rays *= passing
            rays += background
            # No counts were expected where there is nothing and no background: nothing to learn from there.
            ratio = np.divide(counts[part.rows] * passing, rays, out=np.zeros_like(rays), where=rays > 0)
            image *= (part.matrix.T @ _flat(ratio)).reshape(image.shape)
            image /= sensitivity[:, None]
    return image


def _flat(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def smooth(volume: np.ndarray, fwhm: float, spacing: np.ndarray) -> np.ndarray:
    """Return ``volume`` (k, j, i) after a Gaussian of ``fwhm`` mm in each direction, its sum unchanged.

    Args:
        volume: any values.
        fwhm: full width at half maximum, mm.
        spacing: mm along (i, j, k).
    """
    # Reflection gives back what would leave the volume.
    return ndimage.gaussian_filter(volume, fwhm / FWHM_PER_SIGMA / spacing[::-1], mode="reflect", truncate=4.0)
