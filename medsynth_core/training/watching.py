"""A training seen from outside its process: by a window that may have been closed and opened again meanwhile."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.training.journal import EVENTS
from medsynth_core.training.lock import is_held

STOP = "stop"
CHECKPOINT = "checkpoint.pt"
RECIPE = "recipe.yaml"
CASES = "cases.csv"


class RunWatch:
    """Follows the run in a folder, whoever started it.

    Args:
        folder: of the run; it need not exist yet.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._position = 0

    @property
    def recipe_file(self) -> Path:
        """The recipe of the run."""
        return self.folder / RECIPE

    @property
    def cases_file(self) -> Path:
        """The manifest of the run, with the places of its files."""
        return self.folder / CASES

    def events(self) -> list[dict[str, Any]]:
        """Return the events since the last call, oldest first; each has ``event`` and ``time`` (seconds since 1970)."""
        try:
            with (self.folder / EVENTS).open("rb") as file:
                file.seek(self._position)
                content = file.read()
        except OSError:
            return []
        # A line that is still being written is left for the next time.
        whole = content[: content.rfind(b"\n") + 1]
        self._position += len(whole)
        return [event for line in whole.splitlines() if (event := _parsed(line)) is not None]

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


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        # What a process was writing when it was killed.
        return None
    return event if isinstance(event, dict) and "event" in event else None
