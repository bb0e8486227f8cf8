"""From a training to a model that others can run: judging it, its package, the library, and a file to give away."""

import csv
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from MedSynthLib.job import WorkerJob
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthTrainLib.metrics import TITLES
from MedSynthTrainLib.run import TrainingRun

Finished = Callable[[dict[str, Any] | None, Exception | None], None]


def publish(
    run: TrainingRun, about: dict[str, Any] | None, device: str, onFinished: Finished, **callbacks: Any
) -> WorkerJob:
    """Judge the best weights of a run on the test split and write its package anew.

    Args:
        run: stopped or finished, with a validated epoch.
        about: what the card says in words; None keeps what the recipe says.
        device: where to compute.
        onFinished: called once as ``onFinished(done, error)``; ``done`` has ``package``, ``cases`` and ``figure``.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`.

    Raises:
        MedSynthError: the run cannot be published now. Nothing has been started then.
    """
    run.poll()
    if run.alive:
        raise MedSynthError(_("The training still runs; stop it, or wait for its end, before publishing."))
    if not run.canPublish:
        raise MedSynthError(_("The training has no validated epoch yet; let it run for at least one."))
    request = {"job": "publish", "run": str(run.folder), "data": None, "about": about, "device": device}
    return WorkerJob(request, onFinished, **callbacks)


def addToLibrary(package: Path, onFinished: Finished, **callbacks: Any) -> WorkerJob:
    """Copy a package into the user's library after checking it; ``done`` has the ``name`` of the model."""
    return WorkerJob({"job": "import_model", "package": str(package)}, onFinished, **callbacks)


def exportPackage(package: Path, path: Path) -> Path:
    """Write a package as a zip file that others can import, and return its path.

    Raises:
        MedSynthError: the package is not whole, or the file cannot be written.
    """
    from medsynth_core.models.library import export_model

    return export_model(package, path)


def readScores(table: Path) -> list[dict[str, Any]]:
    """Return the rows of a package's table of test cases: ``case`` and the metrics as numbers.

    Raises:
        MedSynthError: it cannot be read.
    """
    try:
        with table.open(newline="", encoding="utf-8") as file:
            return [
                {"case": row["case"], **{name: float(row[name]) for name in TITLES if row.get(name)}}
                for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, KeyError) as problem:
        raise MedSynthError(_("{table} cannot be read: {reason}.").format(table=table, reason=problem)) from problem


def means(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the mean of each metric over the cases that have it."""
    found = {name: [row[name] for row in rows if row.get(name) is not None] for name in TITLES}
    return {name: mean(values) for name, values in found.items() if values}
