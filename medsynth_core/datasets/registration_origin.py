"""From which files and with which settings a registered image was made, and its original image."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.io.json_reading import read_json
from medsynth_core.io.sidecar import json_object, sidecar_path, split_suffix


def origin(fixed: tuple[Path, str], moving: tuple[Path, str], deformable: bool) -> dict[str, Any]:
    """Return everything that the registration of two files depends on, for its record.

    Args:
        fixed: file of the fixed image, and the modality that it is read as; "" for that stated by the file.
        moving: those of the moving image.
        deformable: whether the image is deformed as well.

    Raises:
        OSError: a file is missing.
    """
    from medsynth_core.registration.search import SETTINGS  # SimpleITK is slow to import

    return {
        "inputs": {
            "fixed": {**_state(fixed[0]), "modality": fixed[1]},
            "moving": {**_state(moving[0]), "modality": moving[1]},
        },
        "settings": {**SETTINGS, "deformable": deformable},
    }


def _state(file: Path) -> dict[str, Any]:
    """Return path, size and time of last modification of an image file, and those of MedSynth's JSON beside it."""
    beside = sidecar_path(file)
    return {
        "file": os.path.abspath(file),
        **_size_and_time(file),
        "json": _size_and_time(beside) if beside.is_file() else None,
    }


def _size_and_time(file: Path) -> dict[str, int]:
    found = file.stat()
    return {"size": found.st_size, "modified_ns": found.st_mtime_ns}


def recorded_quality(record: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """Return the quality in the record of an earlier registration; None if it was of other files or settings.

    Args:
        record: the JSON; those of earlier versions do not state the files.
        wanted: the `origin` of the registration that is asked for.
    """
    try:
        content = read_json(record)
        plain = json.loads(json.dumps(wanted))
        same = all(_placeless(content[key]) == _placeless(value) for key, value in plain.items())
        return content["quality"] if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _placeless(origin: Any) -> Any:
    """Return a part of an `origin` with the names of files without their folders: a data set may have been moved."""
    if not isinstance(origin, dict):
        return origin
    return {key: Path(value).name if key == "file" else _placeless(value) for key, value in origin.items()}


def record_of(image: Path) -> Path:
    """Return the path of the record beside an image that was registered within a data set."""
    return image.with_name(f"{split_suffix(image)[0]}.registration.json")


def original_of(image: Path, role: str) -> Path:
    """Return the image that a registered image was made from; the image itself if it is not a registered one.

    A registration starts from it, so that no image is interpolated twice.

    Args:
        image: image of a case.
        role: role of the image.

    Raises:
        MedSynthError: the original is missing.
    """
    record = json_object(record_of(image))
    if "lps_matrix" not in record:
        return image
    try:
        stated = str(record["inputs"]["moving"]["file"])
    except (KeyError, TypeError):  # as in records of earlier versions
        stated = str(image.with_name(f"{role}{split_suffix(image)[1]}"))
    # A data set may have been moved with its files.
    places = (Path(stated), image.with_name(Path(stated).name))
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise MedSynthError(
            f"The image {places[0]}, from which {image} was registered, is missing; put it back, or remove the case "
            "and add it again."
        )
    return found
