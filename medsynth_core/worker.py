"""A process that does long work for another one: requests come as JSON lines on stdin, events go out on stdout.

Requests::

    {"job": "describe"}
    {"job": "synthesize", "input": {"voxels": FILE.npy, "ijk_to_ras": [[…], …], "modality": "CT", "unit": "HU"},
     "output": FILE.npy, "model": NAME, "device": "auto", "batch_size": null}
    {"job": "cancel"}

Events have a key ``event``: ``started``, ``progress`` (``progress`` in 0…1, ``message``), ``log``, ``done``, ``error``
(``kind``, ``message``, ``hint``) and ``cancelled``. Voxels travel as ``.npy`` files in (k, j, i) order in a folder of
the caller's. One job runs at a time. A closed stdin ends the process at once, whatever it is doing: when the program
that asked is gone, nobody waits for the answer.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.progress import Progress
from medsynth_core.volume import Volume


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


def _required(content: Any, key: str) -> Any:
    """Return what a request, or a part of it, says for ``key``."""
    if not isinstance(content, dict) or content.get(key) is None:
        raise MedSynthError(f"The request to the worker does not state '{key}'; state it.")
    return content[key]


def _received(source: Any) -> Volume:
    """Return the volume that a request hands over."""
    try:
        voxels = np.load(_required(source, "voxels"), allow_pickle=False)
        matrix = np.array(_required(source, "ijk_to_ras"), dtype=np.float64)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise MedSynthError(f"The volume handed to the worker cannot be read: {error}.") from error
    return Volume(voxels, matrix, source.get("modality", ""), source.get("unit", ""))


def _synthesize(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from medsynth_core.inference.synthesis import synthesize
    from medsynth_core.io.atomic import check_place

    output, model = Path(_required(request, "output")), _required(request, "model")
    check_place(output)
    result = synthesize(
        _received(_required(request, "input")),
        model,
        device=request.get("device", "auto"),
        batch_size=request.get("batch_size"),
        progress=progress,
    )
    _save(result.voxels, output)
    return {
        "output": str(output),
        "modality": result.modality,
        "unit": result.unit,
        "metadata": result.metadata,
    }


def _save(voxels: np.ndarray, path: Path) -> None:
    from medsynth_core.io.atomic import atomic_write

    with atomic_write(path) as temporary:
        np.save(temporary, voxels)


def _describe(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from importlib.metadata import version

    from medsynth_core import __version__
    from medsynth_core.inference.device import list_devices

    packages = ("torch", "monai", "SimpleITK", "numpy")
    return {
        "devices": [{"id": device, "name": name} for device, name in list_devices().items()],
        "versions": {"medsynth_core": __version__, **{package: version(package) for package in packages}},
    }


JOBS: dict[str, Callable[[dict[str, Any], Progress], dict[str, Any]]] = {
    "describe": _describe,
    "synthesize": _synthesize,
}


def main() -> None:
    """Serve the process that started this one."""
    # A library that prints must not break the protocol: its output goes to stderr.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # What the other side writes is UTF-8 whatever the system's language; what is not must not end this process.
    Worker(events).serve(open(sys.stdin.fileno(), encoding="utf-8", errors="replace", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()
