"""Atomic writing of files and folders: they appear complete or not at all.

Implemented here because the package atomicwrites is no longer maintained and does not support folders.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.interruption import held_back
from medsynth_core.io.temporary import removed_at_end

# Names of `_beside`.
_TEMPORARY = re.compile(r"\.[0-9a-f]{8}-.")


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to, and move the file to ``path`` when the block succeeds.

    The temporary file is in the same folder and has the same suffix, for writers that depend on it. If the block
    fails, the temporary file is removed and an existing file at ``path`` is left unchanged. A file that is replaced
    keeps its permissions, and nobody else can read what replaces it before.

    Raises:
        MedSynthError: the folder is missing or not writable, the file is write-protected, or writing fails (on a
            full disk, for example). Any `OSError` in the block counts as such.
    """
    target = _real(Path(path))
    check_place(target)
    temporary = _beside(target)
    try:
        with removed_at_end(temporary):
            mode = _reserved(temporary, target)
            yield temporary
            if mode is not None:
                temporary.chmod(mode)
            _flush(temporary)
            os.replace(temporary, target)
            _flush(target.parent)
    except OSError as error:
        raise _cannot_write(target, reason_of(error)) from error


@contextmanager
def whole_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to write to, and move it to ``path`` when the block succeeds.

    Parent folders are created. If the block fails, the temporary folder is removed.

    Args:
        path: a new or empty folder.
        replace: whether it may be another folder, which is replaced with all that it contains.

    Raises:
        MedSynthError: as `check_free`, or writing fails. Any `OSError` in the block counts as such.
    """
    if not (replace and path.is_dir()):
        check_free(path)
    target = _real(path)
    make_folder(path.parent)
    temporary = _beside(target)
    try:
        with removed_at_end(temporary):
            temporary.mkdir()
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            yield temporary
            with held_back(), removed_at_end(_beside(target)) as earlier:
                if target.exists():
                    os.replace(target, earlier)  # not every system can rename a folder onto an existing one
                try:
                    os.replace(temporary, target)
                except OSError:
                    if earlier.exists():
                        os.replace(earlier, target)
                    raise
    except OSError as error:
        raise MedSynthError(
            f"{path} cannot be written: {reason_of(error)}; choose another folder.", kind="output"
        ) from error


def check_place(target: Path) -> None:
    """Check, before long work, that a file can be written to ``target``.

    Raises:
        MedSynthError: the folder is missing or not writable, or an existing file or folder cannot be replaced.
    """
    reason = _obstacle(target)
    if reason:
        raise _cannot_write(target, reason)


def _obstacle(target: Path) -> str:
    """Return why a file cannot be written to ``target``; "" if it can."""
    try:
        target.lstat()
        taken = target.exists()
    except FileNotFoundError:
        taken = False
    except OSError as error:  # a name that is too long, a file where a folder should be
        return f"{reason_of(error)}; choose another name"
    except ValueError:
        return "its name contains a null character; choose another name"
    if not target.parent.is_dir():
        return f"the folder {target.parent} does not exist; create it first"
    if target.is_dir():
        return "a folder with that name exists; choose another name"
    if taken and not target.is_file():
        return "it is a device or a pipe; choose another name"
    if taken and not _has_access(target, os.W_OK):
        return "the existing file is write-protected; choose another name"
    if not _has_access(target.parent, os.W_OK | os.X_OK):
        return f"you have no permission to write to {target.parent}; choose another folder"
    return ""


def check_new(target: Path) -> None:
    """Check, before long work, that a new file can be written to ``target``.

    Raises:
        MedSynthError: ``target`` exists already, or as `check_place`.
    """
    check_place(target)
    if target.exists():
        raise MedSynthError(f"{target} already exists; choose another name, or remove it.", kind="output")


def check_free(path: Path) -> None:
    """Check, before long work, that ``path`` does not exist or is an empty folder.

    Raises:
        MedSynthError: it is a file, a folder that is not empty, or a folder that cannot be read.
    """
    try:
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise MedSynthError(
            f"{path} cannot be read: {reason_of(error)}; choose another folder.", kind="output"
        ) from error
    if taken:
        what = "is not empty" if path.is_dir() else "is a file"
        raise MedSynthError(f"{path} {what}; choose a new or empty folder.", kind="output")


def make_folder(folder: Path) -> None:
    """Create ``folder`` and its parents unless they exist.

    Raises:
        MedSynthError: the folder cannot be created.
    """
    try:
        _real(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MedSynthError(
            f"The folder {folder} cannot be created: {reason_of(error)}; choose another one.", kind="output"
        ) from error


def _real(path: Path) -> Path:
    """Return a path without symbolic links.

    Raises:
        MedSynthError: the path contains the null character, which no system allows.
    """
    try:
        return Path(os.path.realpath(path))
    except ValueError as error:
        raise _cannot_write(path, "its name contains a null character; choose another name") from error


def remove_left_behind(folder: Path) -> None:
    """Remove the temporary files that a process which was killed has left in a folder, and in those below it.

    Only where no other process writes: what is in use looks the same.
    """
    for path in folder.rglob(".*"):
        if _TEMPORARY.match(path.name) and path.is_file() and not path.is_symlink():
            with suppress(OSError):
                path.unlink()


def left_behind(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return the temporary folders that killed processes have left in a folder for folders of these names.

    Only where no other process writes folders of these names: what is in use looks the same.
    """
    ends = {_end(name) for name in names}
    found = [path for path in folder.glob(".*") if _TEMPORARY.match(path.name) and path.name[10:] in ends]
    return [path for path in found if path.is_dir() and not path.is_symlink()]


def _beside(target: Path) -> Path:
    """Return a new name in the same folder that ends like that of ``target``."""
    return target.with_name(f".{token_hex(4)}-{_end(target.name)}")


def _end(name: str) -> str:
    """Return a digest of a name, and its end with the suffix: a name that is not too long for the file system."""
    whole = os.fsencode(name)
    return f"{sha256(whole).hexdigest()[:8]}-{whole[-64:].decode(errors='ignore')}"


def _reserved(temporary: Path, target: Path) -> int | None:
    """Return the permissions of an existing target, and create the temporary file so that only this user can read it.

    None if there is no target yet; the writer then creates the file with the permissions that the user's umask gives.
    """
    try:
        mode = stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        return None
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return mode


def _has_access(path: Path, mode: int) -> bool:
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _flush(path: Path) -> None:
    """Flush a file or folder from the cache to the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open folders and flushes their entries itself
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(target: Path, reason: str) -> MedSynthError:
    return MedSynthError(f"{target} cannot be written: {reason}.", kind="output")
