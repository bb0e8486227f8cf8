"""One job in a worker process: its state, its events and its result."""

import enum
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.io.temporary import temporary_name
from MedSynthLib import coreFolder
from MedSynthLib.connections import Timer
from MedSynthLib.kept_worker import keepWorker, newWorker, takeWorker
from MedSynthLib.process import WorkerProcess, removeFolders

POLL_INTERVAL_MS = 50
CANCEL_PATIENCE_S = 3.0
# A worker reports as soon as it has started, but on a slow network disk Python itself needs time to start.
START_PATIENCE_S = 60.0
# A kept worker only has to read the request; one that was stopped or does not get on is replaced by a new one.
KEPT_PATIENCE_S = 15.0
# Kinds of errors after which a worker is not trusted with another job: a device may have failed, or MedSynth itself.
FATAL = ("device", "failure")


class State(enum.Enum):
    """What a job is doing."""

    RUNNING = "running"
    CANCELLING = "cancelling"
    FINISHED = "finished"


class WorkerJob:
    """Runs one request in a worker process, and calls back in the main thread.

    The worker that the last job has left is used, if there is one (see `kept_worker`).

    Args:
        request: request to the worker (see ``medsynth_core.worker``).
        onFinished: called once as ``onFinished(result, error)``; one of the two is None, and the error is a
            `MedSynthError` or `Cancelled`.
        onProgress: called as ``onProgress(fraction, message)`` with a fraction in 0…1.
        onLog: called as ``onLog(message)``.
        resultOf: returns the result for the worker's last event; by default that event is the result. An exception
            that it raises becomes the error.
        folder: the files of the job, with voxels of a patient; removed when it has finished.
        made: folder of what the worker makes; removed when the job has finished without a result.
    """

    # Seconds in which the worker may finish what it is doing when it is asked to stop; None for the usual ones.
    cancelPatience: float | None = None
    # Whether it works on the scene, so that it ends when that is closed.
    isOfScene = True

    def __init__(
        self,
        request: dict[str, Any],
        onFinished: Callable[[Any, Exception | None], None],
        onProgress: Callable[[float, str], None] = lambda fraction, message: None,
        onLog: Callable[[str], None] = lambda message: None,
        resultOf: Callable[[dict[str, Any]], Any] = lambda done: done,
        folder: Path | None = None,
        made: Path | None = None,
    ) -> None:
        self.state = State.RUNNING
        self._onFinished, self._onProgress, self._onLog = onFinished, onProgress, onLog
        self._resultOf, self._made = resultOf, made
        self._cancelDeadline = 0.0
        self._request, self._exchanged, self._kept = request, folder, False
        self._hand(*takeWorker(coreFolder()))
        self._timer = Timer(self.poll, POLL_INTERVAL_MS)
        self._timer.start()

    @property
    def workerPid(self) -> int:
        """Process ID of the worker."""
        return self._worker.pid

    def _hand(self, worker: WorkerProcess, used: bool) -> None:
        """Hand the request to a worker that was ``used`` before or is new."""
        self._worker, self._used = worker, used
        if self._exchanged is not None:
            worker.removeAtEnd(self._exchanged)
        if used:
            worker.forgetLastWords()
        worker.send(self._request)
        self._startDeadline = time.monotonic() + (KEPT_PATIENCE_S if used else START_PATIENCE_S)

    def cancel(self) -> None:
        """Ask the worker to stop; it is killed if it does not within a few seconds."""
        if self.state is State.RUNNING:
            self.state = State.CANCELLING
            self._cancelDeadline = time.monotonic() + (self.cancelPatience or CANCEL_PATIENCE_S)
            self._worker.send({"job": "cancel"})

    def abort(self) -> None:
        """Kill the worker at once and finish as cancelled; afterwards nothing of the job is left."""
        if not self._kept:
            self._worker.kill()
        if self.state is not State.FINISHED:
            self._finish(None, Cancelled())
        self._waitUntilGone()

    def wait(self) -> None:
        """Return when the job has finished and its worker is gone or kept; the window stays responsive meanwhile."""
        while self.state is not State.FINISHED:
            self.poll()
            slicer.app.processEvents()
            time.sleep(0.01)
        self._waitUntilGone()

    def poll(self) -> None:
        """Handle the worker's events since the last call; after the last one, see to it that the worker ends."""
        if self.state is State.FINISHED:
            self._endWorker()
            return
        while self.state is not State.FINISHED and (event := self._worker.nextEvent()) is not None:
            self._handle(event)
        if self.state is State.CANCELLING and time.monotonic() > self._cancelDeadline:
            self._worker.kill()
            self._finish(None, Cancelled())
        elif self.state is State.RUNNING and time.monotonic() > self._startDeadline:
            self._worker.kill()
            self._startAgain() if self._used else self._finish(None, self._silence())

    def _handle(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "ended" and self._used and self.state is State.RUNNING and self._startDeadline < math.inf:
            self._startAgain()
            return
        self._startDeadline = math.inf
        if kind == "progress":
            self._onProgress(event["progress"], event.get("message", ""))
        elif kind == "log":
            self._onLog(event["message"])
        elif kind == "cancelled" or (kind == "done" and self.state is State.CANCELLING):
            # A worker that finishes just when it is cancelled counts as cancelled.
            self._finish(None, Cancelled(), usable=True)
        elif kind == "done":
            self._succeed(event)
        elif kind == "error":
            error = MedSynthError(event["message"], kind=event.get("kind", ""), hint=event.get("hint") or "")
            self._finish(None, error, usable=error.kind not in FATAL)
        elif kind == "ended":
            self._finish(None, Cancelled() if self.state is State.CANCELLING else self._crash())

    def _startAgain(self) -> None:
        """Start the job in a new worker, as the kept one did not react to the request or ended when it got it."""
        try:
            worker = newWorker(coreFolder())
        except OSError:
            self._finish(None, self._crash())
            return
        self._worker.filesOfJob()  # the new one gets them
        self._worker.waitUntilGone()
        self._hand(worker, False)

    def _crash(self) -> MedSynthError:
        lastWords = self._worker.lastWords()
        logging.error("MedSynth: the worker process ended unexpectedly.\n%s", lastWords)
        reason = lastWords.splitlines()[-1] if lastWords else _("no message")
        return MedSynthError(
            _("The worker process ended unexpectedly ({reason}).").format(reason=reason),
            kind="device",
            hint=_("If memory ran out, choose the CPU or a smaller batch size under Advanced."),
        )

    def _silence(self) -> MedSynthError:
        logging.error("MedSynth: the worker process did not answer.\n%s", self._worker.lastWords())
        return MedSynthError(
            _("The worker process did not answer within {seconds:g} s.").format(seconds=START_PATIENCE_S),
            kind="device",
            hint=_("Try again; if it happens every time, report it with Slicer's log."),
        )

    def _succeed(self, done: dict[str, Any]) -> None:
        try:
            result = self._resultOf(done)
        except (MedSynthError, OSError, ValueError) as problem:
            self._finish(None, problem, usable=True)
        except Exception as problem:  # the job has ended in any case, and must call back
            logging.exception("MedSynth: a result could not be put into the scene.")
            self._finish(None, notPutIntoScene(problem), usable=True)
        else:
            self._finish(result, None, usable=True)

    def _finish(self, result: Any, error: Exception | None, usable: bool = False) -> None:
        """Call back, and let go of the worker, which is kept for the next job if it is ``usable`` for one."""
        self.state = State.FINISHED
        if error is not None and self._made is not None:
            self._worker.removeAtEnd(self._made)
        # Before the call: it may start the next job.
        folders = self._worker.filesOfJob() if usable else []
        self._kept = usable and keepWorker(self._worker)
        try:
            self._onFinished(result, error)
        finally:
            for folder in removeFolders(folders):
                self._worker.removeAtEnd(folder)
            if self._kept:
                self._timer.close()
            else:
                self._worker.close()
            self._release()

    def _endWorker(self) -> None:
        # A kept worker may have the next job already, whose end is not that of this one.
        if self._kept or self._worker.gone():
            self._timer.close()

    def _waitUntilGone(self) -> None:
        if not self._kept:
            self._worker.waitUntilGone()
        self._timer.close()

    def _release(self) -> None:
        """Drop references to the scene so that it can be garbage-collected: the job itself is kept after its end."""
        del self._onFinished, self._onProgress, self._onLog, self._resultOf, self._request


def notPutIntoScene(problem: Exception) -> MedSynthError:
    """Return the error of a job whose result could not be put into the scene."""
    noMemory = isinstance(problem, MemoryError)
    reason = _("memory ran out") if noMemory else str(problem) or type(problem).__name__
    return MedSynthError(
        _("The result could not be put into the scene: {reason}.").format(reason=reason),
        kind="device" if noMemory else "",
        hint=_("Close other volumes, or crop this one, and try again.")
        if noMemory
        else _("Report it with Slicer's log."),
    )


class VolumeJob(WorkerJob):
    """A job that exchanges voxels with its worker as files in a temporary folder.

    Args:
        request: returns the request after writing voxels to the folder that it gets (see `handed`).
        onFinished: as for `WorkerJob`.
        options: the other arguments of `WorkerJob`.

    Raises:
        MedSynthError: the files could not be written, or no process could be started. Nothing of the job stays then.
    """

    def __init__(
        self,
        request: Callable[[Path], dict[str, Any]],
        onFinished: Callable[[Any, Exception | None], None],
        **options: Any,
    ) -> None:
        try:
            folder = Path(slicer.app.temporaryPath) / temporary_name()
            folder.mkdir(mode=0o700)
            with removedOnFailure(folder):
                super().__init__(request(folder), onFinished, folder=folder, **options)
        except OSError as problem:
            raise MedSynthError(
                _("The images could not be passed to the worker process: {reason}.").format(reason=problem),
                kind="output",
            ) from problem


@contextmanager
def removedOnFailure(folder: Path) -> Iterator[None]:
    """Remove a folder if the block raises an exception: a job that has not started cannot remove it at its end."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def handed(volume: Any, file: Path) -> dict[str, Any]:
    """Write the voxels of a ``medsynth_core.volume.Volume`` for a worker; return the volume's entry in a request.

    Raises:
        OSError: they cannot be written.
    """
    np.save(file, volume.voxels)
    return {
        "voxels": str(file), "ijk_to_ras": volume.ijk_to_ras.tolist(),
        "modality": volume.modality, "unit": volume.unit, "metadata": volume.metadata,
    }  # fmt: skip
