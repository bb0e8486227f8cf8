"""The recipes that come with MedSynth."""

from __future__ import annotations

import os
from pathlib import Path

from medsynth_core.resources import resource_folder


def preset_files() -> dict[str, Path]:
    """Return the preset files by name, in alphabetical order."""
    return {path.stem: path for path in sorted((resource_folder() / "Recipes").glob("*.yaml"))}


def preset_file(name: str | Path) -> Path:
    """Return the file of a recipe: ``name`` itself if there is such a file, otherwise the preset of that name.

    Presets of experiments are named with their folder, e.g. ``experiments/low-dose-pet``. If there is neither, the
    path is returned unchanged, and reading it fails.
    """
    return _preset(Path(name)) if is_preset(name) else Path(name)


def is_preset(name: str | Path) -> bool:
    """Return whether ``name`` is the name of a preset and not of a file."""
    return not os.path.exists(name) and os.path.isfile(_preset(Path(name)))


def _preset(name: Path) -> Path:
    return resource_folder() / "Recipes" / f"{name}.yaml"
