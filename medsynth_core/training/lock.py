"""Who works in a run folder: a lock of the operating system, which a process that dies cannot leave behind."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import IO

from medsynth_core.errors import MedSynthError

NAME = "run.lock"
PATIENCE_S = 0.5


class RunLock:
    """Holds a run folder for this process until it is released, or the process ends.

    Args:
        folder: the run's folder, which exists.

    Raises:
        MedSynthError: another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file: IO[str] = (folder / NAME).open("a+", encoding="utf-8")
        except OSError as error:
            raise MedSynthError(f"The folder {folder} is not writable: {error.strerror}.", kind="output") from error
        deadline = time.monotonic() + PATIENCE_S
        # Whoever looks whether the run is in use holds the lock himself for a moment.
        while not (taken := _take(self._file)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not taken:
            self._file.close()
            raise MedSynthError(
                f"Another process is training in {folder}; wait for it, stop it, or choose another folder.",
                kind="output",
            )

    def release(self) -> None:
        """Let others have the folder."""
        self._file.close()


def is_held(folder: Path) -> bool:
    """Return whether a process holds the run in ``folder``."""
    try:
        with (folder / NAME).open("r+", encoding="utf-8") as file:
            return not _take(file)
    except OSError:
        return False


def _take(file: IO[str]) -> bool:
    """Return whether the lock was free; it is this process's until the file is closed."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
