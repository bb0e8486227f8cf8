"""Files that were found to give wrong results in the field, built by their own scripts, give the right value."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medsynth_core import MedSynthError, Volume, load_model, read_volume, synthesize, write_volume

ROOT = Path(__file__).parents[2]
CASES = ROOT.parent / "shared" / "cases"


@pytest.fixture
def build(tmp_path):
    """Return a function that runs the script of a case and returns what it printed."""

    def run(name: str) -> str:
        script = CASES / name / "make.py"
        if not script.is_file():
            pytest.skip(f"the case {name} is not beside this checkout")
        (tmp_path / "bin").mkdir()
        command = tmp_path / "bin" / "medsynth"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m medsynth_core "$@"\n')
        command.chmod(0o755)
        path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, script, tmp_path / "out"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_zero_around_the_patient_is_refused_and_air_gives_no_uptake(build, tmp_path):
    told = build("11-zero-padded-ct")
    air, zero = told[: told.index("zero ")], told[told.index("zero ") :]
    assert air.startswith("air 0 ") and zero.startswith("zero 2 ")
    assert "The surroundings of the patient have exactly the value 0 HU" in zero
    assert float(air.split("outside the patient")[1].split()[0]) < 0.01
    assert not (tmp_path / "out" / "o_zero.nii.gz").exists()


def ellipse(air: float) -> Volume:
    """Return a noisy CT of an ellipse with a lung, surrounded by ``air``."""
    k, j, i = np.indices((10, 120, 120))
    r = np.hypot((j - 59.5) / 40, (i - 59.5) / 50)
    hu = np.where(r < 0.85, 50, -100) + np.random.default_rng(0).normal(0, 10, r.shape)
    hu[np.hypot((j - 59.5) / 15, (i - 75) / 15) < 1] = -800
    return Volume(np.where(r < 1, hu, air).astype(np.int16), np.diag([-2.0, -2.0, 3.27, 1.0]), "CT", "HU")


def test_the_same_of_a_ct_that_the_test_builds():
    with pytest.raises(MedSynthError, match="surroundings of the patient have exactly the value 0 HU"):
        synthesize(ellipse(0), "ct-to-pet", device="cpu")
    made = synthesize(ellipse(-1000), "ct-to-pet", device="cpu").voxels
    k, j, i = np.indices(made.shape)
    outside = np.hypot((j - 59.5) / 40, (i - 59.5) / 50) > 1.1
    assert made[outside].mean() < 0.01 and made[~outside].mean() > 0.5


@pytest.mark.parametrize("value", [-1e300, 1e300, 3.5e38])
def test_a_ct_with_an_absurd_voxel_gives_a_sentence_and_no_file(value, tmp_path):
    hu = ellipse(-1000).voxels.astype(np.float64)
    hu[5, 60, 60] = value
    path = write_volume(Volume(hu, np.eye(4)), tmp_path / "ct.nrrd")
    with pytest.raises(MedSynthError, match="beyond those of any scanner"):
        synthesize(read_volume(path, "CT", "HU"), "ct-to-pet", device="cpu")
    command = [
        sys.executable,
        "-m",
        "medsynth_core",
        "synthesize",
        path,
        tmp_path / "pet.nii.gz",
        "--model",
        "ct-to-pet",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "beyond those of any scanner" in " ".join(done.stderr.split())
    assert [file.name for file in tmp_path.iterdir()] == ["ct.nrrd"]


def whole_body(spacing: tuple[float, float, float]) -> Volume:
    """Return a PET of a trunk with a hot organ in voxels of this size."""
    shape = tuple(round(side / step) for side, step in zip((120, 220, 280), spacing[::-1], strict=True))
    k, j, i = (
        np.linspace(-1, 1, n)[tuple(slice(None) if a == b else None for b in range(3))] for a, n in enumerate(shape)
    )
    suv = np.where((i / 0.75) ** 2 + (j / 0.6) ** 2 + 0 * k < 1, 1.0, 0.0)
    suv = suv + np.where((k / 0.3) ** 2 + (j / 0.2) ** 2 + ((i - 0.3) / 0.2) ** 2 < 1, 5.0, 0.0)
    suv *= np.random.default_rng(0).gamma(25, 1 / 25, shape)
    matrix = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    return Volume(gaussian_filter(suv, 4 / np.array(spacing[::-1]) / 2.355).astype(np.float32), matrix, "PT", "SUVbw")


@pytest.mark.parametrize("spacing", [(3.39, 3.39, 2.03), (2.08, 2.08, 2.03)])
def test_a_whole_body_pet_of_finer_voxels_is_synthesized_on_its_grid(spacing):
    pet, model = whole_body(spacing), load_model("low-dose-pet")
    made = synthesize(pet, model, device="cpu")
    assert made.same_grid(pet, tolerance=0) and made.metadata["activity_ratio"] == pytest.approx(1, abs=0.02)
    assert made.metadata["averaged_voxels"][2] == 2
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) for n in pet.shape), indexing="ij", sparse=True)
    core = (k / 0.15) ** 2 + (j / 0.1) ** 2 + ((i - 0.3) / 0.1) ** 2 < 1
    assert made.voxels[core].mean() == pytest.approx(pet.voxels[core].mean(), rel=0.1)


def test_coarser_voxels_stay_refused():
    with pytest.raises(MedSynthError, match=r"measure 6\.50 × 3\.39 × 2\.03 mm"):
        synthesize(whole_body((6.5, 3.39, 2.03)), "low-dose-pet", device="cpu")
