"""What MedSynth keeps on this computer outside the folders that its user names, and how to remove it."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.models.compiled_files import compiled_folder
from medsynth_core.models.contents import is_package
from medsynth_core.models.library import user_folder

# Names of temporary folders (`medsynth_core.io.temporary.temporary_name`) end with the ID of the process that uses the
# folder and a random number. Nothing else is removed from folders that other programs use too.
_TEMPORARY = re.compile(r"medsynth-(\d+)-[0-9a-f]{8}")
# An import that was killed leaves such a folder in the library.
_IMPORT = re.compile(r"\.import-(\d+)-[0-9a-f]{8}")
# Files of a training's run folder.
_OF_RUNS = ("recipe.yaml", "events.jsonl")
# Slicer's folder for temporary files, below that of the system.
_SLICER = "Slicer*"
# Seconds: the start of a process is known to the second, and so are the times of some file systems.
_CLOCK = 2.0


@dataclass(frozen=True)
class StoredItem:
    """A folder that MedSynth keeps.

    Attributes:
        path: the folder.
        kind: ``model`` (imported into the user's library), ``compiled`` (networks of models, for this CPU) or
            ``temporary`` (left by a process that was killed; it may hold images of a patient).
        size: bytes of its files.
    """

    path: Path
    kind: str
    size: int


def stored_items(temporary_folders: Iterable[Path] = ()) -> list[StoredItem]:
    """Return what MedSynth keeps for this user; folders of processes that still run are left out.

    Args:
        temporary_folders: where to look for temporary folders besides the system's place for them and Slicer's default
            below it; in Slicer, ``[Path(slicer.app.temporaryPath)]``.
    """
    left = [path for place in _places(temporary_folders) for path in _left_behind(place, _TEMPORARY)]
    left += _left_behind(user_folder(), _IMPORT)
    models = [path for path in _models(user_folder()) if path not in left]
    return [
        *(StoredItem(path, "model", _size(path)) for path in models),
        *(StoredItem(path, "compiled", _size(path)) for path in _folders(user_folder()) if path == compiled_folder()),
        *(StoredItem(path, "temporary", _size(path)) for path in left),
    ]


def _models(library: Path) -> list[Path]:
    """Return the packages of MedSynth directly in a library.

    Others keep their MONAI bundles in such folders too, and a run folder that is used as a library has a package of
    its own, which is no copy.
    """
    if all((library / name).exists() for name in _OF_RUNS):
        return []
    return [path for path in _folders(library) if is_package(path) and not _has_of_runs(path)]


def _has_of_runs(folder: Path) -> bool:
    return any((folder / name).exists() for name in _OF_RUNS)


def check_readable(temporary_folders: Iterable[Path] = ()) -> None:
    """Check that nothing was overlooked by `stored_items`.

    Args:
        temporary_folders: as for `stored_items`.

    Raises:
        MedSynthError: a place where MedSynth keeps data cannot be read (the first one is named).
    """
    for place in (user_folder(), *_places(temporary_folders)):
        try:
            with os.scandir(place) as entries:
                next(entries, None)
        except FileNotFoundError:
            continue
        except OSError as error:
            if isinstance(error, PermissionError) and place.match(_SLICER) and not _ours(place):
                continue  # another user's Slicer
            raise MedSynthError(
                f"What MedSynth keeps in {place} is not known, because it cannot be read: {reason_of(error)}; make it "
                "readable and run this again.",
                kind="output",
            ) from error


def remove_stored(items: Iterable[StoredItem]) -> None:
    """Remove stored data, and the user's library if nothing else is in it.

    Raises:
        MedSynthError: a folder cannot be removed (the first one is named); all others are.
    """
    failed = []
    for item in items:
        try:
            shutil.rmtree(item.path)
        except FileNotFoundError:
            continue  # removed by another process since it was listed
        except OSError as error:
            failed.append(f"{error.filename or item.path}: {reason_of(error)}")
    _remove_empty_library()
    if failed:
        raise MedSynthError(f"Some stored data cannot be removed ({failed[0]}); remove it yourself.", kind="output")


def _remove_empty_library() -> None:
    library = user_folder()
    for folder in (library, library.parent) if library.parent.name == ".medsynth" else (library,):
        try:
            folder.rmdir()
        except OSError:
            return  # missing, or something else is in it


def _places(temporary_folders: Iterable[Path]) -> list[Path]:
    """Return the folders that temporary folders of MedSynth may be in."""
    system = Path(tempfile.gettempdir())
    return list(dict.fromkeys(place.resolve() for place in (system, *system.glob(_SLICER), *temporary_folders)))


def _left_behind(place: Path, name: re.Pattern[str]) -> Iterator[Path]:
    """Yield the folders in ``place`` with a name of temporary folders whose process has ended."""
    for path in _folders(place):
        found = name.fullmatch(path.name)
        if found and not _in_use(path, int(found[1])):
            yield path


def _in_use(folder: Path, process: int) -> bool:
    """Return whether the process that made a folder may still run.

    A process that began after the folder was last changed only has the same number: systems use numbers again, and
    after a restart soon.
    """
    try:
        return psutil.Process(process).create_time() <= folder.stat().st_mtime + _CLOCK
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except psutil.AccessDenied:
        return True


def _folders(place: Path) -> list[Path]:
    """Return this user's folders in a folder, without links; [] if it cannot be read."""
    try:
        return sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink() and _ours(path))
    except OSError:
        return []


def _ours(path: Path) -> bool:
    return os.name == "nt" or path.stat().st_uid == os.getuid()


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
