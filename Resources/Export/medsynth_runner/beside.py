"""The JSON beside an image file, where MedSynth and this runner state what the image is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .refusal import RefusalError
from .settings import Image

# Of files that may share a JSON, ``pet.json`` for ``pet.nii`` and ``pet.mha``.
SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr.gz", ".img.gz", ".hdr", ".img")


def check_stated(path: Path, image: Image) -> None:
    """Refuse a file whose JSON states another modality or unit than the model takes, or a map of errors.

    Raises:
        RefusalError: it does.
    """
    for content in (_object(_own(path)), _object(_common(path))):
        if _is_of_another(content, path):
            continue
        described = str(content.get("description") or "").startswith("expected error of ")
        if content.get("error_map") is True or described:
            raise RefusalError(
                f"{path} shows the errors of a synthetic image, not the patient; choose the image itself."
            )
        for key, wanted in (("modality", image.modality), ("unit", image.unit)):
            if content.get(key) not in (None, "", wanted):
                stated = f"{path} has the {key} '{content[key]}' by the JSON beside it"
                raise RefusalError(f"{stated}, but '{image.role}' must have '{wanted}'; choose another image.")


def place(path: Path) -> Path:
    """Return the JSON to write beside a result: ``pet.json``, or ``pet.nii.gz.json`` where that belongs to another.

    Raises:
        RefusalError: both belong to others.
    """
    own, common = _own(path), _common(path)
    if _is_medsynths(_object(own)):
        return own
    shared = _object(common)
    if not os.path.lexists(common) or (_is_medsynths(shared) and not _is_of_another(shared, path)):
        return common
    if os.path.lexists(own):
        raise RefusalError(f"{path} needs {own.name} beside it, which belongs to another program; choose another name.")
    return own


def _own(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _common(path: Path) -> Path:
    return path.with_name(f"{_bare(path.name)}.json")


def _bare(name: str) -> str:
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]


def _object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON; {} if there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_medsynths(content: dict[str, Any]) -> bool:
    return "medsynth_version" in content


def _is_of_another(content: dict[str, Any], path: Path) -> bool:
    """Return whether a JSON is that of another image file beside; files may have been renamed with theirs."""
    stated, others = content.get("image_file"), _others(path)
    if not stated:
        return bool(_is_medsynths(content) and others and not path.exists())
    return stated != path.name and stated in others


def _others(path: Path) -> list[str]:
    """Return the names of the other image files that share the JSON of a file."""
    try:
        names = os.listdir(path.parent)
    except OSError:
        return []
    images = (name for name in names if name.lower().endswith(SUFFIXES))
    return [name for name in images if _bare(name) == _bare(path.name) and name != path.name]
