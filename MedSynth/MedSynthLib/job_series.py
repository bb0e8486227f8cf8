"""Several jobs one after the other, which look like one job."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import Cancelled, MedSynthError
from MedSynthLib.job import State, WorkerJob, notPutIntoScene
from MedSynthLib.messages import sentenceOf


@dataclass
class Outcome:
    """What became of the jobs of a series.

    Attributes:
        made: the result of each job that succeeded, by the job's name.
        failed: one sentence on each of the others, by the job's name.
    """

    made: dict[str, Any] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


class JobSeries:
    """Runs jobs one after the other, in the worker that the one before has left, and calls back in the main thread.

    A job that fails does not stop the others. When the series is cancelled, what is finished stays.

    Args:
        steps: for each job its name, which no other has, and what starts it; called with the keywords ``onFinished``,
            ``onProgress`` and ``onLog``.
        onFinished: called once as ``onFinished(result, error)``; one of the two is None.
        onProgress: called as ``onProgress(fraction, message)`` with a fraction in 0…1.
        onLog: called as ``onLog(message)``.
        resultOf: returns the result for the outcome, which is the result by default. An error that it raises is that of
            the series.
    """

    isOfScene = True

    def __init__(
        self,
        steps: Iterable[tuple[str, Callable[..., WorkerJob]]],
        onFinished: Callable[[Any, Exception | None], None],
        onProgress: Callable[[float, str], None],
        onLog: Callable[[str], None],
        resultOf: Callable[[Outcome], Any] = lambda outcome: outcome,
    ) -> None:
        self.state = State.RUNNING
        self._steps, self._number = list(steps), 0
        self._onFinished, self._onProgress, self._onLog, self._resultOf = onFinished, onProgress, onLog, resultOf
        self._outcome, self._job = Outcome(), None
        self._startNext()

    @property
    def workerPid(self) -> int | None:
        """Process ID of the worker of the last job; None if no job could be started."""
        return self._job.workerPid if self._job is not None else None

    def cancel(self) -> None:
        """Cancel the running job and those that wait; the results that are there stay."""
        if self.state is State.RUNNING:
            self.state = State.CANCELLING
            self._job.cancel()

    def abort(self) -> None:
        """Kill the worker at once and finish as cancelled."""
        if self.state is State.RUNNING:
            self.state = State.CANCELLING
        if self._job is not None:
            self._job.abort()

    def wait(self) -> None:
        """Return when all jobs have ended and the worker is gone or kept; the window stays responsive meanwhile."""
        while self.state is not State.FINISHED:
            self._job.poll()
            slicer.app.processEvents()
            time.sleep(0.01)
        if self._job is not None:
            self._job.wait()

    def _startNext(self) -> None:
        """Start the next job that can be started; finish if there is none."""
        while self._number < len(self._steps):
            name, start = self._steps[self._number]
            try:
                self._job = start(onFinished=self._onEnded, onProgress=self._onStep, onLog=self._onMessage)
                return
            except Exception as problem:  # the series must end in any case
                self._fail(name, problem)
                self._number += 1
        self._finish(None)

    def _onEnded(self, result: Any, error: Exception | None) -> None:
        name = self._steps[self._number][0]
        if error is None:
            self._outcome.made[name] = result
        elif not isinstance(error, Cancelled):
            self._fail(name, error)
        if self.state is State.CANCELLING or isinstance(error, Cancelled):
            self._finish(Cancelled())
            return
        self._number += 1
        self._startNext()

    def _fail(self, name: str, error: Exception) -> None:
        if not isinstance(error, MedSynthError):
            logging.error("MedSynth: a job of a series failed.", exc_info=error)
        self._outcome.failed[name] = sentenceOf(error)
        self._onLog(_("{name} failed: {reason}").format(name=name, reason=sentenceOf(error)))

    def _onStep(self, fraction: float, message: str) -> None:
        said = _("{number} of {count}: {name}").format(
            number=self._number + 1, count=len(self._steps), name=self._steps[self._number][0]
        )
        self._onProgress((self._number + fraction) / len(self._steps), said)

    def _onMessage(self, message: str) -> None:
        self._onLog(f"{self._steps[self._number][0]}: {message}")

    def _finish(self, error: Exception | None) -> None:
        result = None
        if error is None:
            try:
                result = self._resultOf(self._outcome)
            except MedSynthError as problem:
                error = problem
            except Exception as problem:  # the series must end in any case
                logging.exception("MedSynth: the results could not be put into the scene.")
                error = notPutIntoScene(problem)
        self.state = State.FINISHED
        try:
            self._onFinished(result, error)
        finally:
            # So that nodes can be garbage-collected: the last job of a logic is kept after its end.
            del self._onFinished, self._onProgress, self._onLog, self._resultOf, self._outcome
            self._steps = []
