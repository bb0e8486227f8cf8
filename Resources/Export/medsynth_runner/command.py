"""``python run.py``: images in, synthetic images out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .images import check_places, read, write_all
from .nifti import suffix_of
from .refusal import RefusalError
from .settings import Image, Settings, read_settings
from .synthesis import run


def main(folder: Path, words: Sequence[str] | None = None) -> int:
    """Run the model of a folder as the command line asks, and return the exit status: 2 after a refusal or failure."""
    try:
        _run(folder, words)
    except RefusalError as refusal:
        return _failed(str(refusal))
    except MemoryError:
        return _failed("The memory of this computer does not suffice; crop the image, or close other programs.")
    except Exception as error:
        reason = " ".join(str(error).split()) or "no reason given"
        return _failed(
            f"The model cannot be run ({type(error).__name__}: {reason}); check the image, or export it again."
        )
    return 0


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


def _run(folder: Path, words: Sequence[str] | None) -> None:
    settings = read_settings(folder)
    given = _arguments(settings, words)
    inputs, outputs = _inputs(settings, given), _outputs(settings, given.output)
    _check_distinct(inputs, outputs)
    check_places(outputs.values())
    images = {image.role: read(inputs[image.role], image) for image in settings.inputs if image.role in inputs}
    made = run(folder, settings, {role: scan for role, (_, scan) in images.items()})
    stated = {image.role: _facts(settings, image) for image in settings.outputs}
    results = {path: (made[role], stated[role]) for role, path in outputs.items()}
    write_all(results, images[settings.first.role][0])
    print(*outputs.values(), sep="\n")


def _arguments(settings: Settings, words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=settings.facts["notice"])
    wanted = ", ".join(f"{image.role} ({image.modality}, {image.unit})" for image in settings.inputs)
    parser.add_argument("input", type=Path, help=f"image file of the first input; the model takes {wanted}")
    parser.add_argument("output", type=Path, help="image file to write")
    parser.add_argument(
        "--input", action="append", default=[], dest="others", metavar="ROLE=FILE", help="a further input"
    )
    return parser.parse_args(words)


def _inputs(settings: Settings, given: argparse.Namespace) -> dict[str, Path]:
    """Return the files of the inputs by role."""
    named = {role: Path(path) for role, _, path in (word.partition("=") for word in given.others)}
    first, *others = (image.role for image in settings.inputs)
    for role in named:
        if role not in others:
            known = ", ".join(others) or "it takes one image"
            raise RefusalError(f"'{role}' is not a further input of the model ({known}); remove it.")
    for image in settings.inputs[1:]:
        if image.role not in named and not image.optional:
            raise RefusalError(
                f"The model also needs '{image.role}' ({image.modality}); add --input {image.role}=FILE."
            )
    return {first: given.input, **named}


def _outputs(settings: Settings, path: Path) -> dict[str, Path]:
    """Return the files of the outputs by role: the given one, or for several outputs one each."""
    suffix = suffix_of(path)
    if len(settings.outputs) == 1:
        return {settings.outputs[0].role: path}
    bare = path.name[: -len(suffix)]
    return {image.role: path.with_name(f"{bare}_{image.role}{suffix}") for image in settings.outputs}


def _check_distinct(inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    for path in outputs.values():
        if any(_is_same(path, other) for other in inputs.values()):
            raise RefusalError(f"{path} is an input and would be replaced; choose another name for the result.")


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two paths lead to one file, also through links or another letter case."""
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and os.path.samefile(one, other))


def _facts(settings: Settings, image: Image) -> dict[str, Any]:
    """Return what is stated about a result."""
    model = settings.facts["model"]
    return {
        "modality": image.modality,
        "unit": image.unit,
        "synthetic": True,
        "notice": settings.facts["notice"],
        "description": f"synthetic {image.modality}, {image.unit}, {model['name']}, not for diagnosis",
        "model": model["name"],
        "model_version": model["version"],
        "weights_sha256": model["weights_sha256"],
        "limits": model["limits"],
        "medsynth_version": settings.facts["medsynth_version"],
        "runner": f"exported model ({settings.network['format']})",
    }
