"""A training seen from outside its process: by a window that may have been closed and opened again meanwhile."""

from __future__ import annotations

import json
import time
from os import SEEK_END
from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.training.journal import EVENTS
from medsynth_core.training.lock import is_held

STOP = "stop"
CHECKPOINT = "checkpoint.pt"
RECIPE = "recipe.yaml"
CASES = "cases.csv"
# What a training says in some minutes: enough to tell how it ended.
GLANCE_BYTES = 32_768


class RunWatch:
    """Follows the run in a folder, whoever started it.

    Attributes:
        anew: whether the last call of `events` began with the first one of the run.

    Args:
        folder: of the run; it need not exist yet.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.anew = False
        # How far the events were read, and the last line before that place.
        self._position, self._last = 0, b""

    @property
    def recipe_file(self) -> Path:
        """The recipe of the run."""
        return self.folder / RECIPE

    @property
    def cases_file(self) -> Path:
        """The manifest of the run, with the places of its files."""
        return self.folder / CASES

    def events(self) -> list[dict[str, Any]]:
        """Return the events since the last call, oldest first; each has ``event`` and ``time`` (seconds since 1970).

        Only what is new is read. A file that has replaced another is read from its beginning.
        """
        self.anew = False
        try:
            with (self.folder / EVENTS).open("rb") as file:
                file.seek(self._position - len(self._last))
                if file.read(len(self._last)) != self._last:
                    file.seek(0)
                    self._position, self._last = 0, b""
                content = file.read()
        except OSError:
            return []
        # A line that is still being written is left for the next time.
        whole = content[: content.rfind(b"\n") + 1]
        if whole:
            self.anew = self._position == 0
            self._position += len(whole)
            self._last = whole[whole.rfind(b"\n", 0, -1) + 1 :]
        return _events_in(whole)

    def glance(self) -> list[dict[str, Any]]:
        """Return the first event and the latest ones, as many as tell what became of a run, however long it was.

        It has no influence on what `events` returns.
        """
        try:
            with (self.folder / EVENTS).open("rb") as file:
                first = file.readline()
                start = max(file.seek(0, SEEK_END) - GLANCE_BYTES, len(first))
                # From the byte before, so that a line that begins at this place is known to be whole.
                file.seek(start - 1)
                latest = file.read()
        except (OSError, ValueError):
            return []
        return _events_in(first + latest[latest.find(b"\n") + 1 : latest.rfind(b"\n") + 1])

    def running(self) -> bool:
        """Return whether a process is training there."""
        return is_held(self.folder)

    def can_resume(self) -> bool:
        """Return whether there is a checkpoint to go on from."""
        return (self.folder / CHECKPOINT).is_file()

    def request_stop(self) -> None:
        """Ask the training to stop with a checkpoint; it says ``cancelled`` when it has.

        Raises:
            MedSynthError: the folder cannot be written to.
        """
        try:
            (self.folder / STOP).touch()
        except OSError as error:
            raise MedSynthError(f"The training in {self.folder} cannot be asked to stop: {error.strerror}.") from error

    def seconds_since_event(self) -> float | None:
        """Return how long ago the last event was written, None without any."""
        try:
            return max(time.time() - (self.folder / EVENTS).stat().st_mtime, 0.0)
        except OSError:
            return None


def _events_in(lines: bytes) -> list[dict[str, Any]]:
    return [event for line in lines.splitlines() if (event := _parsed(line)) is not None]


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        # What a process was writing when it was killed.
        return None
    return event if isinstance(event, dict) and "event" in event else None
