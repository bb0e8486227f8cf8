"""Earlier names of validation scores, as in old run folders and packages of format 1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Earlier name → current name and divisor of earlier values: NRMSE was in percent, and ``ssim`` meant the SSIM of
# slices. Only for validation and test scores of trainings: `evaluate` has always called its 3-D SSIM ``ssim``.
EARLIER_NAMES: dict[str, tuple[str, float]] = {"ssim": ("ssim_2d_wang11", 1.0), "nrmse": ("nrmse_minmax", 100.0)}


def are_earlier(names: Iterable[str]) -> bool:
    """Return whether scores with these names were written by an earlier version.

    Current trainings always record ``ssim_2d_wang11`` and ``nrmse_minmax``; if they also record ``ssim``, it is the
    3-D one.
    """
    found = set(names)
    return bool(found & set(EARLIER_NAMES)) and not found & {name for name, _ in EARLIER_NAMES.values()}


def todays_name(name: str) -> str:
    """Return the current name of a score written by an earlier version (e.g. ``choose_by`` of an old recipe)."""
    return EARLIER_NAMES.get(name, (name, 1.0))[0]


def todays_scores(scores: Mapping[str, Any], prefix: str = "", suffix: str = "") -> dict[str, Any]:
    """Return scores, or a row of a training's table, with current names and units.

    Scores that were not written by an earlier version are returned unchanged. Values may be numbers or text, as in a
    CSV; text that is not a number is kept, as are all other columns, in their order.

    Args:
        scores: scores by name.
        prefix: prefix of the names: ``val_`` in a training's ``metrics.csv``.
        suffix: suffix of the names: ``_mean`` in a table of results.
    """
    bare = {key: key[len(prefix) : len(key) - len(suffix)] for key in scores if _has(key, prefix, suffix)}
    if not are_earlier(bare.values()):
        return dict(scores)
    renamed: dict[str, Any] = {}
    for key, value in scores.items():
        new, divisor = EARLIER_NAMES.get(bare.get(key, ""), (None, 1.0))
        renamed[key if new is None else f"{prefix}{new}{suffix}"] = value if divisor == 1 else _divided(value, divisor)
    return renamed


def name_among(found: Iterable[str], name: str) -> str:
    """Return ``name``, or its current name if ``found`` does not contain it."""
    return name if name in set(found) else todays_name(name)


def todays_series(series: Mapping[tuple[str, str], Mapping[int, float]]) -> dict[tuple[str, str], dict[int, float]]:
    """Return a run's series, (split, metric) → epoch → value, with current names and units."""
    renamed: dict[tuple[str, str], dict[int, float]] = {}
    for split in dict.fromkeys(split for split, _ in series):
        names = [name for other, name in series if other == split]
        earlier = are_earlier(names)
        for name in names:
            new, divisor = EARLIER_NAMES.get(name, (name, 1.0)) if earlier else (name, 1.0)
            renamed[split, new] = {epoch: value / divisor for epoch, value in series[split, name].items()}
    return renamed


def todays_comparison(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a card's comparison, or of an experiment's ``results.csv``, with current names and units.

    There ``ssim`` has always been the 3-D one; only NRMSE was in percent.
    """
    renamed: dict[str, Any] = {}
    for key, value in row.items():
        new = key.replace("nrmse_", "nrmse_minmax_") if key in ("nrmse_mean", "nrmse_sd") else key
        renamed[new] = value if new == key else _divided(value, EARLIER_NAMES["nrmse"][1])
    return renamed


def _has(key: str, prefix: str, suffix: str) -> bool:
    return key.startswith(prefix) and key.endswith(suffix) and len(key) > len(prefix) + len(suffix)


def _divided(value: Any, divisor: float) -> Any:
    try:
        return float(value) / divisor
    except (TypeError, ValueError):
        return value
