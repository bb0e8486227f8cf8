"""Networks compiled for this CPU, in a hidden folder of the user's library, so that each is compiled once.

A file is only used if its content has the SHA-256 at its start: a library that reads a damaged one could end the
process. Nothing here fails: without the folder, networks are compiled in each process.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write, make_folder
from medsynth_core.models.library import user_folder

# The files used last are kept up to this size together; the bundled models need a few megabytes each.
MOST_BYTES = 2_000_000_000
_DIGEST = hashlib.sha256().digest_size


def compiled_folder() -> Path:
    """Return the folder of the compiled networks; it may not exist yet."""
    return user_folder() / ".compiled"


def read_compiled(key: str) -> bytes | None:
    """Return the compiled network of a key; None if there is none, or its file is damaged or cannot be read."""
    path = compiled_folder() / key
    try:
        with path.open("rb") as file:
            digest, compiled = file.read(_DIGEST), file.read()
    except OSError:
        return None
    with suppress(OSError):
        os.utime(path)
    return compiled if hashlib.sha256(compiled).digest() == digest else None


def keep_compiled(key: str, compiled: bytes) -> None:
    """Keep a compiled network for `read_compiled`, if the user's library can be written."""
    folder = compiled_folder()
    with suppress(MedSynthError, OSError):
        make_folder(folder)
        _make_room(folder, len(compiled))
        with atomic_write(folder / key) as temporary, temporary.open("wb") as file:
            file.write(hashlib.sha256(compiled).digest())
            file.write(compiled)


def _make_room(folder: Path, size: int) -> None:
    """Remove the files that were not used for the longest time."""
    files = sorted(((path.stat().st_mtime, path) for path in folder.iterdir()), reverse=True)
    for _, path in files:
        size += path.stat().st_size
        if size > MOST_BYTES:
            path.unlink()
