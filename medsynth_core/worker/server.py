"""The main loop of the worker process: reads requests, runs one job at a time, writes events.

Own protocol: JSON lines over pipes need no package in Slicer and no port, and end with either process.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TextIO, cast

from medsynth_core.errors import Cancelled, ExitStatus, MedSynthError
from medsynth_core.failures import as_user_error
from medsynth_core.interruption import Terminated, raise_on_termination
from medsynth_core.io.json_reading import parse_json
from medsynth_core.io.temporary import remove_temporary
from medsynth_core.progress import Progress
from medsynth_core.worker import data_jobs, dicom_jobs, generation_jobs, structure_jobs, synthesis_jobs, training_jobs
from medsynth_core.worker.requests import check_types

JOBS: dict[str, Callable[[dict[str, Any], Progress], dict[str, Any]]] = {
    "describe": synthesis_jobs.describe,
    "synthesize": synthesis_jobs.synthesize,
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
    """

    def __init__(self, events: TextIO) -> None:
        self._events = events
        self._lock = threading.Lock()
        self._jobs: queue.Queue[tuple[dict[str, Any], threading.Event]] = queue.Queue()

    def serve(self, requests: TextIO) -> NoReturn:
        """Process requests until their stream ends, which ends this process."""
        threading.Thread(target=self._listen, args=(requests,), daemon=True).start()
        while True:
            self._run(*self._jobs.get())

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


def main() -> NoReturn:
    """Serve the requests of the process that started this one."""
    raise_on_termination()
    # Output of libraries must not break the protocol, so stdout is redirected to stderr.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Requests are UTF-8 on every system; invalid bytes are replaced instead of ending this process.
    requests = open(sys.stdin.fileno(), encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    try:
        Worker(events).serve(requests)
    except KeyboardInterrupt:
        status = int(ExitStatus.CANCELLED)
    except Terminated as stop:
        status = int(cast(int, stop.code))
    remove_temporary()
    # Not by Python's own end, which would wait for the thread that reads requests.
    os._exit(status)
