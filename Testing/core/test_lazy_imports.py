"""Importing MedSynth is fast: heavy packages are imported when they are first needed."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "monai"}
LIGHT = [
    "medsynth_core",
    "medsynth_core.datasets.checks",
    "medsynth_core.datasets.manifest",
    "medsynth_core.errors",
    "medsynth_core.io.dicom.derived.series_writing",
    "medsynth_core.io.reading",
    "medsynth_core.io.suv.conversion",
    "medsynth_core.io.writing",
    "medsynth_core.models.library",
    "medsynth_core.preparation.contract",
    "medsynth_core.progress",
    "medsynth_core.resources",
    "medsynth_core.simulation.dose",
    "medsynth_core.volume",
    "medsynth_core.worker",
]


def packages_loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that a new Python loads for a statement."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()
    names = [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]
    return {name.partition(".")[0] for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("module", LIGHT)
def test_import_loads_neither_torch_nor_monai(module: str) -> None:
    loaded = packages_loaded_by(f"import {module}")
    assert "medsynth_core" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_importing_the_package_loads_no_package_from_elsewhere() -> None:
    """Slicer imports it at start-up."""
    added = packages_loaded_by("import medsynth_core") - packages_loaded_by("pass")
    assert added - set(sys.stdlib_module_names) == {"medsynth_core"}


@pytest.mark.slow
def test_networks_do_load_torch() -> None:
    """The way of looking finds torch where it is loaded."""
    assert "torch" in packages_loaded_by("import medsynth_core; medsynth_core.create_network")
