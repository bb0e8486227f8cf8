"""Helpers for tests of folders with generated cases: what is in them, and a stop while they are made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from medsynth_core import Cancelled


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file in a folder by its path."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def stopped_before(case: int) -> Callable[[float, str], None]:
    """Return a progress callback that stops a run before a case (from 1)."""

    def stop(_fraction: float, message: str) -> None:
        if message.startswith(f"Drawing case {case} "):
            raise Cancelled

    return stop
