"""The lock of a run folder, held by the process that trains in it.

`filelock` uses a lock of the operating system, which is released when the process ends, even by a crash.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of

if TYPE_CHECKING:
    from filelock import FileLock

NAME = "run.lock"
PATIENCE_S = 0.5


class RunLock:
    """Exclusive lock on a run folder, held until `release` or the end of the process.

    Args:
        folder: an existing run folder.

    Raises:
        MedSynthError: another process holds the lock, or the folder is not writable.
    """

    def __init__(self, folder: Path) -> None:
        from filelock import Timeout

        # `is_held` in another process takes the lock for a moment; the timeout is longer.
        self._lock = _lock(folder, PATIENCE_S)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise MedSynthError(
                f"Another process is training in {folder}; wait for it, stop it, or choose another folder.",
                kind="output",
            ) from error
        except OSError as error:
            raise MedSynthError(f"The folder {folder} is not writable: {reason_of(error)}.", kind="output") from error

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()


def is_held(folder: Path) -> bool:
    """Return whether a process holds the lock of the run in ``folder``; nothing is changed there."""
    if not os.path.isfile(folder / NAME):  # which, unlike `Path.exists`, does not fail in a folder of another user
        return False
    try:
        from filelock import Timeout
    except ImportError:  # as in a Slicer where the packages have not been installed yet
        return False
    try:
        with _lock(folder, 0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _lock(folder: Path, patience_s: float) -> FileLock:
    from filelock import FileLock

    # Not thread-local: a training may end in a different thread from the one it started in.
    return FileLock(folder / NAME, timeout=patience_s, thread_local=False)
