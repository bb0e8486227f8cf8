"""The JSON beside an image file: what the file itself has no room for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write, check_place
from medsynth_core.volume import Volume

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")


def sidecar_path(image: Path) -> Path:
    """Return the path of the JSON beside an image file: ``pet.nii.gz`` → ``pet.json``."""
    suffix = next((suffix for suffix in SUFFIXES if image.name.lower().endswith(suffix)), image.suffix)
    return image.with_name(image.name[: len(image.name) - len(suffix)] + ".json")


def check_sidecar(image: Path) -> None:
    """Make sure, before long work, that the JSON beside an image file can be written and speaks of that file alone.

    Raises:
        MedSynthError: another image has the same name but for its suffix, another program's JSON is there, or nothing
            can be written there.
    """
    path = sidecar_path(image)
    for suffix in SUFFIXES:
        other = path.with_name(path.stem + suffix)
        if other.name != image.name and other.exists():
            raise MedSynthError(
                f"{image} cannot be written beside {other.name}, because {path.name} would speak of both; choose "
                "another name.",
                kind="output",
            )
    check_place(path)
    if path.exists() and not read_sidecar(image):
        raise MedSynthError(
            f"{image} cannot be written: {path.name}, where its unit and provenance belong, is not MedSynth's; choose "
            "another name.",
            kind="output",
        )


@contextmanager
def sidecar_beside(volume: Volume, image: Path) -> Iterator[None]:
    """Put modality, unit and metadata of ``volume`` beside its image file when the block, which writes it, ends well.

    Raises:
        MedSynthError: as `check_sidecar`, or it cannot be written.
    """
    check_sidecar(image)
    content = {"modality": volume.modality, "unit": volume.unit, **volume.metadata}
    with atomic_write(sidecar_path(image)) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        yield


def read_sidecar(image: Path) -> dict[str, object]:
    """Return what MedSynth's JSON beside an image file says; {} if there is none, or another program's."""
    try:
        content = json.loads(sidecar_path(image).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    ours = isinstance(content, dict) and "medsynth_version" in content
    return content if ours else {}
