"""Studies of phantoms, and what a folder of results contains."""

from __future__ import annotations

from pathlib import Path

from builders import phantom_ct

from medsynth_core import write_volume

TRUNCATED = "damaged or truncated"


def write_studies(folder: Path, names: str = "P1 P2 P3") -> Path:
    """Write a CT in HU for each name, another one each, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names.split()):
        write_volume(phantom_ct(seed=seed), folder / f"{name}.nii.gz")
    return folder


def truncate(path: Path) -> None:
    """Cut a file off in the middle."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return content and time of each file below a folder, by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def names(folder: Path) -> list[str]:
    """Return the paths of the files below a folder of results, without the records of the batch."""
    records = {"batch.json", "failures.csv", "failures.lock"}
    return [name for name in content(folder) if name not in records]
