"""Silence of ITK's libraries, which print to stderr what they also raise."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_STDERR = Lock()


@contextmanager
def quiet_itk() -> Iterator[None]:
    """Suppress messages that ITK's libraries print to stderr; failures are raised as exceptions."""
    with _STDERR, open(os.devnull, "wb") as nowhere:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (AttributeError, OSError):  # a program without a console has no stderr
            yield
            return
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
