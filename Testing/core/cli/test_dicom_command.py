"""``medsynth dicom`` writes a derived series, and reports a mistake in a sentence with status 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dicom_builder import write_series
from pydicom import dcmread

from medsynth_core import Volume, read_volume
from medsynth_core.io.sidecar import sidecar_path
from medsynth_core.io.writing import write_labelled
from medsynth_core.volume import LPS_TO_RAS

GRID = LPS_TO_RAS @ np.array([[0.6, 0, 0, -10], [0, 0.8, 0, -20], [0, 0, 3, 0], [0, 0, 0, 1.0]])


def medsynth(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "medsynth_core", "dicom", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def reference(tmp_path) -> Path:
    write_series(tmp_path / "ct")
    return tmp_path / "ct"


@pytest.fixture
def pet(tmp_path) -> Path:
    """Return a synthetic PET as ``medsynth synthesize`` leaves it: an image file with a JSON beside it."""
    facts = {"synthetic": True, "model": "tiny", "model_version": "1.0.0", "medsynth_version": "0.1.0"}
    voxels = np.linspace(0, 9, 60).reshape(3, 4, 5).astype(np.float32)
    volume = Volume(voxels, GRID, "PT", "SUVbw", facts)
    write_labelled(volume, tmp_path / "pet.nii.gz")
    return tmp_path / "pet.nii.gz"


def test_it_writes_a_series_that_is_read_back(pet, reference, tmp_path):
    done = medsynth(pet, tmp_path / "out", "--reference", reference, "--json")
    assert done.returncode == 0, done.stderr
    told = {"output": str(tmp_path / "out"), "modality": "PT", "unit": "SUVbw", "slices": 3}
    assert json.loads(done.stdout) == told
    back = read_volume(tmp_path / "out")
    assert (back.modality, back.unit) == ("PT", "SUVbw")
    header = dcmread(tmp_path / "out" / "0001.dcm")
    assert header.SeriesDescription == "SYNTHETIC - not for diagnosis: PT (tiny 1.0.0)"
    assert np.allclose(back.voxels, read_volume(pet).voxels, rtol=1e-3, atol=1e-4)


def test_for_people_it_says_that_it_is_not_for_diagnosis(pet, reference, tmp_path):
    done = medsynth(pet, tmp_path / "out", "--reference", reference)
    assert done.returncode == 0 and "3 slices of synthetic PT. Not for diagnosis." in done.stdout


def test_an_image_not_marked_as_synthetic_is_reported(pet, reference, tmp_path):
    write_labelled(read_volume(pet).replace(metadata={"medsynth_version": "0.1.0"}), pet)
    done = medsynth(pet, tmp_path / "out", "--reference", reference)
    assert done.returncode == 0 and "does not state that it is synthetic, but the exported series will." in done.stdout
    assert "Warning" not in medsynth(tmp_path / "out", tmp_path / "again", "--reference", reference).stdout


@pytest.mark.slow
def test_mistakes_are_told_in_a_sentence_and_nothing_is_written(pet, reference, tmp_path):
    def refusal(*arguments: object) -> str:
        done = medsynth(*arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        return done.stderr

    assert "no such file" in refusal(tmp_path / "nothing.nii", tmp_path / "out", "--reference", reference)
    assert "Missing option '--reference'" in refusal(pet, tmp_path / "out")
    assert "is not empty" in refusal(pet, reference, "--reference", reference)
    sidecar_path(pet).unlink()
    assert "modality of the volume is unknown" in refusal(pet, tmp_path / "out", "--reference", reference)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct", "pet.nii.gz"]
