"""The worker process: Slicer's Python running ``medsynth_core.worker``, and the lines exchanged with it."""

import json
import logging
import math
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import slicer

COMMAND = ["-m", "medsynth_core.worker"]
EXIT_PATIENCE_S = 3.0
# Starts of the names of variables by which a user steers the library, the devices and the number of threads.
HANDED_OVER = ("MEDSYNTH_", "CUDA_", "HIP_", "ROCR_", "OMP_", "MKL_", "PYTORCH_")


def pythonExecutable() -> str:
    """Return the Python interpreter of this application for other processes (PythonSlicer in Slicer)."""
    return shutil.which("PythonSlicer") or sys.executable


def workerCommand() -> list[str]:
    """Return the command that starts a worker."""
    return [pythonExecutable(), *COMMAND]


def workerEnvironment(coreFolder: Path) -> dict[str, str]:
    """Return the environment in which the worker finds ``medsynth_core`` and writes UTF-8 without buffering.

    It is the environment in which Slicer was started, without what Slicer itself added, but with those variables that
    steer MedSynth as they are now: a script may have set them after the start.
    """
    environment = slicer.util.startupEnvironment()
    for name in {*environment, *os.environ}:
        if name.startswith(HANDED_OVER):
            environment.pop(name, None)
            environment.update({name: os.environ[name]} if name in os.environ else {})
    # PythonSlicer does not know module folders that were added to this process only.
    known = environment.get("PYTHONPATH")
    paths = [str(coreFolder)] + ([known] if known else [])
    environment.update(PYTHONPATH=os.pathsep.join(paths), PYTHONUNBUFFERED="1", PYTHONUTF8="1")
    # Python imports from the current folder first, and a random.py may lie there. Before Python 3.11 this variable is
    # unknown, so processes are also started in `coreFolder`, where only Slicer's own modules are.
    environment["PYTHONSAFEPATH"] = "1"
    return environment


class WorkerProcess:
    """A running worker. Two threads do nothing but read its lines, and no method but `waitUntilGone` blocks.

    Slicer's event loop keeps the interpreter to itself while it idles, so that a thread gets a turn only when something
    else runs Python in the main thread. What has to happen at the end of a worker is therefore done by `gone`, which is
    to be called until it returns True.

    Args:
        coreFolder: folder that contains the package ``medsynth_core``.
        keepSeconds: how long it waits for a further job before it ends.

    Attributes:
        command: the command by which it was started, without options.
        environment: the environment in which it was started.
    """

    def __init__(self, coreFolder: Path, keepSeconds: float = math.inf) -> None:
        self.command, self.environment = workerCommand(), workerEnvironment(coreFolder)
        self._removed: list[Path] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._lastWords: deque[str] = deque(maxlen=20)
        self._deadline = math.inf
        self._process = subprocess.Popen(
            [*self.command, "--keep", str(keepSeconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            cwd=coreFolder,
            env=self.environment,
            **ownProcessGroup(),
        )
        self._eventReader = _reader(self._process.stdout, self._lines.put)
        self._errorReader = _reader(self._process.stderr, self._lastWords.append)
        # For a worker that is dropped, and for the end of the application.
        self._atEnd = weakref.finalize(self, _end, self._process, self._removed)

    @property
    def pid(self) -> int:
        """Process ID; also that of the process group, except on Windows."""
        return self._process.pid

    def send(self, request: dict[str, Any]) -> None:
        """Write a request; if the worker has ended, `nextEvent` reports it."""
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            logging.debug("MedSynth: the worker does not read any more")

    def nextEvent(self) -> dict[str, Any] | None:
        """Return the next event, or None if there is none yet. The last one is ``{"event": "ended"}``."""
        try:
            line = self._lines.get_nowait()
        except queue.Empty:
            return None
        return {"event": "ended"} if line is None else _parsed(line)

    def lastWords(self) -> str:
        """Return the last lines of the error output of a worker that has ended."""
        self._errorReader.join(timeout=1.0)
        return "\n".join(line.rstrip() for line in self._lastWords if line is not None)

    def forgetLastWords(self) -> None:
        """Forget the error output of an earlier job: it does not say why this one fails."""
        self._lastWords.clear()

    def ready(self) -> bool:
        """Return whether the worker is there for a further job."""
        return self._process.poll() is None and self._deadline == math.inf and self._eventReader.is_alive()

    def removeAtEnd(self, folder: Path) -> None:
        """Remove a folder when all processes of the worker have ended: until then files in it may be open."""
        self._removed.append(folder)

    def filesOfJob(self) -> list[Path]:
        """Return the folders that would be removed at the end, for a worker whose job has ended but which goes on."""
        folders = [*self._removed]
        self._removed.clear()
        return folders

    def close(self) -> None:
        """Ask the worker to end by closing its input. Returns at once; see `gone`."""
        self._deadline = min(self._deadline, time.monotonic() + EXIT_PATIENCE_S)
        try:
            self._process.stdin.close()
        except OSError:
            logging.debug("MedSynth: the worker closed its input itself")

    def gone(self) -> bool:
        """Return whether all processes of a closed worker have ended, its pipes are closed and its files removed.

        A worker that does not end in time is killed.
        """
        late = time.monotonic() - self._deadline
        if late > 0 and not self._ended():
            self.kill()
        # A process that has left the worker's group may hold the pipes; it is not waited for.
        if not self._ended() and late < EXIT_PATIENCE_S:
            return False
        self._atEnd()
        return True

    def waitUntilGone(self) -> None:
        """End the worker and return when all its processes have ended."""
        self.close()
        while not self.gone():
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill the worker and all its children now."""
        if self._atEnd.alive:  # afterwards the ID may be that of another process
            killProcessTree(self.pid)

    def _ended(self) -> bool:
        readers = (self._eventReader, self._errorReader)
        return self._process.poll() is not None and not any(reader.is_alive() for reader in readers)


def _reader(stream: TextIO, take: Callable[[str | None], None]) -> threading.Thread:
    """Return a started thread that passes on the lines of a stream, and None at its end, and closes the stream."""
    thread = threading.Thread(target=_read, args=(stream, take), daemon=True)
    thread.start()
    return thread


def _read(stream: TextIO, take: Callable[[str | None], None]) -> None:
    try:
        with stream:
            for line in stream:
                take(line)
    finally:  # a job would otherwise wait for ever for a worker that is no longer read
        take(None)


def _end(process: subprocess.Popen, folders: list[Path]) -> None:
    """Kill a process that still runs with all its children, and remove folders."""
    if process.poll() is None:
        killProcessTree(process.pid)
        with suppress(subprocess.TimeoutExpired):
            process.wait(EXIT_PATIENCE_S)
    removeFolders(folders)


def removeFolders(folders: list[Path]) -> list[Path]:
    """Remove folders with what is in them, and return those of which something is left, as of files that are open."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder for folder in folders if folder.exists()]


def killProcessTree(pid: int) -> None:
    """Kill the leader of a process group with all its children; PythonSlicer starts Python as a child."""
    if os.name == "nt":
        subprocess.run(
            ["taskkill", "/F", "/T", "/PID", str(pid)],
            capture_output=True,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
        return
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # PermissionError: on macOS, for a group of zombies
        logging.debug("MedSynth: the process had already ended")


def ownProcessGroup() -> dict[str, Any]:
    """Return the options of `subprocess.Popen` for the leader of a new process group without a window."""
    if os.name != "nt":
        return {"start_new_session": True}
    return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}


def _parsed(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        event = None
    # The launcher of Slicer's Python may write lines that are not events.
    return event if isinstance(event, dict) and "event" in event else {"event": "log", "message": line.strip()}
