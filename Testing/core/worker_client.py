"""A client that starts a worker process and exchanges lines with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from queue import Empty, Queue
from threading import Thread

# One of these events ends a job.
LAST = ("done", "error", "cancelled")


class Client:
    """A worker with some options and the lines exchanged with it; ``before`` is Python that it runs first."""

    def __init__(self, before: str = "", options: tuple[str, ...] = ()) -> None:
        code = f"{before}\nfrom medsynth_core.worker import main\nmain()"
        self.process = subprocess.Popen(
            [sys.executable, *(["-c", code] if before else ["-m", "medsynth_core.worker"]), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"},
        )
        self.lines: Queue[bytes] = Queue()
        Thread(target=lambda: [self.lines.put(line) for line in self.process.stdout], daemon=True).start()

    def write(self, line: bytes) -> None:
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, **request: object) -> None:
        self.write(json.dumps(request, ensure_ascii=False).encode())

    def next(self, *kinds: str) -> dict:
        """Return the next event, or the next of ``kinds``; every line must be an event."""
        while True:
            try:
                event = json.loads(self.lines.get(timeout=60))
            except Empty:
                self.process.kill()
                raise AssertionError(self.process.stderr.read().decode()) from None
            if not kinds or event["event"] in kinds:
                return event
