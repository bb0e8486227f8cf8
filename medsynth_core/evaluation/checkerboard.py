"""How much of a checkerboard an image has: the trace of transposed convolutions that overlap unevenly."""

from __future__ import annotations

import math

import numpy as np

# Spectra are read at a frequency and at these many steps (of 1 / length) below and above it. The nearest steps are
# left out: a window of Hann spreads a peak over two, and the outline of a body over a few more.
_NEIGHBOURS = (4, 5, 6, 7, 8)
# A frequency needs so many steps below it, or its neighbours would be the image's coarse shapes.
_LOWEST_STEP = 2 * max(_NEIGHBOURS)
SMALLEST = 2 * _LOWEST_STEP
# White noise of this part of the reference's standard deviation is added to both spectra: what is fainter is not
# seen, and without it nearly nothing would be compared with nothing in images that are perfectly smooth.
_FLOOR = 1e-3


def checkerboard(reference: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the peaks of the synthetic array at up-sampling frequencies over those of the reference.

    A layer that doubles height and width leaves a pattern of two of its pixels: in the spectrum of the slices a
    row and a column of peaks at 1/2, 1/4, 1/8 … of the sampling frequency, as many layers follow it. `peak` measures
    them in each array; the result is the ratio of both: 1 for the same texture, tens to thousands for a visible
    checkerboard; blur, smooth errors and white noise leave it near 1.

    Both arrays are to be on the grid that the network worked on. Resampling moves the pattern to other frequencies,
    where it is not looked for, and adds peaks of its own where the reference is resampled by two or four.

    Args:
        reference: (k, j, i), slices along k; the full frame counts.
        synthetic: of the same shape.

    Returns:
        NaN where a slice has fewer than 32 rows or columns, or where the reference is constant.
    """
    floor = _FLOOR * float(reference.std(dtype=np.float64))
    if min(reference.shape[1:]) < SMALLEST or not floor:
        return math.nan
    return peak(synthetic, floor) / peak(reference, floor)


def peak(slices: np.ndarray, floor: float = 0.0) -> float:
    """Return by how much the spectrum of (k, j, i) slices is higher at up-sampling frequencies than beside them.

    The power at 1/2, 1/4 … of the sampling frequency along an axis of the slices, over the geometric mean of the
    powers at ten frequencies beside it (four to eight times 1 / length below and above, so that a spectrum that only
    falls counts for nothing); the mean of that over both axes and all frequencies of at least 16 / length. Powers are
    sums over all lines of all slices, their mean taken off and a window of Hann laid over them, so that neither a
    body's brightness nor its outline at the border counts. 1 where there is no peak.

    Args:
        slices: at least 32 rows and columns.
        floor: standard deviation of white noise that is added to the spectra, in the unit of the voxels.
    """
    found = []
    for axis in (1, 2):
        lines = np.moveaxis(slices, axis, 2)
        length = lines.shape[2]
        octaves = range(1, int(math.log2(length / _LOWEST_STEP)) + 1)
        found += [_height(lines, 0.5**octave, floor) for octave in octaves]
    return float(np.mean(found))


def _height(lines: np.ndarray, frequency: float, floor: float) -> float:
    """Return the power of (k, n, length) lines at a frequency over that beside it."""
    length = lines.shape[2]
    steps = np.array([0, *_NEIGHBOURS, *(-step for step in _NEIGHBOURS)]) / length
    window = np.hanning(length + 2)[1:-1]
    waves = np.exp(-2j * np.pi * np.outer(np.arange(length), frequency + steps)) * window[:, None]
    power = np.zeros(len(steps))
    for part in lines:
        # A slice at a time, so that a whole-body volume needs little memory.
        centred = part.astype(np.float64) - part.mean(dtype=np.float64)
        power += (np.abs(centred @ waves) ** 2).sum(axis=0)
    power += floor**2 * float(np.square(window).sum()) * lines.shape[0] * lines.shape[1]
    if not power.all():
        return 1.0
    return float(power[0] / np.exp(np.log(power[1:]).mean()))
