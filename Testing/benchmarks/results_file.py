"""Where benchmarks write their figures, each with the computer that they were measured on."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medsynth_core.compute.hardware import computer

FOLDER = Path(__file__).parents[2] / "docs" / "results" / "benchmarks"


def write_figures(name: str, command: str, figures: dict[str, Any]) -> None:
    """Write the figures of a benchmark to ``docs/results/benchmarks/NAME.json``, and print them.

    Args:
        name: of the benchmark.
        command: that makes them again, from the repository's root.
        figures: what was measured.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = {"command": command, "computer": computer(), **figures}
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Return median, least and greatest of repeated measurements."""
    found = {"median": statistics.median(values), "least": min(values), "greatest": max(values)}
    return {name: round(value, digits) for name, value in found.items()}
