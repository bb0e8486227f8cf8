"""The JSON beside an image file: what the file itself has no room for."""

from __future__ import annotations

import json
from pathlib import Path

from medsynth_core.io.atomic import atomic_write
from medsynth_core.volume import Volume

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def sidecar_path(image: Path) -> Path:
    """Return the path of the JSON beside an image file: ``pet.nii.gz`` → ``pet.json``."""
    suffix = next((suffix for suffix in SUFFIXES if image.name.lower().endswith(suffix)), image.suffix)
    return image.with_name(image.name[: len(image.name) - len(suffix)] + ".json")


def write_sidecar(volume: Volume, image: Path) -> Path:
    """Write modality, unit and metadata of ``volume`` beside its image file and return the JSON's path.

    Raises:
        MedSynthError: it cannot be written.
    """
    path = sidecar_path(image)
    content = {"modality": volume.modality, "unit": volume.unit, **volume.metadata}
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_sidecar(image: Path) -> dict[str, object]:
    """Return what MedSynth's JSON beside an image file says; {} if there is none, or another program's."""
    try:
        content = json.loads(sidecar_path(image).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    ours = isinstance(content, dict) and "medsynth_version" in content
    return content if ours else {}
