"""Checkerboard artefacts, which transposed convolutions with uneven overlap leave in an image."""

from __future__ import annotations

import math

import numpy as np

from medsynth_core.metrics.metric import Metric

# Neighbouring frequencies: so many steps (of 1 / length) below and above the tested one. Nearer steps are left out,
# because a Hann window spreads a peak over two steps, and the outline of a body over a few more.
_NEIGHBOURS = (4, 5, 6, 7, 8)
# Lowest frequency that is tested, in steps; at lower ones the neighbours would contain the image's coarse structure.
_LOWEST_STEP = 2 * max(_NEIGHBOURS)
SMALLEST = 2 * _LOWEST_STEP
# Standard deviation of the white noise added to both spectra, as a fraction of the reference's: it hides fainter
# patterns, and avoids dividing two values near zero in perfectly smooth images.
_FLOOR = 1e-3


def checkerboard(reference: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the ratio of the spectral peaks at up-sampling frequencies of the synthetic array to the reference's.

    A layer that doubles height and width leaves a pattern with a period of two pixels: peaks in the spectrum of the
    slices, along rows and columns, at 1/2, 1/4, 1/8 … of the sampling frequency, depending on the number of layers
    after it. `peak` measures them in each array. The ratio is 1 for the same texture and tens to thousands for a
    visible checkerboard; blur, smooth errors and white noise leave it near 1.

    Both arrays must be on the network's grid. Resampling shifts the pattern to frequencies that are not tested, and
    adds peaks if the reference is resampled by a factor of two or four.

    Args:
        reference: array (k, j, i) with slices along k; the full frame is used.
        synthetic: array of the same shape.

    Returns:
        The ratio; NaN if a slice has fewer than 32 rows or columns, or if the reference is constant.
    """
    floor = _FLOOR * float(reference.std(dtype=np.float64))
    if min(reference.shape[1:]) < SMALLEST or not floor:
        return math.nan
    return peak(synthetic, floor) / peak(reference, floor)


def peak(slices: np.ndarray, floor: float = 0.0) -> float:
    """Return the height of the spectral peaks of (k, j, i) slices at up-sampling frequencies, relative to neighbours.

    The power at 1/2, 1/4 … of the sampling frequency along an axis of the slices, divided by the geometric mean of
    the powers at ten neighbouring frequencies (four to eight times 1 / length below and above, so that a falling
    spectrum has no effect), averaged over both axes and all frequencies of at least 16 / length. Powers are sums over
    all lines of all slices; each line has its mean subtracted and a Hann window applied, so that neither the body's
    brightness nor its outline at the border has an effect. 1 if there is no peak.

    Args:
        slices: array (k, j, i) with at least 32 rows and columns.
        floor: standard deviation of white noise added to the spectra, in the unit of the voxels.
    """
    found = []
    for axis in (1, 2):
        lines = np.moveaxis(slices, axis, 2)
        length = lines.shape[2]
        octaves = range(1, int(math.log2(length / _LOWEST_STEP)) + 1)
        found += [_height(lines, 0.5**octave, floor) for octave in octaves]
    return float(np.mean(found))


def _height(lines: np.ndarray, frequency: float, floor: float) -> float:
    """Return the power of (k, n, length) lines at a frequency, divided by that at neighbouring frequencies."""
    length = lines.shape[2]
    steps = np.array([0, *_NEIGHBOURS, *(-step for step in _NEIGHBOURS)]) / length
    window = np.hanning(length + 2)[1:-1]
    waves = np.exp(-2j * np.pi * np.outer(np.arange(length), frequency + steps)) * window[:, None]
    power = np.zeros(len(steps))
    for part in lines:
        # Slice by slice, so that a whole-body volume needs little memory.
        centred = part.astype(np.float64) - part.mean(dtype=np.float64)
        power += (np.abs(centred @ waves) ** 2).sum(axis=0)
    power += floor**2 * float(np.square(window).sum()) * lines.shape[0] * lines.shape[1]
    if not power.all():
        return 1.0
    return float(power[0] / np.exp(np.log(power[1:]).mean()))


CHECKERBOARD = Metric(
    "checkerboard",
    title="checkerboard ratio",
    unit="1",
    direction="lower",
    function=lambda c: checkerboard(*c.axial_slices),
    region="frame",
    undefined="an axial slice has fewer than 32 rows or columns, or the reference is constant",
)
