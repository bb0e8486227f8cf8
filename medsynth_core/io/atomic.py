"""Files and folders that are either there whole or not there at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from medsynth_core.errors import MedSynthError


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path to write to, and put the file in its place when the block ends well.

    The temporary file lies in the folder of ``path`` and its name ends as ``path`` does, so that writers
    which look at the suffix are content. When the block fails nothing remains of it, and a file that was
    at ``path`` before is untouched.

    Raises:
        MedSynthError: the folder is missing or not writable, the file is protected against writing, or
            writing fails (a full disk, say). Every `OSError` of the block counts as such.
    """
    target = Path(os.path.realpath(path))
    check_place(target)
    # The end of the name keeps the suffix; its start is dropped where the whole would be too long for a disk.
    temporary = target.with_name(f".{token_hex(4)}-{target.name[-64:]}")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, target)
        _flush(target.parent)
    except OSError as error:
        raise _cannot_write(target, error.strerror or str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)


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


def check_place(target: Path) -> None:
    """Make sure, before long work, that a file can be written at ``target``.

    Raises:
        MedSynthError: the folder is missing or not writable, or what is there may not be replaced.
    """
    if not target.parent.is_dir():
        raise _cannot_write(target, f"the folder {target.parent} does not exist; create it first")
    if target.is_dir():
        raise _cannot_write(target, "there is a folder of that name; choose another name")
    if target.exists() and not _may(target, os.W_OK):
        raise _cannot_write(target, "the file there is protected against writing; choose another name")
    if not _may(target.parent, os.W_OK | os.X_OK):
        raise _cannot_write(target, f"you may not write to the folder {target.parent}; choose another one")


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
        raise MedSynthError(f"{path} {what}; give a new or empty folder.", kind="output")


def make_folder(folder: Path) -> None:
    """Make ``folder``, and those that it lies in, unless it is there.

    Raises:
        MedSynthError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedSynthError(
            f"The folder {folder} cannot be made: {error.strerror}; choose another.", kind="output"
        ) from error


def _may(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _flush(path: Path) -> None:
    """Make sure that what was written to a file or folder is on the disk, not only in its cache."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open folders, and keeps their entries safe by itself
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(target: Path, reason: str) -> MedSynthError:
    return MedSynthError(f"{target} cannot be written: {reason}.", kind="output")
