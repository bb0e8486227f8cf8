"""Folders of cases, runs and series: names that every disk takes, with a number where they are taken."""

import re
from pathlib import Path

LONGEST_NAME = 60


def safeName(name: str, otherwise: str) -> str:
    """Return a name with the letters that every disk takes; ``otherwise`` where none is left."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:LONGEST_NAME] or otherwise


def freePlace(folder: Path, name: str) -> Path:
    """Return the first of ``NAME``, ``NAME-2``, ``NAME-3``, … that is not in a folder yet."""
    number, found = 1, folder / name
    while found.exists():
        number += 1
        found = folder / f"{name}-{number}"
    return found
