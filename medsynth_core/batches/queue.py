"""Studies one after the other, of which one is read while the network runs over the next and a third is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, Full, Queue
from typing import Any, TypeVar

from medsynth_core.batches.study import Study
from medsynth_core.batches.study_steps import Job, Outcome, StudySteps, failed, stops_all
from medsynth_core.failures import as_user_error
from medsynth_core.progress import Progress

T = TypeVar("T")
# A study between two steps, with its number; None after the last one.
_Passed = Queue[tuple[int, Job] | None]

# Studies in memory: one in each step.
_AT_ONCE = 3
# Seconds after which a waiting step looks whether the batch has been stopped, and after which the progress is repeated,
# which may ask for that.
_LOOK_S, _REPEAT_S = 0.1, 0.5


class StudyQueue:
    """Works on studies in three steps that overlap, each in a thread: reading, network, writing.

    At most three studies are in memory. A study that fails does not stop the others; a full disk does.
    """

    def __init__(self, steps: StudySteps) -> None:
        self._steps = steps
        self._read: _Passed = Queue(maxsize=1)
        self._predicted: _Passed = Queue(maxsize=1)
        self._stopped = threading.Event()
        self._fatal: BaseException | None = None
        self._lock, self._room = threading.RLock(), threading.Semaphore(_AT_ONCE)
        self._shown, self._last = 0.0, (0.0, "Reading the first study")

    def run(self, studies: Sequence[Study], ended: Callable[[Outcome], None], progress: Progress) -> None:
        """Work on studies until all have ended.

        Args:
            studies: the studies.
            ended: called when a study has ended, by one thread at a time.
            progress: reports.

        Raises:
            MedSynthError: the disk is full.
            Cancelled: the progress callback requested a stop; no study is left half-written.
        """
        self._ended, self._progress = ended, progress
        threads = [
            threading.Thread(target=self._alone, args=(self._read_all, studies), name="medsynth-reading"),
            threading.Thread(target=self._alone, args=(self._write_all, studies), name="medsynth-writing"),
        ]
        for thread in threads:
            thread.start()
        try:
            self._predict_all(studies)
        except BaseException:
            self._stopped.set()
            raise
        finally:
            for thread in threads:
                thread.join()
        if self._fatal is not None:
            raise as_user_error(self._fatal) or self._fatal

    def _alone(self, work: Callable[[Sequence[Study]], None], studies: Sequence[Study]) -> None:
        """Run a step in its thread; what it does not expect stops the batch."""
        try:
            work(studies)
        except BaseException as failure:  # noqa: BLE001 - raised again in the thread of the caller
            self._fatal = self._fatal or failure
            self._stopped.set()

    def _read_all(self, studies: Sequence[Study]) -> None:
        for number, study in enumerate(studies):
            if not self._enter():
                return
            job = self._attempted(study, partial(self._steps.read, study, self._of(study)))
            if job is not None:
                self._put(self._read, (number, job))
        self._put(self._read, None)

    def _predict_all(self, studies: Sequence[Study]) -> None:
        count = len(studies)
        while (item := self._get(self._read)) is not None:
            (number, job), study = item, studies[item[0]]
            self._show(number / count, f"Study {number + 1} of {count}: {study.name}")
            telling = Progress(partial(self._within, number, count), log=self._of(study).log)
            if self._attempted(study, partial(self._steps.predict, job, telling)) is not None:
                self._put(self._predicted, item)
        self._put(self._predicted, None)

    def _write_all(self, studies: Sequence[Study]) -> None:
        while (item := self._get(self._predicted)) is not None:
            study = studies[item[0]]
            written = self._attempted(study, partial(self._written, item[1], self._of(study)))
            del item  # before another study is read
            if written:
                self._end(Outcome(study.name, "made"))

    def _written(self, job: Job, progress: Progress) -> bool:
        self._steps.write(job, progress)
        return True

    def _attempted(self, study: Study, work: Callable[[], T | None]) -> T | None:
        """Return what ``work`` returns; None if the study has ended: its results are there, or it failed."""
        try:
            found = work()
        except Exception as failure:
            if stops_all(failure):
                raise
            self._end(failed(study, failure, self._of(study)))
            return None
        if found is None:
            self._end(Outcome(study.name, "there"))
        return found

    def _end(self, outcome: Outcome) -> None:
        self._room.release()
        with self._lock:
            self._ended(outcome)

    def _of(self, study: Study) -> Progress:
        """Return a progress whose log names the study."""
        return Progress(log=partial(self._tell, study.name))

    def _tell(self, study: str, message: str) -> None:
        with self._lock:
            self._progress.log(f"{study}: {message}")

    def _within(self, number: int, count: int, done: float, message: str) -> None:
        self._show((number + done) / count, self._last[1])

    def _show(self, fraction: float, message: str) -> None:
        self._shown, self._last = time.monotonic(), (fraction, message)
        self._progress(fraction, message)

    def _enter(self) -> bool:
        """Wait until there is room for another study; False if the batch has been stopped."""
        while not self._stopped.is_set():
            if self._room.acquire(timeout=_LOOK_S):
                return True
        return False

    def _put(self, queue: _Passed, item: tuple[int, Job] | None) -> None:
        while not self._stopped.is_set():
            try:
                queue.put(item, timeout=_LOOK_S)
                return
            except Full:
                continue

    def _get(self, queue: _Passed) -> Any:
        """Return the next study; None if there is none left, or the batch has been stopped."""
        while not self._stopped.is_set():
            try:
                return queue.get(timeout=_LOOK_S)
            except Empty:
                if queue is self._read and time.monotonic() - self._shown > _REPEAT_S:
                    self._show(*self._last)
        return None
