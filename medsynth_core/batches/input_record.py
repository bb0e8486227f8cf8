"""What the files of a study contained when its result was made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medsynth_core.batches.study import Study
from medsynth_core.io.digest import sha256_of
from medsynth_core.io.sidecar import split_suffix

# In the place of a role, of which none has this name.
REFERENCE = "(reference)"
# Ends of the names of files beside an image that say more about it, or have its voxels.
_BESIDE = (".json", ".raw", ".raw.gz", ".zraw", ".img", ".img.gz", ".hdr", ".hdr.gz")


def recorded(study: Study) -> dict[str, dict[str, Any]]:
    """Return what the inputs of a study contain by role, and its reference: ``sha256``, and a state of the files.

    Raises:
        OSError: a file cannot be read.
    """
    return {role: {**_state(files), "sha256": sha256_of(files)} for role, files in _files(study).items()}


def is_unchanged(record: Mapping[str, Any], study: Study) -> bool:
    """Return whether the inputs of a study have the content of a record; files are read only if they look changed.

    Raises:
        OSError: a file cannot be read.
    """
    files = _files(study)
    if set(record) != set(files):
        return False
    for role, some in files.items():
        state, known = _state(some), record[role]
        if not isinstance(known, dict):
            return False
        if {name: known.get(name) for name in state} != state and known.get("sha256") != sha256_of(some):
            return False
    return True


def _state(files: Iterable[Path]) -> dict[str, int]:
    found = [file.stat() for file in files]
    return {
        "files": len(found),
        "bytes": sum(each.st_size for each in found),
        "modified": max(each.st_mtime_ns for each in found),
    }


def _files(study: Study) -> dict[str, list[Path]]:
    """Return the files of each input: all of a folder or DICOM series, or an image file with what belongs to it."""
    found = {role: list(study.series.get(role, ())) or _of_image(path) for role, path in study.files.items()}
    return found if study.reference is None else {**found, REFERENCE: _of_image(study.reference)}


def _of_image(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    bare = split_suffix(path)[0]
    beside = [path.with_name(f"{bare}{suffix}") for suffix in _BESIDE] + [path.with_name(f"{path.name}.json")]
    return [path, *(file for file in dict.fromkeys(beside) if file != path and file.is_file())]
