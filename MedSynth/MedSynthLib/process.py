"""The worker process: Slicer's Python running ``medsynth_core.worker``, and the lines exchanged with it."""

import json
import logging
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

import slicer

COMMAND = ["-m", "medsynth_core.worker"]
EXIT_PATIENCE_S = 3.0


def pythonExecutable() -> str:
    """Return the Python of this application that runs outside it (PythonSlicer in Slicer)."""
    return shutil.which("PythonSlicer") or sys.executable


def workerEnvironment(coreFolder: Path) -> dict[str, str]:
    """Return the environment in which the worker finds ``medsynth_core`` and writes UTF-8 at once."""
    environment = slicer.util.startupEnvironment()
    # PythonSlicer does not know the module folders that were added to this process alone.
    known = environment.get("PYTHONPATH")
    paths = [str(coreFolder)] + ([known] if known else [])
    environment.update(PYTHONPATH=os.pathsep.join(paths), PYTHONUNBUFFERED="1", PYTHONUTF8="1")
    return environment


class WorkerProcess:
    """A running worker. Lines are read in threads; nothing here waits but `close`, in a thread too.

    Args:
        coreFolder: folder that contains the package ``medsynth_core``.
        folder: files exchanged with the worker, a patient's voxels among them; removed when no process of it is left.
    """

    def __init__(self, coreFolder: Path, folder: Path | None = None) -> None:
        self._removed = [folder] if folder is not None else []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._lastWords: deque[str] = deque(maxlen=20)
        self._closing: threading.Thread | None = None
        self._process = subprocess.Popen(
            [pythonExecutable(), *COMMAND],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=workerEnvironment(coreFolder),
            **ownProcessGroup(),
        )
        self._errorReader = threading.Thread(target=self._readErrors, daemon=True)
        self._errorReader.start()
        threading.Thread(target=self._readEvents, daemon=True).start()

    @property
    def pid(self) -> int:
        """Number of the process; the process group has the same, except on Windows."""
        return self._process.pid

    def send(self, request: dict[str, Any]) -> None:
        """Write a request; a worker that is already gone is noticed by `nextEvent`."""
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            logging.debug("MedSynth: the worker does not read any more")

    def nextEvent(self) -> dict[str, Any] | None:
        """Return the next event, None if there is none yet. A worker's last is ``{"event": "ended"}``."""
        try:
            line = self._lines.get_nowait()
        except queue.Empty:
            return None
        return {"event": "ended"} if line is None else _parsed(line)

    def lastWords(self) -> str:
        """Return the end of what a worker that has ended wrote to its error output."""
        self._errorReader.join(timeout=1.0)
        return "\n".join(self._lastWords)

    def removeAtEnd(self, folder: Path) -> None:
        """Remove a folder when no process of the worker is left: one that runs may write, or have its files open."""
        self._removed.append(folder)

    def close(self) -> None:
        """End the worker: ask by closing its input, then kill it and its children. Returns at once."""
        if self._closing is None:
            self._closing = threading.Thread(target=self._end)
            self._closing.start()

    def waitUntilGone(self) -> None:
        """Close the worker and return when no process of it is left."""
        self.close()
        self._closing.join()

    def kill(self) -> None:
        """Kill the worker and all its children now."""
        killProcessTree(self.pid)

    def _end(self) -> None:
        try:
            self._process.stdin.close()
        except OSError:
            logging.debug("MedSynth: the worker closed its input itself")
        try:
            self._process.wait(EXIT_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        for folder in self._removed:
            shutil.rmtree(folder, ignore_errors=True)

    def _readEvents(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _readErrors(self) -> None:
        for line in self._process.stderr:
            self._lastWords.append(line.rstrip())


def killProcessTree(pid: int) -> None:
    """Kill a process that leads a group, with all its children. PythonSlicer is itself the parent of Python."""
    if os.name == "nt":
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(pid)],
            capture_output=True,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
        return
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # the latter on macOS, of a group of zombies
        logging.debug("MedSynth: the process had already ended")


def ownProcessGroup() -> dict[str, Any]:
    """Return the options of `subprocess.Popen` for a process that leads a group, and needs no window."""
    if os.name != "nt":
        return {"start_new_session": True}
    return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}


def _parsed(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        event = None
    # The launcher of Slicer's Python may write a line of its own.
    return event if isinstance(event, dict) and "event" in event else {"event": "log", "message": line.strip()}
