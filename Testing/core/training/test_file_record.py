"""A training continues with the images that it began with, wherever they lie, and with no others."""

from __future__ import annotations

import os
import shutil

import pytest
from builders import phantom_ct, phantom_pet, tiny_recipe, write_manifest

from medsynth_core import Cancelled, MedSynthError, train, write_volume
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.training.file_record import check_files, record_files

RECIPE = tiny_recipe(epochs=2)


def stop(fraction, message):
    if message.startswith("Epoch 2"):
        raise Cancelled


@pytest.fixture
def manifest(tmp_path):
    (tmp_path / "data").mkdir()
    return write_manifest(tmp_path / "data")


@pytest.fixture
def stopped(tmp_path, manifest):
    with pytest.raises(Cancelled):
        train(RECIPE, manifest, tmp_path / "run", device="cpu", progress=stop)
    return tmp_path / "run"


def test_other_images_of_the_same_names_are_refused(stopped, manifest):
    pet = phantom_pet(phantom_ct(seed=100))
    write_volume(pet.replace(voxels=3 * pet.voxels), manifest.parent / "pet1.nii.gz")
    before = {file: file.read_bytes() for file in stopped.rglob("*") if file.is_file()}
    with pytest.raises(MedSynthError, match=r"pet1.nii.gz \('pet' of case 'P1'\) is not the one .* new folder"):
        train(RECIPE, manifest, stopped, device="cpu", resume=True)
    assert {file: file.read_bytes() for file in stopped.rglob("*") if file.is_file()} == before


def test_images_that_were_moved_are_accepted_and_found_by_the_run(stopped, manifest, tmp_path):
    manifest.parent.rename(tmp_path / "moved")
    train(RECIPE, tmp_path / "moved" / "manifest.csv", stopped, device="cpu", resume=True)
    cases = read_manifest(stopped / "cases.csv", ("ct", "pet"))
    assert {file.parent.name for case in cases for file in case.files.values()} == {"moved"}
    check_files(stopped, cases)


def test_a_run_of_an_earlier_version_continues_as_before_and_has_a_record_then(stopped, manifest):
    (stopped / "files.csv").unlink()
    train(RECIPE, manifest, stopped, device="cpu", resume=True)
    assert (stopped / "files.csv").is_file()


def test_copies_are_the_same_images_whatever_their_times(manifest, tmp_path):
    record_files(tmp_path, read_manifest(manifest, ("ct", "pet")))
    copied = shutil.copytree(manifest.parent, tmp_path / "copy", copy_function=shutil.copy) / "manifest.csv"
    for table in (copied, manifest):
        os.utime(table.parent / "ct0.nii.gz", (1e9, 1e9))
        check_files(tmp_path, read_manifest(table, ("ct", "pet")))


def test_another_content_of_the_same_size_is_noticed(manifest, tmp_path):
    record_files(tmp_path, read_manifest(manifest, ("ct", "pet")))
    file = manifest.parent / "ct0.nii.gz"
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    with pytest.raises(MedSynthError, match="ct0.nii.gz"):
        check_files(tmp_path, read_manifest(manifest, ("ct", "pet")))


def test_images_of_the_test_split_may_change(manifest, tmp_path):
    cases = read_manifest(manifest, ("ct", "pet"))
    record_files(tmp_path, cases)
    tested = next(case for case in cases if case.split == "test")
    tested.files["pet"].write_bytes(b"corrected")
    check_files(tmp_path, cases)


def test_an_image_that_came_or_went_is_named(manifest, tmp_path):
    cases = read_manifest(manifest, ("ct", "pet"))
    record_files(tmp_path, cases)
    with pytest.raises(MedSynthError, match="'pet' of case 'P0'"):
        check_files(tmp_path, read_manifest(manifest, ("ct",)))
    record_files(tmp_path, read_manifest(manifest, ("ct",)))
    with pytest.raises(MedSynthError, match="'pet' of case 'P0'"):
        check_files(tmp_path, cases)


@pytest.mark.parametrize("text", ["", "case,role\nP0,ct\n", "case,role,file,bytes,time_ns\nP0,ct,x,many,0\n"])
def test_a_damaged_record_is_reported(manifest, tmp_path, text):
    (tmp_path / "files.csv").write_text(text)
    with pytest.raises(MedSynthError, match="is damaged|is not the one"):
        check_files(tmp_path, read_manifest(manifest, ("ct", "pet")))
