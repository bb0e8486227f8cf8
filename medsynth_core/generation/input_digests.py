"""Whether the inputs of a data set are still those that its first cases were made from."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.generation.labels import files_of_labels
from medsynth_core.generation.order import Order
from medsynth_core.io.digest import sha256_of


def input_digests(order: Order) -> dict[str, str]:
    """Return the SHA-256 of the content of each input file of an order, by option; {} if it has none.

    Args:
        order: its ``source`` may be a folder, and its ``lesions`` a manifest, which count with all their files.
    """
    given = {name: getattr(order, name) for name in ("source", "lesion", "lesions")}
    found = {name: path for name, path in given.items() if isinstance(path, Path)}
    return {
        name: sha256_of(dict.fromkeys([path, *files_of_labels(path)] if name == "lesions" else _files(path)))
        for name, path in found.items()
    }


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
