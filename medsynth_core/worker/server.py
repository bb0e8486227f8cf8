"""The main loop of the worker process: reads requests, runs one job at a time, writes events.

Own protocol: JSON lines over pipes need no package in Slicer and no port, and end with either process.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TextIO, cast

from medsynth_core.errors import Cancelled, ExitStatus, MedSynthError
from medsynth_core.failures import as_user_error
from medsynth_core.interruption import Terminated, raise_on_termination
from medsynth_core.io.json_reading import parse_json
from medsynth_core.io.temporary import remove_temporary
from medsynth_core.progress import Progress
from medsynth_core.worker import (
    batch_jobs,
    data_jobs,
    dicom_jobs,
    generation_jobs,
    structure_jobs,
    synthesis_jobs,
    training_jobs,
)
from medsynth_core.worker.requests import check_types

# Share of the main memory below which a worker that has nothing to do makes room.
LEAST_FREE = 0.1
# Seconds after which a waiting worker looks whether it should end.
_LOOK_S = 1.0

# A request, and whether it is cancelled.
_Job = tuple[dict[str, Any], threading.Event]
JOBS: dict[str, Callable[[dict[str, Any], Progress], dict[str, Any]]] = {
    "describe": synthesis_jobs.describe,
    "synthesize": synthesis_jobs.synthesize,
    "batch": batch_jobs.batch,
    "extract_structure": structure_jobs.extract_structure,
    "generate": generation_jobs.generate,
    "convert_to_suv": dicom_jobs.convert_to_suv,
    "write_dicom": dicom_jobs.write_dicom,
    "check_cases": data_jobs.check_cases,
    "register": data_jobs.register,
    "build_pairs": data_jobs.build_pairs,
    "thumbnails": data_jobs.thumbnails,
    "publish": training_jobs.publish,
    "import_model": synthesis_jobs.import_model,
}


class Worker:
    """Reads requests, runs one job at a time and writes events.

    Args:
        events: stream for events, one per line.
        keep_s: seconds without a job after which the process ends. It also ends, after its first job, as soon as it
            waits and less than a tenth of the main memory is free.
    """

    def __init__(self, events: TextIO, keep_s: float = math.inf) -> None:
        self._events, self._keep_s = events, keep_s
        self._lock = threading.Lock()
        self._jobs: queue.Queue[_Job] = queue.Queue()

    def serve(self, requests: TextIO) -> None:
        """Process requests until there are none for too long, or their stream ends, which ends this process."""
        threading.Thread(target=self._listen, args=(requests,), daemon=True).start()
        job: _Job | None = self._jobs.get()
        while job is not None:
            self._run(*job)
            del job
            _release_memory()
            job = self._next()

    def _next(self) -> _Job | None:
        """Return the next job; None when the process should end instead of waiting for it."""
        from medsynth_core.compute.memory import free_share  # psutil may be missing when a worker starts

        end = time.monotonic() + self._keep_s
        while True:
            try:
                return self._jobs.get(timeout=_LOOK_S)
            except queue.Empty:
                if time.monotonic() > end or free_share() < LEAST_FREE:
                    return None

    def _listen(self, requests: TextIO) -> None:
        # Each job has its own event, because a cancel applies to all jobs requested before it and to none after.
        requested: list[threading.Event] = []
        try:
            for line in filter(str.strip, requests):
                request = _parsed(line)
                if request is None:
                    message = "A request to the worker must be a JSON object with the key 'job'."
                    self._emit("error", kind="input", message=message, hint="")
                elif request["job"] == "cancel":
                    for cancelled in requested:
                        cancelled.set()
                    requested.clear()
                else:
                    requested.append(threading.Event())
                    self._jobs.put((request, requested[-1]))
        finally:
            # At once, because a job in the main thread may be inside a library; so its files are removed here.
            remove_temporary()
            os._exit(ExitStatus.SUCCESS)

    def _emit(self, event: str, **content: Any) -> None:
        with self._lock:
            self._events.write(json.dumps({"event": event, **content}) + "\n")
            self._events.flush()

    def _run(self, request: dict[str, Any], cancelled: threading.Event) -> None:
        self._emit("started", job=request["job"])
        progress = Progress(
            lambda fraction, message: self._emit("progress", progress=fraction, message=message),
            cancelled=cancelled.is_set,
            log=lambda message: self._emit("log", message=message),
        )
        try:
            job = JOBS.get(request["job"])
            if job is None:
                raise MedSynthError(f"There is no job '{request['job']}'; choose one of {', '.join(JOBS)}.")
            check_types(request)
            self._emit("done", **job(request, progress))
        except Cancelled:
            self._emit("cancelled")
        except Exception as failure:
            self._report(failure)

    def _report(self, failure: Exception) -> None:
        """Write why a job failed: every failure must reach the waiting window."""
        error = as_user_error(failure)
        if error is not None:
            self._emit("error", kind=error.kind, message=error.message, hint=error.hint)
            return
        self._emit("log", message=traceback.format_exc())
        message = f"MedSynth failed: {type(failure).__name__}: {failure}"
        self._emit("error", kind="failure", message=message, hint="See the log, and please report it.")


def _parsed(line: str) -> dict[str, Any] | None:
    """Return the request in a line; None if it is not a request."""
    try:
        request = parse_json(line)
    except ValueError:
        return None
    return request if isinstance(request, dict) and isinstance(request.get("job"), str) else None


def _release_memory() -> None:
    """Let other programs have the memory of a job that has ended."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    _return_freed_pages()


def _return_freed_pages() -> None:
    """Let the C library of Linux give back what was freed: it keeps much of it, with the voxels that were there."""
    if sys.platform == "linux":
        # Not every C library has this function.
        getattr(ctypes.CDLL(None), "malloc_trim", lambda pad: 0)(0)


def main() -> NoReturn:
    """Serve the requests of the process that started this one, with the options of its command line."""
    raise_on_termination()
    parser = argparse.ArgumentParser(prog="python -m medsynth_core.worker", description=__doc__)
    parser.add_argument("--keep", type=float, default=math.inf, help="seconds to wait for the next job (for ever)")
    keep_s = parser.parse_args().keep
    # Output of libraries must not break the protocol, so stdout is redirected to stderr.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Requests are UTF-8 on every system; invalid bytes are replaced instead of ending this process.
    requests = open(sys.stdin.fileno(), encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    try:
        Worker(events, keep_s).serve(requests)
        status = int(ExitStatus.SUCCESS)
    except KeyboardInterrupt:
        status = int(ExitStatus.CANCELLED)
    except Terminated as stop:
        status = int(cast(int, stop.code))
    remove_temporary()
    # Not by Python's own end, which would wait for the thread that reads requests.
    os._exit(status)
