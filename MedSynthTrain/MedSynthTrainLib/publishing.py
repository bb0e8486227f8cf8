"""From a training to a model that others can run: test scores, package, library and zip file."""

from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from MedSynthLib.job import WorkerJob
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.io.table import read_rows
from medsynth_core.metrics.earlier_names import todays_scores
from medsynth_core.metrics.registry import METRICS
from MedSynthTrainLib.run import TrainingRun


def _title(name: str) -> str:
    unit = METRICS[name].unit_text()
    return f"{METRICS[name].title} ({unit})" if unit else METRICS[name].title


# The metrics shown for validation and test cases, with their titles.
TITLES = {name: _title(name) for name in ("mae", "psnr", "ssim_2d_wang11", "nrmse_minmax")}

Finished = Callable[[dict[str, Any] | None, Exception | None], None]


def publish(
    run: TrainingRun, about: dict[str, Any] | None, device: str, onFinished: Finished, **callbacks: Any
) -> WorkerJob:
    """Evaluate the best weights of a run on the test cases and write its package again.

    Args:
        run: stopped or finished, with a validated epoch.
        about: text of the model card; None keeps that of the recipe.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        onFinished: called once as ``onFinished(done, error)``; ``done`` has ``package``, ``cases`` and ``figure``.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`.

    Raises:
        MedSynthError: the run cannot be published now. Nothing has been started then.
    """
    run.poll()
    if run.alive:
        raise MedSynthError(_("The training is still running; publish it after it has stopped or finished."))
    if not run.canPublish:
        raise MedSynthError(_("The training has no validated epoch yet; let it run for at least one."))
    request = {"job": "publish", "run": str(run.folder), "data": None, "about": about, "device": device}
    return WorkerJob(request, onFinished, **callbacks)


def addToLibrary(package: Path, onFinished: Finished, **callbacks: Any) -> WorkerJob:
    """Check a package and copy it into the user's library.

    Args:
        package: folder of the package.
        onFinished: called once as ``onFinished(done, error)``; ``done`` has the ``name`` of the model.
        callbacks: ``onProgress`` and ``onLog``, as for `WorkerJob`.
    """
    return WorkerJob({"job": "import_model", "package": str(package)}, onFinished, **callbacks)


def exportPackage(package: Path, path: Path, replace: bool = False) -> Path:
    """Write a package as a zip file that others can import, and return its path.

    Args:
        package: the package.
        path: the zip file.
        replace: whether an existing file is replaced.

    Raises:
        MedSynthError: the package is not complete, the file exists, or it cannot be written.
    """
    from medsynth_core.models.library import export_model

    return export_model(package, path, replace=replace)


def readScores(table: Path) -> list[dict[str, Any]]:
    """Return the rows of a package's table of test cases: ``case`` and the metrics as numbers.

    Raises:
        MedSynthError: the table cannot be read.
    """
    try:
        return [
            {"case": row["case"], **{name: float(row[name]) for name in TITLES if row.get(name)}}
            for row in map(todays_scores, read_rows(table))
        ]
    except (OSError, ValueError, KeyError) as problem:
        raise MedSynthError(_("{table} cannot be read: {reason}.").format(table=table, reason=problem)) from problem


def means(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the mean of each metric over the cases that have it."""
    found = {name: [row[name] for row in rows if row.get(name) is not None] for name in TITLES}
    return {name: mean(values) for name, values in found.items() if values}
