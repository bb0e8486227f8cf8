"""The worker process that a session keeps between jobs: only the first job waits for Python and PyTorch to start."""

import math
import weakref
from pathlib import Path

import slicer

from MedSynthLib.process import WorkerProcess, workerCommand, workerEnvironment

KEEP_MINUTES = "MedSynth/keepWorkerMinutes"
DEFAULT_MINUTES = 10.0
MOST_MINUTES = 24 * 60.0

_kept: list[WorkerProcess] = []
# Workers that may be kept: those that were started since `endKeptWorker` was called.
_current: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()


def keepMinutes() -> float:
    """Return for how many minutes, a day at most, a worker without work is kept; 0 for not at all."""
    try:
        minutes = float(slicer.util.settingsValue(KEEP_MINUTES, DEFAULT_MINUTES))
    except (TypeError, ValueError):
        minutes = math.nan
    return DEFAULT_MINUTES if math.isnan(minutes) else min(max(0.0, minutes), MOST_MINUTES)


def startOf(coreFolder: Path) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of a worker that would be started now."""
    return workerCommand(), workerEnvironment(coreFolder)


def takeWorker(coreFolder: Path) -> tuple[WorkerProcess, bool]:
    """Return a worker for a job, and whether it is the kept one; a new one if none is kept or it would differ.

    Raises:
        OSError: no process can be started.
    """
    started = startOf(coreFolder)
    while _kept:
        worker = _kept.pop()
        if worker.ready() and (worker.command, worker.environment) == started:
            return worker, True
        worker.waitUntilGone()
    return newWorker(coreFolder), False


def newWorker(coreFolder: Path) -> WorkerProcess:
    """Return a worker that has just been started.

    Raises:
        OSError: no process can be started.
    """
    worker = WorkerProcess(coreFolder, 60 * keepMinutes())
    _current.add(worker)
    return worker


def keepWorker(worker: WorkerProcess) -> bool:
    """Keep a worker whose job has ended, and return whether it is kept: there is one at most."""
    if _kept or worker not in _current or not worker.ready() or keepMinutes() == 0:
        return False
    _kept.append(worker)
    return True


def keptWorker() -> WorkerProcess | None:
    """Return the worker that waits for a job, if there is one."""
    return next(iter(_kept), None)


def endKeptWorker() -> None:
    """End the kept worker, for example before the packages that it has loaded are replaced.

    Workers that have a job now are not kept after it, because they may have loaded the same.
    """
    _current.clear()
    while _kept:
        _kept.pop().waitUntilGone()
