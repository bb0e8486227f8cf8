"""Whether the inputs of a data set are still those that its first cases were made from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from medsynth_core.generation.labels import files_of_labels
from medsynth_core.generation.order import Order
from medsynth_core.models.package import sha256


def input_digests(order: Order) -> dict[str, str]:
    """Return the SHA-256 of the content of each input file of an order, by option; {} if it has none.

    Args:
        order: its ``source`` may be a folder, and its ``lesions`` a manifest, which count with all their files.
    """
    given = {name: getattr(order, name) for name in ("source", "lesion", "lesions")}
    found = {name: path for name, path in given.items() if isinstance(path, Path)}
    return {
        name: _digest([path, *files_of_labels(path)] if name == "lesions" else _files(path))
        for name, path in found.items()
    }


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _digest(files: list[Path]) -> str:
    """Return the SHA-256 of one file, or that of the hashes of several."""
    hashes = [sha256(file) for file in dict.fromkeys(files)]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
