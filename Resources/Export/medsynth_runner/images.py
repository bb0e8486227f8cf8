"""Image files: reading of inputs, and writing of all results with what is stated about them, or of none."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .beside import check_stated, place
from .grid import Grid
from .header import Header
from .nifti import read_nifti, suffix_of, write_nifti
from .preparing import Scan
from .refusal import RefusalError
from .settings import Image


def read(path: Path, image: Image) -> tuple[Header, Scan]:
    """Return the header of a file, and its voxels (float32) on their grid.

    Raises:
        RefusalError: the file cannot be read, is no NIfTI-1 image, or its JSON states another kind of image.
    """
    try:
        header, voxels = read_nifti(path)
    except OSError as error:
        raise RefusalError(f"{path} cannot be read as an image; check that it is there and complete.") from error
    check_stated(path, image)
    return header, Scan(voxels, Grid(header.shape, header.matrix))


def check_places(paths: Iterable[Path]) -> None:
    """Check, before long work, that results and the JSONs beside them can be written.

    Raises:
        RefusalError: they cannot.
    """
    for path in paths:
        suffix_of(path)
        for file in (path, place(path)):
            if file.exists() and not file.is_file():
                raise RefusalError(f"{file} is not a file that can be replaced; choose another name for the result.")
        try:
            with tempfile.TemporaryDirectory(prefix=".", dir=path.parent):
                pass
        except OSError as error:
            raise _unwritable(path, error) from error


def write_all(made: Mapping[Path, tuple[np.ndarray, Mapping[str, Any]]], like: Header) -> None:
    """Write images (k, j, i) and what is stated about each, all into one folder; all of them or none.

    Raises:
        RefusalError: a file cannot be written.
    """
    path = next(iter(made))
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
            staged: dict[Path, Path] = {}
            for number, (path, (voxels, facts)) in enumerate(made.items()):
                staged |= _staged(Path(folder, str(number)), path, voxels, facts, like)
            _move(staged, Path(folder, "kept"))
    except OSError as error:
        raise _unwritable(path, error) from error


def _staged(folder: Path, path: Path, voxels: np.ndarray, facts: Mapping[str, Any], like: Header) -> dict[Path, Path]:
    """Write a result elsewhere, and return the temporary files by those that they become."""
    folder.mkdir()
    image, stated = folder / f"image{suffix_of(path)}", folder / "image.json"
    write_nifti(voxels, like, image, facts)
    text = json.dumps({**facts, "image_file": path.name}, indent=2) + "\n"
    stated.write_text(text, encoding="utf-8")
    if stated.read_text(encoding="utf-8") != text:
        raise OSError("the disk may be full")
    return {place(path): stated, path: image}


def _move(staged: Mapping[Path, Path], kept: Path) -> None:
    """Put files at their places; what was there before returns if one of them fails."""
    kept.mkdir()
    begun: list[Path] = []
    try:
        for target, file in staged.items():
            if target.exists():
                os.replace(target, kept / target.name)
            begun.append(target)
            os.replace(file, target)
    except BaseException:
        for target in begun:
            target.unlink(missing_ok=True)
        for old in kept.iterdir():
            os.replace(old, next(iter(staged)).with_name(old.name))
        raise


def _unwritable(path: Path, error: OSError) -> RefusalError:
    return RefusalError(f"{path} cannot be written ({error.strerror or error}); choose another folder.")
