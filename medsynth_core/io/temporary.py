"""Temporary files and folders that never outlive their process, whenever a signal stops it.

``tempfile.TemporaryDirectory`` leaves its folder behind if a signal interrupts its removal. Here everything temporary
is listed before it is created, and what is still listed when the process ends is removed then.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

# Start of the names in the system's folder for temporary files. The process ID follows, so that
# `medsynth_core.stored_data` can tell what a killed process left from what is in use.
PREFIX = "medsynth-"

# Path → process that uses it. A forked child inherits the list, but nothing in it is the child's.
_in_use: dict[Path, int] = {}


def temporary_name(prefix: str = PREFIX) -> str:
    """Return a new name for something temporary, with the ID of this process: ``medsynth-4711-1f0c55aa``."""
    return f"{prefix}{os.getpid()}-{token_hex(4)}"


@contextmanager
def removed_at_end(path: Path) -> Iterator[Path]:
    """Yield ``path``, and remove the file or folder there when the block or the process ends."""
    _in_use[path] = os.getpid()
    try:
        yield path
    finally:
        _remove(path)
        del _in_use[path]


@contextmanager
def temporary_folder(parent: Path | None = None, prefix: str = PREFIX) -> Iterator[Path]:
    """Yield a new folder that only this user can read; it is removed when the block or the process ends.

    Args:
        parent: an existing folder; by default the system's folder for temporary files.
        prefix: start of the name.

    Raises:
        OSError: the folder cannot be created.
    """
    with removed_at_end((parent or Path(tempfile.gettempdir())) / temporary_name(prefix)) as folder:
        folder.mkdir(mode=0o700)
        yield folder


def remove_temporary() -> None:
    """Remove everything temporary of this process; called when it ends, or before it ends without Python's own end."""
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
    for path, process in list(_in_use.items()):
        if process == os.getpid():
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


atexit.register(remove_temporary)
# Python looks for the system's folder by writing a file, which a signal may leave there; during an import none acts.
with suppress(OSError):
    tempfile.gettempdir()
