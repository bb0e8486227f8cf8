"""The version of MedSynth and of the libraries that its results depend on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

__version__ = "0.1.0"

LIBRARIES = ("torch", "monai", "numpy", "scipy", "SimpleITK")


def library_versions() -> dict[str, str]:
    """Return the installed version of each of `LIBRARIES`."""
    from importlib.metadata import version

    return {name: version(name) for name in LIBRARIES}


def source_commit(package: Path = Path(__file__).parent) -> str:
    """Return the commit of the checkout that this package runs from, with ``-dirty`` if its files were changed.

    Empty for an installed package, also where it lies in another project's repository, or without git.
    """
    git = shutil.which("git")
    if git is None:
        return ""
    tracked = _answer(git, package, "ls-files", "--error-unmatch", Path(__file__).name)
    return _answer(git, package, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") if tracked else ""


def _answer(git: str, folder: Path, *arguments: str) -> str:
    """Return what git prints in a folder, empty if it fails."""
    try:
        done = subprocess.run([git, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
