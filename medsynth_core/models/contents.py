"""The files of a model package: nothing in it can run or point elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.io.json_reading import read_json
from medsynth_core.models.card import METADATA, ONNX_WEIGHTS, OWN_KEY, RECORDS_FILE, WEIGHTS

INFERENCE_FILE = PurePosixPath("configs/inference.json")
# Expressions in this file ($…) are Python code that MONAI runs, so a package may hold no others.
INFERENCE: dict[str, Any] = {
    "imports": ["$from medsynth_core.inference.bundle import run_bundle"],
    "bundle_root": ".",
    "input_file": "input.nii.gz",
    "output_file": "output.nii.gz",
    "device": "auto",
    "initialize": [],
    "run": ["$run_bundle(@bundle_root, @input_file, @output_file, @device)"],
    "finalize": [],
}
# Records of the training in docs/training.
RECORDS = ("recipe.yaml", "split.csv", "metrics.csv", "environment.json")
# Every file that a package can have, and its largest size in bytes: three times the largest published cascade for the
# weights, a hundred times a usual file for the others.
LARGEST_WEIGHTS, LARGEST_TEXT, LARGEST_RECORDS = 4_000_000_000, 20_000_000, 200_000_000
FILES = {
    WEIGHTS: LARGEST_WEIGHTS,
    ONNX_WEIGHTS: LARGEST_WEIGHTS,
    RECORDS_FILE: LARGEST_RECORDS,
    METADATA.as_posix(): LARGEST_TEXT,
    INFERENCE_FILE.as_posix(): LARGEST_TEXT,
    "LICENSE": LARGEST_TEXT,
    **dict.fromkeys(("docs/README.md", "docs/results.csv", "docs/cases.csv"), LARGEST_TEXT),
    **{f"docs/training/{name}": LARGEST_TEXT for name in (*RECORDS, "test.csv")},
}
# What file managers leave in folders and zip files.
LITTER = (".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX")


def package_files(folder: Path) -> list[str]:
    """Return the files of a package folder, relative to it, after a check that there are no others.

    Raises:
        MedSynthError: there is a link, something that is no regular file, a file that MedSynth does not write, one that
            is too large, or an ``inference.json`` with other code than MedSynth's.
    """
    found = []
    for path in _entries(folder):
        name = path.relative_to(folder).as_posix()
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise unsafe(folder, name, "is a link, which may point outside the package")
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise unsafe(folder, name, "is a pipe or device, not a file")
        check_entry(folder, name, path.stat().st_size)
        found.append(name)
    _check_inference(folder)
    return sorted(found)


def check_replaceable(package: Path) -> None:
    """Check, before a package is written to ``package``, that only an earlier package or an empty folder is replaced.

    Raises:
        MedSynthError: something else has that name.
    """
    if os.path.lexists(package) and not is_package(package) and not _is_empty(package):
        raise MedSynthError(
            f"{package} has the name of the model package and would be replaced, but MedSynth did not make it; rename "
            "or move it, or choose another output folder.",
            kind="output",
        )


def is_package(folder: Path) -> bool:
    """Return whether a folder is a package of MedSynth, or what is left of one whose metadata are lost or damaged."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        content = read_json(folder / METADATA)
    except (OSError, ValueError):
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]
        return bool(names) and all(name in FILES for name in names)
    return isinstance(content, dict) and isinstance(content.get(OWN_KEY), dict)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def check_entry(package: Path, name: str, size: int) -> None:
    """Check the name and size of a file in a package.

    Raises:
        MedSynthError: MedSynth writes no such file, or none as large.
    """
    if name not in FILES:
        raise unsafe(package, name, "is not a file of a model package")
    if size > FILES[name]:
        raise unsafe(package, name, f"takes {size / 1e9:.1f} GB when unpacked, more than that of any model")


def check_inside(folder: Path) -> None:
    """Check that the files which a model is loaded from are in its package folder, and not links out of it.

    Raises:
        MedSynthError: one is outside.
    """
    for name in (METADATA.as_posix(), WEIGHTS, ONNX_WEIGHTS):
        try:
            inside = (folder / name).resolve().is_relative_to(folder.resolve())
        except (OSError, RuntimeError):  # a circle of links
            inside = False
        if not inside:
            raise unsafe(folder, name, "points outside the package")


def is_litter(name: str) -> bool:
    """Return whether an entry is none of the package but left by a file manager."""
    return any(part in LITTER or part.startswith("._") for part in PurePosixPath(name).parts)


def unsafe(package: Path, entry: str, reason: str) -> MedSynthError:
    """Return the refusal of a package because of one of its entries."""
    return MedSynthError(
        f"The package {package} is not safe: its entry '{entry}' {reason}; do not use it.", kind="model"
    )


def _entries(folder: Path) -> Iterator[Path]:
    """Yield everything below a folder that is not a file manager's, without following links."""
    for path in sorted(folder.iterdir()):
        if not is_litter(path.name):
            yield path
            if path.is_dir() and not path.is_symlink():
                yield from _entries(path)


def _check_inference(folder: Path) -> None:
    path = folder / INFERENCE_FILE
    if not path.exists():
        return
    try:
        same = read_json(path) == INFERENCE
    except (OSError, ValueError):
        same = False
    if not same:
        raise unsafe(folder, INFERENCE_FILE.as_posix(), "holds other code than MedSynth's")
