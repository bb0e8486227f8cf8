"""Names of folders for cases, runs and series: valid on every file system, and not used yet."""

import re
from pathlib import Path

from medsynth_core.text import is_device

LONGEST_NAME = 60


def safeName(name: str, otherwise: str) -> str:
    """Return a name with only the characters that every file system allows; ``otherwise`` if none is left."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:LONGEST_NAME].rstrip(".") or otherwise
    return f"{otherwise}-{safe}" if is_device(safe) else safe


def freePlace(folder: Path, name: str) -> Path:
    """Return the first of ``NAME``, ``NAME-2``, ``NAME-3``, … that does not exist in a folder."""
    number, found = 1, folder / name
    while found.exists():
        number += 1
        found = folder / f"{name}-{number}"
    return found
