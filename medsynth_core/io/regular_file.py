"""Opening of files that others chose: a pipe or device in their place, whose reading may never end, is an error."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading.

    Raises:
        OSError: it cannot be opened, or is a pipe, socket or device.
    """
    check_regular(path)
    return path.open("rb")


def check_regular(path: Path) -> None:
    """Check that a path is a file or a folder, or links to one.

    Raises:
        OSError: it does not exist, or is a pipe, socket or device.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
