"""The published systems for CT→PET compared on one data set (`systems.run`)."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.experiments import systems
from medsynth_core.experiments.scoring.result_table import ResultTable
from medsynth_core.progress import Progress


def run(data: Path, output: Path, progress: Progress) -> ResultTable:
    """Run `systems.run` for CT→PET.

    Args:
        data: manifest with the columns ``ct``, ``lesion`` and ``pet``.
        output: folder for runs, tables and figures.
        progress: reports.
    """
    return systems.run("ct-to-pet-systems", data, output, progress)
