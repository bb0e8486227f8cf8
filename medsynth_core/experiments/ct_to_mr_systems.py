"""The published systems for CT→MR compared on one data set (`systems.run`)."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.experiments import systems
from medsynth_core.experiments.scoring.result_table import ResultTable
from medsynth_core.progress import Progress


def run(data: Path, output: Path, progress: Progress) -> ResultTable:
    """Run `systems.run` for CT→MR.

    Args:
        data: manifest with the columns ``ct``, ``lesion`` and ``mr_t1``.
        output: folder for runs, tables and figures.
        progress: reports.
    """
    return systems.run("ct-to-mr-systems", data, output, progress)
