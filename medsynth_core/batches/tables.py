"""``metrics.csv``: how the results of a batch compare with real images."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from medsynth_core.batches.study_folder import METRICS
from medsynth_core.io.sidecar import json_object
from medsynth_core.io.table import write_rows

TABLE = "metrics.csv"


def write_metrics(folder: Path, studies: Iterable[str]) -> None:
    """Write the metrics of all studies that were compared, a line for each; without any there is no table.

    Raises:
        MedSynthError: the table cannot be written.
    """
    rows = [
        {"case": study, **metrics}
        for study in studies
        if isinstance(metrics := json_object(folder / study / METRICS).get("metrics"), dict)
    ]
    if rows:
        write_rows(rows, folder / TABLE)
    else:
        (folder / TABLE).unlink(missing_ok=True)
