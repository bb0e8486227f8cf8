"""Follow a training from another process, such as a window that was closed and reopened."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.training.event_log import EVENTS
from medsynth_core.training.event_reading import events_in
from medsynth_core.training.lock import is_held

STOP = "stop"
CHECKPOINT = "checkpoint.pt"
RECIPE = "recipe.yaml"
CASES = "cases.csv"
BEST = "best.safetensors"
# Written by a window before it starts the process of a training.
REQUEST = "request.json"
REQUESTED_RECIPE = "request.yaml"
REQUESTED_CASES = "request.csv"
CONSOLE = "console.log"
TRACEBACK_HINT = f"See {CONSOLE} in the run folder."
# Figure of the first test case, drawn when the run is published.
TEST_FIGURE = "test.png"
# Scores of the test cases, relative to the run's package.
TEST_SCORES = Path("docs/training/test.csv")
# Some minutes of events: enough to tell how a run ended.
GLANCE_BYTES = 32_768


class RunWatch:
    """Follows the run in a folder, whichever process started it.

    Attributes:
        restarted: whether the last call of `events` started from the run's first event.

    Args:
        folder: run folder; it need not exist yet.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.restarted = False
        # Position up to which events were read, and the last line before it.
        self._position, self._last = 0, b""

    @property
    def recipe_file(self) -> Path:
        """The recipe of the run."""
        return self.folder / RECIPE

    @property
    def cases_file(self) -> Path:
        """The manifest of the run, with the paths of its images."""
        return self.folder / CASES

    def events(self) -> list[dict[str, Any]]:
        """Return the events since the last call, oldest first; each has ``event`` and ``time`` (seconds since 1970).

        Only new lines are read. If the file has been replaced, it is read from the start. Lines that no training writes
        are left out (`event_reading.events_in`).
        """
        self.restarted = False
        if not os.path.isfile(self.folder / EVENTS):  # a pipe would never end
            return []
        try:
            with (self.folder / EVENTS).open("rb") as file:
                file.seek(self._position - len(self._last))
                if file.read(len(self._last)) != self._last:
                    file.seek(0)
                    self._position, self._last = 0, b""
                content = file.read()
        except OSError:
            return []
        # An incomplete last line is left for the next call.
        whole = content[: content.rfind(b"\n") + 1]
        if whole:
            self.restarted = self._position == 0
            self._position += len(whole)
            self._last = whole[whole.rfind(b"\n", 0, -1) + 1 :]
        return events_in(whole)

    def glance(self) -> list[dict[str, Any]]:
        """Return the first event and the latest ones, enough to tell the state of a run of any length.

        The position of `events` is not changed.
        """
        if not os.path.isfile(self.folder / EVENTS):
            return []
        try:
            with (self.folder / EVENTS).open("rb") as file:
                first = file.readline()
                start = max(file.seek(0, os.SEEK_END) - GLANCE_BYTES, len(first))
                # One byte earlier, to recognise a line that starts exactly here as complete.
                file.seek(start - 1)
                latest = file.read()
        except (OSError, ValueError):
            return []
        return events_in(first + latest[latest.find(b"\n") + 1 : latest.rfind(b"\n") + 1])

    def running(self) -> bool:
        """Return whether a process is training in the folder."""
        return is_held(self.folder)

    def can_resume(self) -> bool:
        """Return whether there is a checkpoint to resume from."""
        return os.path.isfile(self.folder / CHECKPOINT)

    def has_best(self) -> bool:
        """Return whether there are weights of a validated epoch, ready to publish."""
        return os.path.isfile(self.folder / BEST)

    def request_stop(self) -> None:
        """Ask the training to write a checkpoint and stop; it then logs the event ``cancelled``.

        Raises:
            MedSynthError: the folder cannot be written to.
        """
        try:
            (self.folder / STOP).touch()
        except OSError as error:
            raise MedSynthError(
                f"The training in {self.folder} cannot be asked to stop: {reason_of(error)}."
            ) from error

    def seconds_since_event(self) -> float | None:
        """Return the seconds since the last event was written, None if there is none."""
        try:
            return max(time.time() - (self.folder / EVENTS).stat().st_mtime, 0.0)
        except OSError:
            return None
