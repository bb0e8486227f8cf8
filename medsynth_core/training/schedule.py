"""The learning rate in the course of a training."""

from __future__ import annotations

import math

from medsynth_core.training.recipe import Optimiser


def learning_rate(settings: Optimiser, done: float, epochs: int, step: int, drops: int) -> float:
    """Return the learning rate of a step.

    Args:
        settings: of the recipe.
        done: epochs done so far, with the part of the present one.
        epochs: of the whole training.
        step: steps done so far.
        drops: how often validation has stood still so far, for the schedule ``plateau``.
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


def plateau_drops(scores: list[float], patience: int) -> int:
    """Return how often ``patience`` validations in a row were no better (lower) than the best before them."""
    best, waited, drops = math.inf, 0, 0
    for score in scores:
        waited = 0 if score < best else waited + 1
        best = min(best, score)
        if waited == patience:
            drops, waited = drops + 1, 0
    return drops


def stands_still(scores: list[float], patience: int) -> bool:
    """Return whether the last ``patience`` validations were no better (lower) than the best before them."""
    return 0 < patience < len(scores) and min(scores[-patience:]) >= min(scores[:-patience])
