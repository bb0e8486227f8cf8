"""One job at a time for a logic class: started, waited for, cancelled."""

import logging
from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib.job import State, WorkerJob


class JobRunner:
    """Keeps the job that a logic class has started last; a logic class derives from it."""

    def __init__(self) -> None:
        self._job: WorkerJob | None = None

    @property
    def state(self) -> State:
        """What the last job is doing; FINISHED if there was none."""
        return self._job.state if self._job is not None else State.FINISHED

    @property
    def isRunning(self) -> bool:
        """Whether a job is running."""
        return self.state is not State.FINISHED

    @property
    def workerPid(self) -> int | None:
        """Process ID of the last job's worker; None if there was no job."""
        return self._job.workerPid if self._job is not None else None

    def cancel(self) -> None:
        """Cancel the running job; nothing of it stays in the scene or on the disk."""
        if self.isRunning:
            self._job.cancel()

    def abort(self) -> None:
        """Cancel the running job at once, by killing its process; also end the process of a job that has finished."""
        if self._job is not None:
            self._job.abort()

    def abortForScene(self) -> None:
        """Abort the job if it works on the scene, which is being closed."""
        if self._job is not None and self._job.isOfScene:
            self._job.abort()

    def waitForCompletion(self) -> None:
        """Return when the job that was started has finished and its process is gone."""
        if self._job is not None:
            self._job.wait()

    def runJob(
        self,
        start: Callable[..., WorkerJob],
        waitForCompletion: bool = True,
        onProgress: Callable[[float, str], None] | None = None,
        onLog: Callable[[str], None] | None = None,
        onFinished: Callable[[Any, Exception | None], None] | None = None,
    ) -> Any:
        """Start a job, and return its result if it is to be waited for, else None.

        :param start: returns the job; called with the keywords ``onFinished``, ``onProgress`` and ``onLog``.
        :param waitForCompletion: return only when the job has finished; the window stays responsive meanwhile.
        :param onProgress: called as onProgress(fraction, message), with a fraction from 0 to 1.
        :param onLog: called as onLog(message); if None, messages go to Slicer's log, which is also kept in files.
        :param onFinished: called once as onFinished(result, error); one of the two is None.
        :raises MedSynthError: a job is running, this one cannot be started, or it failed while it was waited for.
        :raises Cancelled: it was cancelled while it was waited for.
        """
        if self.isRunning:
            raise MedSynthError(_("A job is already running; wait until it has finished or cancel it."))
        finished: list[tuple[Any, Exception | None]] = []

        def finish(result, error: Exception | None) -> None:
            finished.append((result, error))
            if onFinished is not None:
                onFinished(result, error)

        self._job = start(
            onFinished=finish,
            onProgress=onProgress or (lambda fraction, message: None),
            onLog=onLog or logging.info,
        )
        return resultOf(self._job, finished) if waitForCompletion else None


def awaited(start: Callable[[Callable[..., None]], WorkerJob]) -> Any:
    """Start a job, wait for it, and return its result.

    :param start: returns the job; called with the function to call as onFinished(result, error).
    :raises MedSynthError: the job cannot be started, or it failed.
    :raises Cancelled: it was cancelled.
    """
    finished: list[tuple[Any, Exception | None]] = []
    return resultOf(start(lambda result, error: finished.append((result, error))), finished)


def resultOf(job: WorkerJob, finished: list[tuple[Any, Exception | None]]) -> Any:
    """Wait for a job and return its result, or raise its error.

    :param finished: gets (result, error) when the job has finished.
    """
    job.wait()
    result, error = finished[0]
    if error is not None:
        raise error
    return result
