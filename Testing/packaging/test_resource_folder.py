"""Location of the bundled files in a source checkout, and the error for an incomplete installation."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from extension import ROOT, run

from medsynth_core.resources import resource_folder


def test_a_checkout_has_resources_at_its_top() -> None:
    assert resource_folder() == ROOT / "Resources"
    assert (resource_folder() / "SampleCase" / "ct.nii.gz").is_file()


def test_an_incomplete_installation_is_reported(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "medsynth_core", tmp_path / "medsynth_core")
    # What an installed Slicer extension has there belongs to its modules.
    (tmp_path / "Resources" / "Icons").mkdir(parents=True)
    code = "from medsynth_core.resources import resource_folder; resource_folder()"
    done = run(sys.executable, "-c", code, folder=tmp_path, environment={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert done.returncode != 0
    problem = done.stderr.splitlines()[-1]
    assert problem.startswith("medsynth_core.errors.MedSynthError: ")
    assert str(tmp_path / "medsynth_core" / "bundled") in problem
    assert problem.endswith("reinstall MedSynth.")
