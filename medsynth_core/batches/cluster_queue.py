"""The studies of a batch on the processes of a Dask cluster.

If a process dies, Dask starts its study again in another one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from distributed import CancelledError, Client, Future, KilledWorker, wait

from medsynth_core.batches.cluster import ask_all
from medsynth_core.batches.run_record import RECORD
from medsynth_core.batches.settings import BatchSettings
from medsynth_core.batches.study import Study
from medsynth_core.batches.study_steps import Outcome, StudySteps
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import as_user_error
from medsynth_core.inference.kept_model import kept_model
from medsynth_core.progress import Progress
from medsynth_core.version import __version__

# Studies that are sent to the scheduler ahead for each process, so that none waits.
_AHEAD = 2
_LOOK_S = 0.5
# Seconds in which workers finish the study that they have begun when a batch is stopped.
_PATIENCE_S = 60.0
_ONE = threading.Lock()


@dataclass(frozen=True)
class Order:
    """What a process of the cluster needs to know besides the study; paths must mean the same to all of them.

    Attributes:
        package: absolute path of the model's package.
        identity: of the model.
        output: absolute path of the folder of the results.
        settings, device, batch_size: as those of `StudySteps`.
        version: of MedSynth.
    """

    package: str
    identity: str
    output: str
    settings: BatchSettings
    device: str
    batch_size: int | None
    version: str = __version__

    @classmethod
    def of(cls, steps: StudySteps) -> Order:
        """Return the order of a batch."""
        model = steps.loaded.model
        package, folder = (str(path.resolve()) for path in (model.path, steps.output))
        return cls(package, model.identity, folder, steps.settings, steps.device, steps.batch_size)


def work(order: Order, study: Study) -> tuple[Outcome, list[str]]:
    """Take all steps of a study in a process of the cluster, and return what became of it, and its log.

    Raises:
        MedSynthError: the disk is full, or this process has another model of that name.
    """
    if order.version != __version__:
        raise MedSynthError(
            f"A worker has MedSynth {__version__}, and the batch was started by MedSynth {order.version}; install the "
            "same version on all computers.",
            kind="device",
        )
    # A worker may have several threads, but a network only computes one study at a time.
    with _ONE:
        return _work(order, study)


def _work(order: Order, study: Study) -> tuple[Outcome, list[str]]:
    log: list[str] = []
    # Workers that came later have not been asked yet; another disk would get the results.
    if not (Path(order.output) / RECORD).is_file():
        raise MedSynthError(f"A worker does not see {order.output}; use a disk that all computers have at that path.")
    loaded = kept_model(order.package)
    if loaded.model.identity != order.identity:
        raise MedSynthError(
            f"The model {order.package} has changed since the batch began, or is another one on one of the computers; "
            "start the batch again."
        )
    steps = StudySteps(loaded, Path(order.output), order.settings, order.device, order.batch_size)
    try:
        return steps.all(study, Progress(log=log.append)), log
    except OSError as error:
        raise as_user_error(error) or error from error


def _finished(patience_s: float) -> bool:
    """Wait until this process computes no study; False if it still does."""
    free = _ONE.acquire(timeout=patience_s)
    if free:
        _ONE.release()
    return free


def _not_there(paths: Sequence[str]) -> str:
    """Return the first of some paths that this process does not see; "" if it sees all."""
    return next((path for path in paths if not Path(path).exists()), "")


class ClusterQueue:
    """Works on studies on a cluster.

    Args:
        client: client of the cluster.
        order: what is done.
    """

    def __init__(self, client: Client, order: Order) -> None:
        self._client, self._order = client, order

    def run(self, studies: Sequence[Study], ended: Callable[[Outcome], None], progress: Progress) -> None:
        """Work on studies until all have ended; arguments and errors as for `StudyQueue.run`."""

        self._check_places(studies)
        waiting, done = iter(studies), 0
        begun: dict[Future, Study] = {}
        try:
            while True:
                # Workers may come and go.
                ahead = _AHEAD * max(1, sum(self._client.nthreads().values()))
                for study in islice(waiting, max(0, ahead - len(begun))):
                    begun[self._client.submit(work, self._order, study, pure=False)] = study
                progress(done / max(1, len(studies)), f"{done} of {len(studies)} studies")
                if not begun:
                    return
                for future in self._ended(begun):
                    self._end(future, begun.pop(future), ended, progress)
                    done += 1
        except BaseException:
            self._stop(list(begun))
            raise

    def _stop(self, begun: list[Future]) -> None:
        """Drop the studies that wait, and let workers finish those that they have begun, so that none writes later."""
        with suppress(Exception):
            self._client.cancel(begun, force=True)
            self._client.run(_finished, _PATIENCE_S)

    def _ended(self, begun: Iterable[Future]) -> list[Future]:
        """Return the studies that have ended after a moment."""
        # In Python 3.10 Dask raises another TimeoutError.
        with self._client.as_current(), suppress(TimeoutError, asyncio.TimeoutError):
            wait(list(begun), timeout=_LOOK_S, return_when="FIRST_COMPLETED")
        return [future for future in begun if future.done()]

    def _end(self, future: Future, study: Study, ended: Callable[[Outcome], None], progress: Progress) -> None:
        try:
            outcome, log = future.result()
        except KilledWorker:
            message = (
                "The processes that worked on it ended one after the other; it may need more memory than there is."
            )
            outcome, log = Outcome(study.name, "failed", message), []
        except (CancelledError, asyncio.CancelledError) as error:
            raise MedSynthError(
                "The connection to the scheduler was lost; check that it runs, and start the batch again to make what "
                "is missing.",
                kind="device",
            ) from error
        for message in log:
            progress.log(f"{study.name}: {message}")
        ended(outcome)

    def _check_places(self, studies: Sequence[Study]) -> None:
        """Check that all workers see the folder of the results, the model, and the first study that is here."""
        first = next((path for study in studies for path in study.files.values() if path.exists()), None)
        paths = [self._order.output, self._order.package, *([str(first.resolve())] if first else [])]
        for worker, missing in ask_all(self._client, _not_there, paths).items():
            if missing and isinstance(missing, str):
                raise MedSynthError(
                    f"The worker {worker} does not see {missing}; use a disk that all computers have at the same path."
                )
