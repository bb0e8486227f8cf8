"""The lock of a run folder, held by the process that trains in it."""

from __future__ import annotations

import os
from pathlib import Path

from medsynth_core.io.folder_lock import FolderLock, lock_of

NAME = "run.lock"


class RunLock(FolderLock):
    """Exclusive lock on a run folder, held until `release` or the end of the process.

    Args:
        folder: an existing run folder.

    Raises:
        MedSynthError: another process holds the lock, or the folder is not writable.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder / NAME,
            f"Another process is training in {folder}; wait for it, stop it, or choose another folder.",
        )


def is_held(folder: Path) -> bool:
    """Return whether a process holds the lock of the run in ``folder``; nothing is changed there."""
    if not os.path.isfile(folder / NAME):  # which, unlike `Path.exists`, does not fail in a folder of another user
        return False
    try:
        from filelock import Timeout
    except ImportError:  # as in a Slicer where the packages have not been installed yet
        return False
    try:
        with lock_of(folder / NAME, 0):
            return False
    except Timeout:
        return True
    except OSError:
        return False
