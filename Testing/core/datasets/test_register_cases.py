"""Registration of the cases of a manifest: what is taken over from an earlier run, and what is never replaced."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet

from medsynth_core import read_volume, write_volume
from medsynth_core.datasets.manifest import Case, read_manifest, write_manifest
from medsynth_core.datasets.register_cases import PairSettings, register_manifest
from medsynth_core.datasets.registration_origin import original_of, record_of
from medsynth_core.errors import MedSynthError
from medsynth_core.io.writing import write_labelled

SETTINGS = PairSettings("ct", "pet", "CT", "PT")
LONG_AGO = 1.6e9


@pytest.fixture
def manifest(tmp_path):
    """Return the manifest of two cases whose images are older than every result."""
    cases = []
    for number in range(2):
        ct = phantom_ct((10, 40, 44), seed=number)
        files = {"ct": tmp_path / f"ct{number}.nii.gz", "pet": tmp_path / f"pet{number}.nii.gz"}
        for file, volume in zip(files.values(), (ct, phantom_pet(ct)), strict=True):
            write_volume(volume, file)
            os.utime(file, (LONG_AGO, LONG_AGO))
        cases.append(Case(f"P{number}", "", files))
    return write_manifest(cases, tmp_path / "cases.csv")


def skipped(manifest, output, settings=SETTINGS) -> list[bool]:
    return [case.skipped for case in register_manifest(manifest, settings, output)]


def test_another_image_is_registered_although_it_is_old(manifest, tmp_path):
    output, other = tmp_path / "out", tmp_path / "other.nii.gz"
    assert skipped(manifest, output) == [False, False] and skipped(manifest, output) == [True, True]
    before = read_volume(output / "P0" / "pet.nii.gz").voxels
    pet = read_volume(tmp_path / "pet0.nii.gz")
    write_volume(pet.replace(voxels=pet.voxels * np.float32(3)), other)
    os.utime(other, (LONG_AGO, LONG_AGO))
    manifest.write_text(manifest.read_text().replace("pet0.nii.gz", "other.nii.gz"))
    assert skipped(manifest, output) == [False, True]
    assert read_volume(output / "P0" / "pet.nii.gz").voxels.max() > 2 * before.max()


def test_a_file_that_was_replaced_by_an_older_one_is_registered_again(manifest, tmp_path):
    output, file = tmp_path / "out", tmp_path / "pet1.nii.gz"
    skipped(manifest, output)
    os.utime(file, (LONG_AGO - 1, LONG_AGO - 1))
    assert skipped(manifest, output) == [True, False]
    write_labelled(read_volume(file, "PT", "SUVbw").replace(metadata={"medsynth_version": "0.1"}), file)
    assert skipped(manifest, output) == [True, False]
    assert read_volume(output / "P1" / "pet.nii.gz").unit == "SUVbw"


@pytest.mark.parametrize("change", [{"deformable": True}, {"fixed_modality": ""}, {"moving_modality": ""}])
def test_other_settings_are_another_registration(manifest, tmp_path, change):
    skipped(manifest, tmp_path / "out")
    assert skipped(manifest, tmp_path / "out", replace(SETTINGS, **change)) == [False, False]


def test_a_record_of_an_earlier_version_is_not_relied_on(manifest, tmp_path):
    skipped(manifest, tmp_path / "out")
    record = tmp_path / "out" / "P0" / "pet_to_ct.json"
    content = json.loads(record.read_text())
    assert content["inputs"]["moving"]["file"] == str(tmp_path / "pet0.nii.gz")
    del content["inputs"]
    record.write_text(json.dumps(content))
    assert skipped(manifest, tmp_path / "out") == [False, True]


@pytest.mark.parametrize(
    "text",
    ["case,split,ct,pet\nOTHER,train,a,b\n", "case,split,ct,pet\nP0,train,ct0.nii.gz,mine.nii.gz\n", "my notes\n", ""],
)
def test_a_manifest_of_something_else_is_not_replaced(manifest, tmp_path, text):
    output = tmp_path / "out"
    output.mkdir()
    (output / "manifest.csv").write_text(text)
    with pytest.raises(MedSynthError, match="already exists and lists other cases than this registration"):
        register_manifest(manifest, SETTINGS, output)
    assert (output / "manifest.csv").read_text() == text and list(output.iterdir()) == [output / "manifest.csv"]


def test_what_was_entered_in_the_new_manifest_is_kept(manifest, tmp_path):
    output = tmp_path / "out"
    skipped(manifest, output)
    target = output / "manifest.csv"
    header, first, second = target.read_text().splitlines()
    first = first.replace("P0,,P0", "P0,train,SAME")
    target.write_text("\n".join([f"{header},site", f"{first},Bern", f"{second},"]) + "\n")
    assert skipped(manifest, output) == [True, True]
    cases = read_manifest(target, ("ct", "pet"), unsplit=True)
    assert [(case.split, case.patient) for case in cases] == [("train", "SAME"), ("", "P1")]
    assert "Bern" in target.read_text()


def test_what_is_entered_while_images_are_registered_is_kept(manifest, tmp_path):
    output = tmp_path / "out"
    skipped(manifest, output)
    target = output / "manifest.csv"

    def enter(fraction, _message):
        if 0.4 < fraction < 1:
            target.write_text(target.read_text().replace("P0,,P0", "P0,train,Miller"))

    register_manifest(manifest, SETTINGS, output, enter)
    cases = read_manifest(target, ("ct", "pet"), unsplit=True)
    assert [(case.split, case.patient) for case in cases] == [("train", "Miller"), ("", "P1")]


def test_a_case_that_is_left_out_is_left_out_of_the_new_manifest(manifest, tmp_path):
    output = tmp_path / "out"
    skipped(manifest, output)
    header, first, _ = manifest.read_text().splitlines()
    manifest.write_text(f"{header}\n{first}\n")
    assert skipped(manifest, output) == [True]
    assert [case.name for case in read_manifest(output / "manifest.csv", ("ct", "pet"), unsplit=True)] == ["P0"]


def test_what_is_wrong_in_the_new_manifest_is_said(manifest, tmp_path):
    output = tmp_path / "out"
    skipped(manifest, output)
    target = output / "manifest.csv"
    target.write_text(target.read_text().replace("P0,,P0", "P0,Train,P0"))
    with pytest.raises(MedSynthError, match="has the split 'Train'; use train, val or test"):
        skipped(manifest, output)


def test_a_data_set_that_was_moved_is_not_registered_again(manifest, tmp_path):
    (tmp_path / "data").mkdir()
    for file in (*tmp_path.glob("*.nii.gz"), *tmp_path.glob("*.json"), manifest):
        file.rename(tmp_path / "data" / file.name)
    manifest = tmp_path / "data" / "cases.csv"
    assert skipped(manifest, tmp_path / "data" / "out") == [False, False]
    (tmp_path / "data").rename(tmp_path / "moved")
    assert skipped(tmp_path / "moved" / "cases.csv", tmp_path / "moved" / "out") == [True, True]


def test_a_registered_image_is_traced_to_its_original(tmp_path):
    original, image = tmp_path / "pet.nii.gz", tmp_path / "pet-on-ct.nii.gz"
    assert original_of(original, "pet") == original and original_of(image, "pet") == image
    record_of(image).write_text(json.dumps({"lps_matrix": [], "quality": {}}))
    with pytest.raises(MedSynthError, match=r"pet.nii.gz, from which .* was registered, is missing; put it back"):
        original_of(image, "pet")
    original.write_bytes(b"image")
    assert original_of(image, "pet") == original  # as in data sets of earlier versions
    record = {"lps_matrix": [], "quality": {}, "inputs": {"moving": {"file": "/moved/away/pet.nii.gz"}}}
    record_of(image).write_text(json.dumps(record))
    assert original_of(image, "pet") == original
