"""Measures of structure maps by which one that is like no real one is recognised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

# Shares of real maps that are below and above the range of a measure.
TAILS = (0.5, 99.5)
Range = tuple[float, float]


def map_measures(lines: np.ndarray, organ: np.ndarray) -> dict[str, float]:
    """Return measures of one map.

    Args:
        lines: structure map (rows, columns), boolean.
        organ: where there is no background, of the same shape.

    Returns:
        ``organ``, the share of the pixels in the organ; ``lines``, the share of lines in it; ``largest``, the share of
        the organ in its largest connected piece; 0 for the latter two if there is no organ.
    """
    from scipy.ndimage import label

    area = int(np.count_nonzero(organ))
    if not area:
        return {"organ": 0.0, "lines": 0.0, "largest": 0.0}
    pieces, _ = label(organ)
    largest = np.bincount(pieces.ravel())[1:].max()
    return {
        "organ": area / organ.size,
        "lines": int(np.count_nonzero(lines & (organ != 0))) / area,
        "largest": float(largest) / area,
    }


def ranges_of(found: Iterable[Mapping[str, float]]) -> dict[str, Range]:
    """Return the range of each measure in which 99 % of real maps lie; {} if there are none."""
    rows = list(found)
    if not rows:
        return {}
    ends = {name: np.percentile([row[name] for row in rows], TAILS) for name in rows[0]}
    return {name: (float(low), float(high)) for name, (low, high) in ends.items()}


def unlike(measures: Mapping[str, float], ranges: Mapping[str, Range]) -> str:
    """Return which measure of a map is outside the range of real ones; "" if none is."""
    for name, (low, high) in ranges.items():
        value = measures.get(name)
        # One piece is never too few.
        if value is not None and not (low <= value and (value <= high or name == "largest")):
            return name
    return ""
