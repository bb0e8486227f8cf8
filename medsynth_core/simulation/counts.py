"""Random coincidence counts at the full dose and at lower doses of the same scan."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def draw_counts(expected: np.ndarray, factors: Sequence[float], random: np.random.Generator) -> np.ndarray:
    """Draw the counts of one scan, and thin them to lower doses.

    The counts at full dose are Poisson distributed. Each event is kept with probability 1 / factor, independently of
    all others, as in list-mode thinning. The result has exactly the distribution of a scan at the lower dose and is a
    subset of the same scan; the events kept at a higher factor are among those kept at a lower one.

    Args:
        expected: mean counts at full dose, any shape.
        factors: dose reduction factors above 1, ascending.
        random: random generator; the same seed (and NumPy version) gives the same counts.

    Returns:
        Integers (1 + number of factors, *shape of expected); the full dose comes first.
    """
    counts = [random.poisson(expected)]
    for before, factor in zip((1.0, *factors), factors, strict=False):
        counts.append(random.binomial(counts[-1], before / factor))
    return np.stack(counts)
