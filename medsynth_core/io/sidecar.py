"""The JSON file beside an image file, with modality, unit and provenance."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write, check_place
from medsynth_core.io.facts import check_facts
from medsynth_core.io.identifiers import without_identifiers
from medsynth_core.io.json_file import json_text
from medsynth_core.io.json_reading import read_json
from medsynth_core.volume import Volume, states_error_map

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr.gz", ".img.gz", ".hdr", ".img")
# Key of the JSON for the name of its image.
_IMAGE = "image_file"


def split_suffix(image: PurePath) -> tuple[str, str]:
    """Return the name of an image file without its suffix, and the suffix: ``pet.nii.gz`` → ``pet``, ``.nii.gz``."""
    suffix = next((suffix for suffix in SUFFIXES if image.name.lower().endswith(suffix)), image.suffix)
    bare = image.name[: len(image.name) - len(suffix)]
    return bare, image.name[len(bare) :]


def other_images(image: Path) -> list[str]:
    """Return the names of the other image files beside an image that differ from it by the suffix or its letter case.

    They are in the order of `SUFFIXES`.
    """
    bare = split_suffix(image)[0]
    try:
        suffixes = {name: name[len(bare) :].lower() for name in os.listdir(image.parent) if name.startswith(bare)}
    except OSError:
        return []
    others = [name for name in sorted(suffixes) if suffixes[name] in SUFFIXES and not _is_file(image, name)]
    return sorted(others, key=lambda name: SUFFIXES.index(suffixes[name]))


def _is_file(image: Path, name: str) -> bool:
    """Return whether an image is the file of that name in its folder, also where letter case does not matter."""
    other = image.with_name(name)
    return image == other or (image.exists() and other.exists() and image.samefile(other))


def sidecar_path(image: Path) -> Path:
    """Return the path of MedSynth's JSON beside an image file, whether it exists or not.

    It is ``pet.json`` for ``pet.nii.gz``; or ``pet.nii.gz.json`` where ``pet.json`` belongs to another image or
    another program.
    """
    return _found(image)[0]


def _found(image: Path) -> tuple[Path, dict[str, Any]]:
    """Return the path of MedSynth's JSON beside an image file, and what is in the file there."""
    own = image.with_name(f"{image.name}.json")
    content = json_object(own)
    if is_medsynth_json(content):
        return own, content
    common = image.with_name(f"{split_suffix(image)[0]}.json")
    shared = json_object(common)
    return (common, shared) if not common.exists() or _describes(shared, image) else (own, content)


def check_sidecar(image: Path) -> None:
    """Check, before long work, that the JSON beside an image file can be written.

    Raises:
        MedSynthError: JSONs of other programs have its names, or it cannot be written.
    """
    path, content = _found(image)
    check_place(path)
    if path.exists() and not is_medsynth_json(content):
        raise MedSynthError(
            f"{image} cannot be written: {path.name}, needed for its unit and provenance, belongs to another program; "
            "choose another name.",
            kind="output",
        )


@contextmanager
def sidecar_beside(volume: Volume, image: Path) -> Iterator[None]:
    """Write modality, unit and metadata of ``volume`` beside its image file if the block, which writes it, succeeds.

    Raises:
        MedSynthError: as `check_sidecar`; or the JSON cannot be written, or could not be read again.
    """
    check_sidecar(image)
    kept = without_identifiers(volume.metadata)
    content = json.loads(json_text({"modality": volume.modality, "unit": volume.unit, **kept, _IMAGE: image.name}))
    check_facts({key: value for key, value in content.items() if key != _IMAGE}, "The metadata of the volume")
    with atomic_write(sidecar_path(image)) as temporary:
        temporary.write_text(json_text(content), encoding="utf-8")
        yield


def has_sidecar(image: Path) -> bool:
    """Return whether MedSynth's JSON lies beside an image file and describes it."""
    return is_medsynth_json(_found(image)[1])


def read_sidecar(image: Path) -> dict[str, Any]:
    """Return the content of MedSynth's JSON beside an image file; {} if there is none, or another program's.

    Raises:
        MedSynthError: it is damaged: a fact is not of the type that MedSynth writes.
    """
    path, content = _found(image)
    if not is_medsynth_json(content):
        return {}
    check_facts(content, f"{path}, which describes {image.name},")
    return without_identifiers({key: value for key, value in content.items() if key != _IMAGE})


def json_object(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; {} if there is no such file, or something else in it."""
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_error_map(image: Path) -> bool:
    """Return whether MedSynth's JSON beside an image file states that it shows errors (`Volume.is_error_map`)."""
    return states_error_map(read_sidecar(image))


def is_medsynth_json(content: dict[str, Any]) -> bool:
    """Return whether the content of a JSON is MedSynth's."""
    return "medsynth_version" in content


def _describes(content: dict[str, Any], image: Path) -> bool:
    """Return whether a JSON is MedSynth's and for this image, not for one whose name differs by the suffix."""
    if not is_medsynth_json(content):
        return False
    stated = content.get(_IMAGE)
    # Files may have been renamed together, and JSONs of earlier versions do not state the image.
    others = other_images(image)
    return stated not in others if stated else image.exists() or not others
