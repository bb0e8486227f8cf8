"""Each case of the development data builds itself, and MedSynth reads in it what its README states as right.

A case is one function: it calls `built` and asserts the right value. The behaviour is also tested on objects that the
tests of each module build; these are the files as they were found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.recipes.recipe import read_recipe

ROOT = Path(__file__).parents[2]
Build = Callable[[str], Path]


@pytest.fixture
def built(shared_data, tmp_path) -> Build:
    """Build a case by its number or name into a folder, and return the folder."""

    def build(name: str) -> Path:
        (case,) = shared_data.with_name("cases").glob(f"{name}*")
        if not (case / "make.py").exists():
            return Path(shutil.copytree(case, tmp_path / name))
        # The script's own check of the product is printed; what it finds is asserted here.
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, str(case / "make.py"), str(tmp_path / name)]
        made = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        return tmp_path / name

    return build


def test_01_nifti_whose_voxels_start_within_the_header(built):
    folder = built("01")
    good = read_volume(folder / "good.nii", "CT", "HU")
    assert sorted(np.unique(good.voxels)) == [-1000, -90, 40]
    for name in ("zero", "zero_unpadded"):
        with pytest.raises(MedSynthError, match=rf"{name}\.nii.*voxels start at byte 0"):
            read_volume(folder / f"{name}.nii", "CT", "HU")


def test_03_dicom_without_preamble(built):
    folder = built("03")
    ct, pet = read_volume(folder / "ct_without"), read_volume(folder / "pet_without")
    assert ct.shape[0] == 6 and (ct.voxels.min(), ct.voxels.max(), ct.unit) == (-1000, 40, "HU")
    assert pet.unit == "SUVbw" and np.abs(pet.voxels - 1).max() < 1e-3


def test_15_nrrd_in_left_anterior_superior(built):
    volume = read_volume(built("15") / "m.nhdr", "MR")
    assert volume.ijk_to_ras[:3, 3].tolist() == [-86.6, -133.9, 116.8]
    assert volume.ijk_to_ras[:3, :3].T.tolist() == [[0, 1, 0], [0, 0, -1], [1.3, 0, 0]]
    assert volume.voxels[5, 4, 3] == 119


READ = "from medsynth_core.io.reading import read_volume as read"
READ_RECIPE = "from medsynth_core.recipes.recipe import read_recipe as read"
# Runs `read` on a file and prints the refusal and the largest memory in MB that it took.
SCRIPT = """
import resource, sys
from medsynth_core.errors import MedSynthError
{read}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read(sys.argv[1])
    print("read")
except MedSynthError as refusal:
    print(refusal)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize(
    ("place", "reader"),
    [
        ("dicom-2d825f", READ),
        ("nifti-44296c/206.nii", READ),
        ("nifti-4c7cf2/289.nii.gz", READ),
        ("text-1b8f65/c.nrrd", READ),
        ("text-5dc780/i.nhdr", READ),
        ("recipe-14c57c/11.yaml", READ_RECIPE),
        ("recipe-3250f2/37.yaml", READ_RECIPE),
    ],
)
def test_damaged_files_are_refused_in_a_sentence_and_little_memory(built, place, reader):
    path = built("damaged") / place
    command = [sys.executable, "-c", SCRIPT.format(read=reader), str(path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, cwd=path.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr}"
    sentence, megabytes = done.stdout.splitlines()
    assert sentence.endswith(".") and sentence != "read" and done.stderr == ""
    assert float(megabytes) < 400


@pytest.mark.parametrize("place", ["recipe-14c57c/11.yaml", "recipe-3250f2/37.yaml"])
def test_damaged_recipes_name_their_file(built, place):
    with pytest.raises(MedSynthError, match=Path(place).name):
        read_recipe(built("damaged") / place)
