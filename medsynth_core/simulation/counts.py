"""Coincidences of a scan, and those of them that a lower dose would have left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def realise(expected: np.ndarray, factors: Sequence[float], random: np.random.Generator) -> np.ndarray:
    """Return the counts of one scan and what lower doses leave of these very counts.

    The full dose is Poisson distributed. Each event is kept with probability 1 / factor, independently of all others,
    as when a list of events is thinned: exactly the counts of a scan with less dose, and part of the same scan. The
    events that a higher factor keeps are among those that a lower one keeps.

    Args:
        expected: mean counts of the full dose, any shape.
        factors: dose reduction factors above 1, rising.
        random: source of randomness, the same for the same seed (and version of NumPy).

    Returns:
        Integers (1 + number of factors, *shape of expected): the full dose first.
    """
    counts = [random.poisson(expected)]
    for before, factor in zip((1.0, *factors), factors, strict=False):
        counts.append(random.binomial(counts[-1], before / factor))
    return np.stack(counts)
