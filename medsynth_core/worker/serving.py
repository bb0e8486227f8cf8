"""The loop of the worker process: lines in, one job at a time, lines out."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.progress import Progress
from medsynth_core.worker import data_jobs, dicom_jobs, model_jobs, synthesis_jobs, training_jobs

JOBS: dict[str, Callable[[dict[str, Any], Progress], dict[str, Any]]] = {
    "describe": synthesis_jobs.describe,
    "synthesize": synthesis_jobs.synthesize,
    "convert_to_suv": dicom_jobs.convert_to_suv,
    "write_dicom": dicom_jobs.write_dicom,
    "check_cases": data_jobs.check_cases,
    "register": data_jobs.register,
    "build_pairs": data_jobs.build_pairs,
    "publish": training_jobs.publish,
    "import_model": model_jobs.import_model,
}


class Worker:
    """Reads requests, runs one job at a time and writes events.

    Args:
        events: where events go, a line each.
    """

    def __init__(self, events: TextIO) -> None:
        self._events = events
        self._lock = threading.Lock()
        self._jobs: queue.Queue[tuple[dict[str, Any], threading.Event]] = queue.Queue()

    def serve(self, requests: TextIO) -> None:
        """Answer requests until their stream ends."""
        threading.Thread(target=self._listen, args=(requests,), daemon=True).start()
        while True:
            self._run(*self._jobs.get())

    def _listen(self, requests: TextIO) -> None:
        # Each job has its own: a cancel means all jobs that were asked for before it, and none that follow.
        asked: list[threading.Event] = []
        try:
            for line in filter(str.strip, requests):
                request = _parsed(line)
                if request is None:
                    self._emit("error", kind="input", message="A request is a JSON object with a key 'job'.", hint="")
                elif request["job"] == "cancel":
                    for cancelled in asked:
                        cancelled.set()
                    asked.clear()
                else:
                    asked.append(threading.Event())
                    self._jobs.put((request, asked[-1]))
        finally:
            os._exit(0)

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
            self._emit("done", **job(request, progress))
        except Cancelled:
            self._emit("cancelled")
        except MedSynthError as error:
            self._emit("error", kind=error.kind, message=error.message, hint=error.hint)
        except Exception as error:
            # Whatever goes wrong must reach the window that waits; the traceback is for its log.
            self._emit("log", message=traceback.format_exc())
            message = f"MedSynth failed: {type(error).__name__}: {error}"
            self._emit("error", kind="failure", message=message, hint="The log says where; please report it.")


def _parsed(line: str) -> dict[str, Any] | None:
    """Return the request in a line, None if there is none."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return request if isinstance(request, dict) and isinstance(request.get("job"), str) else None


def main() -> None:
    """Serve the process that started this one."""
    # A library that prints must not break the protocol: its output goes to stderr.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # What the other side writes is UTF-8 whatever the system's language; what is not must not end this process.
    Worker(events).serve(open(sys.stdin.fileno(), encoding="utf-8", errors="replace", closefd=False))  # noqa: SIM115
