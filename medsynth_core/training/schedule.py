"""Learning rate schedules and early stopping.

Not torch's schedulers: they keep a state that must be stored, whereas here the rate follows from the epoch log, and
none combines a warm-up in steps with a plateau in validations.
"""

from __future__ import annotations

import math

from medsynth_core.recipes.recipe import Optimiser


def learning_rate(settings: Optimiser, done: float, epochs: int, step: int, drops: int) -> float:
    """Return the learning rate of a step.

    Args:
        settings: optimiser settings of the recipe.
        done: epochs completed so far, including the fraction of the current one.
        epochs: epochs of the whole training.
        step: steps completed so far.
        drops: how often the learning rate has been reduced so far, for the schedule ``plateau``.
    """
    rate = settings.learning_rate * min(1.0, (step + 1) / (settings.warmup_steps + 1))
    if settings.schedule == "cosine":
        return rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done / epochs)) / 2)
    if settings.schedule == "linear":
        share = done / epochs
        return rate * min(1.0, (1 - share) / (1 - settings.hold))
    if settings.schedule == "exponential":
        return rate * settings.factor ** int(done)
    if settings.schedule == "plateau":
        return rate * settings.factor**drops
    return rate


# A score improves on the best one if it is lower by this share of it, as in torch's `ReduceLROnPlateau`.
IMPROVEMENT = 1e-4


def plateau_drops(scores: list[float], patience: int) -> int:
    """Return how often more than ``patience`` consecutive validations did not improve on the best before them.

    The rule is that of torch's `ReduceLROnPlateau` with its default threshold: with a patience of 5, the sixth
    validation without improvement reduces the learning rate.
    """
    best, waited, drops = math.inf, 0, 0
    for score in scores:
        if math.isinf(best) or score < best - IMPROVEMENT * abs(best):
            best, waited = score, 0
            continue
        waited += 1
        if waited > patience:
            drops, waited = drops + 1, 0
    return drops


def stands_still(scores: list[float], patience: int) -> bool:
    """Return whether the last ``patience`` validations did not improve on (fall below) the best before them."""
    return 0 < patience < len(scores) and min(scores[-patience:]) >= min(scores[:-patience])
