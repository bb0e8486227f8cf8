"""A lock on a folder, held by the process that works in it.

`filelock` uses a lock of the operating system, which is released when the process ends, even by a crash.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of

if TYPE_CHECKING:
    from filelock import FileLock

# A check whether the lock is held takes it for a moment; this is longer.
PATIENCE_S = 0.5


class FolderLock:
    """Exclusive lock on a folder, held until `release` or the end of the process.

    Args:
        file: the file of the lock, in an existing folder.
        refusal: sentence for the case that another process holds the lock.

    Raises:
        MedSynthError: another process holds the lock, or the folder is not writable.
    """

    def __init__(self, file: Path, refusal: str) -> None:
        from filelock import Timeout

        self._file, self._lock = file, lock_of(file, PATIENCE_S)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise MedSynthError(refusal, kind="output") from error
        except OSError as error:
            raise MedSynthError(
                f"The folder {file.parent} is not writable: {reason_of(error)}.", kind="output"
            ) from error

    def release(self, *, remove: bool = False) -> None:
        """Release the lock, and remove its file if asked."""
        # While it is held, where the system allows it: afterwards the file may be another process's lock.
        if remove and os.name != "nt":
            self._file.unlink(missing_ok=True)
        self._lock.release()
        if remove and os.name == "nt":
            with suppress(OSError):  # another process has it by now
                self._file.unlink()


def is_held(file: Path) -> bool:
    """Return whether a process holds the lock of a file."""
    from filelock import Timeout

    lock = lock_of(file, PATIENCE_S)
    try:
        lock.acquire()
    except (Timeout, OSError):
        return True
    lock.release()
    return False


def lock_of(file: Path, patience_s: float) -> FileLock:
    """Return the lock of a file, not yet acquired."""
    from filelock import FileLock

    # Not thread-local: work may end in a different thread from the one it started in.
    return FileLock(file, timeout=patience_s, thread_local=False)
