"""A folder that is either there whole or not there at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import make_folder


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder to write to, and put it in its place when the block ends well.

    Folders that ``path`` lies in are made. When the block fails, nothing of the temporary folder remains.

    Raises:
        MedSynthError: as `check_free`, or writing fails. Every `OSError` of the block counts as such.
    """
    check_free(path)
    make_folder(path.parent)
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{token_hex(4)}-{target.name[-64:]}")
    try:
        temporary.mkdir()
        yield temporary
        if target.exists():
            target.rmdir()  # an empty one, which not every system lets a folder be renamed onto
        os.replace(temporary, target)
    except OSError as error:
        raise MedSynthError(
            f"{path} cannot be written: {error.strerror or error}; choose another folder.", kind="output"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_free(path: Path) -> None:
    """Make sure, before long work, that nothing lies at ``path`` but perhaps an empty folder.

    Raises:
        MedSynthError: there is a file, or something in the folder, or it cannot be looked into.
    """
    try:
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise MedSynthError(
            f"{path} cannot be looked into: {error.strerror}; choose another.", kind="output"
        ) from error
    if taken:
        what = "is not empty" if path.is_dir() else "is a file"
        raise MedSynthError(f"{path} {what}; give a new or empty folder for the DICOM series.", kind="output")
