"""Studies one after the other, of which one is read while the network runs over the next and a third is written."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any, Literal

from medsynth_core.batches.input_record import recorded
from medsynth_core.batches.settings import BatchSettings
from medsynth_core.batches.study import Study
from medsynth_core.batches.study_folder import StudyFolder
from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.failures import as_user_error, is_disk_full
from medsynth_core.inference.loaded_model import LoadedModel
from medsynth_core.inference.model_input import read_input
from medsynth_core.inference.prediction import Prediction, predict
from medsynth_core.inference.steps import Synthesis
from medsynth_core.preparation.case import Prepared
from medsynth_core.progress import Progress

# Studies in memory: one in each step.
_AT_ONCE = 3
# Seconds after which a waiting step looks whether the batch has been stopped, and after which the progress is repeated,
# which may ask for that.
_LOOK_S, _REPEAT_S = 0.1, 0.5


@dataclass(frozen=True)
class Outcome:
    """What became of a study.

    Attributes:
        study: its name.
        state: ``made`` now, ``there`` already, or ``failed``.
        message: one sentence on why it failed.
    """

    study: str
    state: Literal["made", "there", "failed"]
    message: str = ""


@dataclass(eq=False)
class _Job:
    """A study on its way through the steps."""

    number: int
    folder: StudyFolder
    synthesis: Synthesis
    prepared: Prepared
    inputs: dict[str, Any]
    seconds: float
    predicted: Prediction | None = None


class StudyQueue:
    """Works on studies in three steps that overlap, each in a thread: reading, network, writing.

    At most three studies are in memory. A study that fails does not stop the others; a full disk does.

    Args:
        loaded: the model.
        output: existing folder, in which each study gets one of its own.
        settings: what is written.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        batch_size: slices at once; None chooses by the device.
    """

    def __init__(
        self, loaded: LoadedModel, output: Path, settings: BatchSettings, device: str, batch_size: int | None
    ) -> None:
        self._loaded, self._output, self._settings = loaded, output, settings
        self._device, self._batch_size = device, batch_size
        self._read: Queue[_Job | None] = Queue(maxsize=1)
        self._predicted: Queue[_Job | None] = Queue(maxsize=1)
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
            MedSynthError: the disk is full, or no study can be computed: there is no such device, for example.
            Cancelled: the progress callback requested a stop; no study is left half-written.
        """
        self._loaded.predictor(self._device, self._batch_size)  # refuses a wrong option once, not for each study
        self._ended, self._progress = ended, progress
        threads = [
            threading.Thread(target=self._step, args=(self._read_all, studies), name="medsynth-reading"),
            threading.Thread(target=self._step, args=(self._write_all, len(studies)), name="medsynth-writing"),
        ]
        for thread in threads:
            thread.start()
        try:
            self._predict_all(len(studies))
        except BaseException:
            self._stopped.set()
            raise
        finally:
            for thread in threads:
                thread.join()
        if self._fatal is not None:
            raise as_user_error(self._fatal) or self._fatal

    def _step(self, work: Callable[[Any], None], given: Any) -> None:
        """Run a step in its thread; what it does not expect stops the batch."""
        try:
            work(given)
        except BaseException as failure:  # noqa: BLE001 - raised again in the thread of the caller
            self._fatal = self._fatal or failure
            self._stopped.set()

    def _read_all(self, studies: Sequence[Study]) -> None:
        for number, study in enumerate(studies):
            if not self._enter():
                return
            folder = StudyFolder(self._output / study.name, study, self._loaded.model, self._settings)
            job = self._attempted(study.name, partial(self._begin, number, folder))
            if job is not None:
                self._put(self._read, job)
        self._put(self._read, None)

    def _begin(self, number: int, folder: StudyFolder) -> _Job | None:
        """Read and prepare a study; None if its results are there."""
        study, model, started = folder.study, folder.model, time.monotonic()
        if study.problem:
            raise MedSynthError(study.problem)
        if folder.is_done():
            self._end(Outcome(study.name, "there"))
            return None
        contract = model.synthesis.contract
        units = {contract.input_role: self._settings.unit}
        # Before the files are read, so that a change in the meantime is noticed the next time.
        inputs = recorded(study)
        volumes = {role: read_input(path, contract, units.get(role, ""), role) for role, path in study.files.items()}
        synthesis = Synthesis(volumes, model, uncertainty=self._settings.uncertainty)
        prepared = synthesis.prepare(self._of(study))
        return _Job(number, folder, synthesis, prepared, inputs, time.monotonic() - started)

    def _predict_all(self, count: int) -> None:
        while (job := self._get(self._read)) is not None:
            name, begun = job.folder.study.name, time.monotonic()
            start, stop = job.number / count, (job.number + 1) / count
            self._show(start, f"Study {job.number + 1} of {count}: {name}")
            telling = Progress(partial(self._within, start, stop), log=self._of(job.folder.study).log)
            predicted = self._attempted(name, partial(self._predict, job, telling))
            if predicted is not None:
                job.predicted = predicted
                job.seconds += time.monotonic() - begun
                self._put(self._predicted, job)
        self._put(self._predicted, None)

    def _predict(self, job: _Job, progress: Progress) -> Prediction:
        predictor = self._loaded.predictor(self._device, self._batch_size)
        return predict(predictor, job.prepared, job.synthesis.recording(progress))

    def _write_all(self, count: int) -> None:
        while (job := self._get(self._predicted)) is not None:
            self._attempted(job.folder.study.name, partial(self._finish, job))

    def _finish(self, job: _Job) -> None:
        study = job.folder.study
        assert job.predicted is not None
        results = job.synthesis.finish(job.predicted, job.seconds, self._of(study))
        first = job.synthesis.given[job.synthesis.contract.input_role]
        job.folder.write(results, first, job.inputs)
        self._end(Outcome(study.name, "made"))

    def _attempted(self, study: str, work: Callable[[], Any]) -> Any:
        """Return what ``work`` returns; None if it fails for this study alone, which has ended then.

        `Cancelled` and what stops a process are no failures of a study.
        """
        try:
            return work()
        except Exception as failure:
            error = as_user_error(failure)
            if isinstance(failure, Cancelled) or is_disk_full(failure):
                raise
            if error is None:
                self._tell(traceback.format_exc())
                message = f"MedSynth failed: {type(failure).__name__}: {failure}; please report it."
            else:
                message = error.message
            self._end(Outcome(study, "failed", message))
            return None

    def _end(self, outcome: Outcome) -> None:
        self._room.release()
        with self._lock:
            self._ended(outcome)

    def _of(self, study: Study) -> Progress:
        """Return a progress whose log names the study."""
        return Progress(log=lambda message: self._tell(f"{study.name}: {message}"))

    def _tell(self, message: str) -> None:
        with self._lock:
            self._progress.log(message)

    def _within(self, start: float, stop: float, done: float, message: str) -> None:
        self._show(start + done * (stop - start), self._last[1])

    def _show(self, fraction: float, message: str) -> None:
        self._shown, self._last = time.monotonic(), (fraction, message)
        self._progress(fraction, message)

    def _enter(self) -> bool:
        """Wait until there is room for another study; False if the batch has been stopped."""
        while not self._stopped.is_set():
            if self._room.acquire(timeout=_LOOK_S):
                return True
        return False

    def _put(self, queue: Queue[_Job | None], job: _Job | None) -> None:
        while not self._stopped.is_set():
            try:
                queue.put(job, timeout=_LOOK_S)
                return
            except Full:
                continue

    def _get(self, queue: Queue[_Job | None]) -> _Job | None:
        """Return the next job; None if there is none left, or the batch has been stopped."""
        while not self._stopped.is_set():
            try:
                return queue.get(timeout=_LOOK_S)
            except Empty:
                if queue is self._read and time.monotonic() - self._shown > _REPEAT_S:
                    self._show(*self._last)
        return None
