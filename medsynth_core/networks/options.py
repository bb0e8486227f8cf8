"""Check of the options of a network, before it is built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# Without one of these, torch builds a network that computes nothing; without layers or blocks there is still one.
COUNTS = (
    "in_channels", "out_channels", "channels", "context_channels", "mask_channels", "classes", "latent", "width",
    "base", "most",
)  # fmt: skip


def check_options(defaults: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Check that options have the types of their defaults: torch would take yes for one channel.

    Args:
        defaults: default of every option that the network has.
        options: the given options.

    Raises:
        ValueError: a value is of another type, or a number is negative or not finite, or there would be no channels or
            classes.
    """
    for name, value in options.items():
        wanted = _wanted(value, defaults[name], int(name in COUNTS))
        if wanted:
            raise ValueError(f"{name} must be {wanted}, not {value!r:.60}")


def _wanted(value: Any, default: Any, least: int) -> str:
    """Return what an option must be; "" if ``value`` is that."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "yes or no"
    if isinstance(default, int):
        return "" if _whole(value) and value >= least else f"a whole number of at least {least}"
    if isinstance(default, float):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if number and math.isfinite(value) and value >= 0 else "a number of at least 0"
    if isinstance(default, list | tuple):
        several = isinstance(value, list | tuple) and all(_whole(one) and one >= 1 for one in value)
        return "" if several and value else "a list of whole numbers of at least 1"
    return "a text" if isinstance(default, str) and not isinstance(value, str) else ""


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
