"""SHA-256 of the content of files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from medsynth_core.io.regular_file import open_regular


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with open_regular(path) as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of(files: Iterable[Path]) -> str:
    """Return the SHA-256 of one file, or that of the hashes of several in their order."""
    hashes = [sha256(file) for file in files]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
