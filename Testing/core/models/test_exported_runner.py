"""An exported model gives the voxels of `medsynth_core.synthesize` where MedSynth is not installed."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from builders import CT_SIDE, PET_SIDE, SUV_SIDE, phantom_body_pet, phantom_ct, phantom_pet
from exported import AGREEMENT, BLOCKED, blocking, changed_package, difference, made_by, run_exported

import medsynth_core as ms
from medsynth_core.models.standalone.export import export_standalone

pytestmark = pytest.mark.slow
for package in ("onnx", "onnxruntime", "openvino"):
    pytest.importorskip(package, reason="models are exported with the packages of medsynth-core[export]")

TILTED = np.array([[0.96, -0.28, 0, -10], [0.28, 0.96, 0, 12], [0, 0, 1, 40], [0, 0, 0, 1]]) @ np.diag([-2, -2, 3, 1])
MR_SIDE = {"modality": "MR", "unit": "1", "intensity": {"kind": "percentiles", "upper": 99.5, "top": 1.0}}
TINY = {"channels": [4, 8, 8], "in_channels": 3, "out_channels": 1, "stem": 2, "upsample": "resize"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A function that returns the folder of an exported model, made once."""
    made = {}

    def get(model, kind):
        if (model, kind) not in made:
            made[model, kind] = export_standalone(model, tmp_path_factory.mktemp("exported") / "model", kind)
        return made[model, kind]

    return get


@pytest.fixture(scope="module")
def ct(sample_case):
    volume = ms.read_volume(sample_case / "ct.nii.gz", modality="CT", unit="HU")
    return cropped(volume, slice(22, 27))


@pytest.fixture(scope="module")
def pet(sample_case):
    volume = ms.read_volume(sample_case / "pet.nii.gz", modality="PT", unit="SUVbw")
    return cropped(volume, slice(10, 34))


def cropped(volume, slices):
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] += slices.start * matrix[:3, 2]
    return volume.replace(voxels=volume.voxels[slices], ijk_to_ras=matrix, stated=None)


def check_same(folder, package, volume, tmp_path):
    """Check voxels and grid of a result against MedSynth's for the same file."""
    made = made_by(folder, volume, tmp_path)
    source = ms.read_volume(tmp_path / "source.nii.gz")
    wanted = ms.synthesize(source, package, device="cpu")
    assert difference(made, wanted) < AGREEMENT
    assert made.shape == source.shape
    # ITK writes single precision.
    np.testing.assert_allclose(made.ijk_to_ras, source.ijk_to_ras, rtol=0, atol=1e-4)
    assert (made.modality, made.unit, made.is_synthetic) == (wanted.modality, wanted.unit, True)


def test_what_is_blocked_cannot_be_imported(tmp_path):
    # With -c, the first place to import from is the current folder.
    elsewhere, environment = tmp_path / "elsewhere", blocking(tmp_path)
    elsewhere.mkdir()

    def run(words):
        command = [sys.executable, "-c", words]
        return subprocess.run(command, env=environment, cwd=elsewhere, capture_output=True, text=True, check=False)

    for name in BLOCKED:
        assert f"ImportError: {name} is blocked" in run(f"import {name}").stderr
    allowed = run("import numpy, SimpleITK, onnxruntime, openvino")
    assert (allowed.returncode, allowed.stderr) == (0, "")


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_ct_to_pet_by_slices(exported, ct, kind, tmp_path):
    check_same(exported("ct-to-pet", kind), "ct-to-pet", ct, tmp_path)


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_low_dose_pet_by_slabs(exported, pet, kind, tmp_path):
    check_same(exported("low-dose-pet", kind), "low-dose-pet", pet, tmp_path)


def test_oblique_ct(exported, tmp_path):
    volume = phantom_ct((8, 60, 70), TILTED)
    check_same(exported("ct-to-pet", "onnx"), "ct-to-pet", volume, tmp_path)


def test_ct_stored_the_other_way_round_with_padding(exported, tmp_path):
    turned = phantom_ct((9, 50, 60), np.array([[0, 0, 2, -30], [-2, 0, 0, 40], [0, 3, 0, 5], [0, 0, 0, 1.0]]))
    turned.voxels[:2] = -2000
    check_same(exported("ct-to-pet", "openvino"), "ct-to-pet", turned, tmp_path)


def test_oblique_pet_of_finer_voxels_is_averaged(exported, tmp_path):
    pet = phantom_body_pet(shape=(40, 50, 60))
    pet = pet.replace(ijk_to_ras=TILTED @ np.diag([0.9, 0.9, 0.6, 1]))
    check_same(exported("low-dose-pet", "onnx"), "low-dose-pet", pet, tmp_path)


def test_pet_with_fewer_slices_than_a_slab(exported, tmp_path):
    check_same(exported("low-dose-pet", "onnx"), "low-dose-pet", phantom_body_pet(shape=(9, 32, 36)), tmp_path)


@pytest.mark.parametrize(
    "contract",
    [
        {"inputs": {"mr": MR_SIDE}, "frame": 0, "spacing": [1.5, 1.5, 3.0], "flip_average": False},
        {"matrix": [64, 56], "spacing": None, "slices": "replicate"},
    ],
    ids=["percentiles", "matrix"],
)
def test_other_preparations(contract, tmp_path):
    package = changed_package(tmp_path / "package", "cascade-compact", TINY, **contract)
    folder = export_standalone(package, tmp_path / "model", "onnx")
    volume = phantom_ct((7, 40, 44))
    if "inputs" in contract:
        volume = volume.replace(voxels=(volume.voxels + 1100).astype(np.float32), modality="MR", unit="1")
    check_same(folder, package, volume, tmp_path)


def test_several_inputs_and_outputs(tmp_path):
    """A PET with its CT on another grid, through a network for slices, into two images."""
    inputs, outputs = {"pet": PET_SIDE, "ct": CT_SIDE}, {"full": SUV_SIDE, "mr": {**MR_SIDE, "unit": "1"}}
    options = {**TINY, "in_channels": 6, "out_channels": 2}
    contract = {"inputs": inputs, "outputs": outputs, "frame": 48, "spacing": None}
    package = changed_package(tmp_path / "package", "cascade-compact", options, **contract)
    folder = export_standalone(package, tmp_path / "model", "onnx")
    ct = phantom_ct((8, 60, 66))
    pet = phantom_pet(ct)
    pet = cropped(
        pet.replace(voxels=pet.voxels[:, ::2, ::2], ijk_to_ras=ct.ijk_to_ras @ np.diag([2, 2, 1, 1])), slice(1, 7)
    )
    files = {role: ms.write_volume(volume, tmp_path / f"{role}.nii.gz") for role, volume in (("pet", pet), ("ct", ct))}
    done = run_exported(
        folder, tmp_path / "blocked", files["pet"], tmp_path / "made.nii.gz", "--input", f"ct={files['ct']}"
    )
    assert done.returncode == 0, done.stderr
    from medsynth_core.inference.synthesis import synthesize_all

    wanted = synthesize_all({"pet": pet, "ct": ct}, package, device="cpu")
    for role, image in wanted.items():
        assert difference(ms.read_volume(tmp_path / f"made_{role}.nii.gz"), image) < AGREEMENT
    missing = run_exported(folder, tmp_path / "blocked", files["pet"], tmp_path / "again.nii.gz")
    assert (missing.returncode, missing.stderr) == (2, "The model also needs 'ct' (CT); add --input ct=FILE.\n")


def test_cts_that_do_not_fit_are_refused_in_one_sentence(exported, tmp_path):
    folder, ct = exported("ct-to-pet", "onnx"), phantom_ct()
    shifted = ms.write_volume(ct.replace(voxels=ct.voxels + 1100), tmp_path / "shifted.nii.gz")
    check_refused(folder, tmp_path, shifted, "are not Hounsfield units")
    image = sitk.Cast(ct.to_sitk(), sitk.sitkFloat32)
    image[3, 3, 3] = float("nan")
    for name, words in (("nan.nii.gz", "not finite"), ("nan.mha", "is not named as NIfTI")):
        sitk.WriteImage(image, str(tmp_path / name))
        check_refused(folder, tmp_path, tmp_path / name, words)


def test_pets_that_do_not_fit_are_refused_in_one_sentence(exported, tmp_path):
    pet = phantom_body_pet()
    for number, (changed, words) in enumerate(
        [
            (pet.replace(voxels=pet.voxels * 5000), "are not SUVbw"),
            (pet.replace(ijk_to_ras=pet.ijk_to_ras @ np.diag([3, 3, 1, 1])), "The voxels of the image measure"),
            (pet.replace(voxels=pet.voxels - 0.5), "many negative values"),
        ]
    ):
        source = ms.write_volume(changed, tmp_path / f"pet{number}.nii.gz")
        check_refused(exported("low-dose-pet", "onnx"), tmp_path, source, words)


def test_files_that_do_not_fit_are_refused_in_one_sentence(exported, tmp_path):
    folder = exported("ct-to-pet", "onnx")
    check_refused(folder, tmp_path, tmp_path / "missing.nii.gz", "cannot be read as an image")
    sitk.WriteImage(sitk.Image(20, 20, sitk.sitkFloat32), str(tmp_path / "flat.nii.gz"))
    check_refused(folder, tmp_path, tmp_path / "flat.nii.gz", "2 dimensions")
    source = ms.write_volume(phantom_ct(), tmp_path / "ct.nii.gz")
    (tmp_path / "cut.nii.gz").write_bytes(source.read_bytes()[:-3000])
    check_refused(folder, tmp_path, tmp_path / "cut.nii.gz", "is not complete")
    unpacked = gzip.decompress(source.read_bytes())
    (tmp_path / "cut.nii").write_bytes(unpacked[:-3000])
    check_refused(folder, tmp_path, tmp_path / "cut.nii", "is not complete")
    check_refused(folder, tmp_path, source, "is not a further input", "--input", f"mr={source}")
    before = source.read_bytes()
    done = run_exported(folder, tmp_path / "blocked", source, source)
    assert (done.returncode, source.read_bytes()) == (2, before)


def test_a_changed_network_is_refused(exported, tmp_path):
    folder = shutil.copytree(exported("ct-to-pet", "onnx"), tmp_path / "model")
    with (folder / "network.onnx").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0\0\0\0")
    check_refused(folder, tmp_path, ms.write_volume(phantom_ct(), tmp_path / "ct.nii.gz"), "was changed")


def test_the_json_of_another_program_beside_the_result_stays(exported, ct, tmp_path):
    (tmp_path / "made.json").write_text('{"mine": 1}')
    made_by(exported("ct-to-pet", "onnx"), ct, tmp_path)
    assert json.loads((tmp_path / "made.json").read_text()) == {"mine": 1}
    assert json.loads((tmp_path / "made.nii.gz.json").read_text())["synthetic"] is True


def test_whatever_fails_is_told_in_one_sentence(exported, tmp_path):
    folder = shutil.copytree(exported("ct-to-pet", "onnx"), tmp_path / "model")
    source = ms.write_volume(phantom_ct(), tmp_path / "ct.nii.gz")
    facts = json.loads((folder / "preparation.json").read_text())
    for change, words in (
        ({"spacing": [1e-9, 1e-9, 1e-9]}, "more than this computer has"),
        ({"spacing": "none"}, "The model cannot be run"),
        ({"inputs": 3}, "is not complete"),
        ({"files": {}}, "was changed"),
    ):
        (folder / "preparation.json").write_text(json.dumps({**facts, **change}))
        check_refused(folder, tmp_path, source, words)


def test_a_package_that_is_missing_is_told_in_one_sentence(exported, tmp_path):
    source = ms.write_volume(phantom_ct(), tmp_path / "ct.nii.gz")
    for name in ("onnxruntime", "SimpleITK"):
        blocked = tmp_path / name
        blocked.mkdir()
        (blocked / f"{name}.py").write_text('raise ImportError("it is missing")')
        done = run_exported(exported("ct-to-pet", "onnx"), blocked, source, tmp_path / "made.nii.gz")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "it is missing" in done.stderr


def test_a_place_that_cannot_be_written_is_told_before_the_computation(exported, tmp_path):
    done = run_exported(
        exported("ct-to-pet", "onnx"), tmp_path / "b", tmp_path / "missing.nii", tmp_path / "no" / "a.nii"
    )
    assert (done.returncode, "a.nii cannot be written" in done.stderr) == (2, True)


def check_refused(folder, tmp_path, source, words, *more):
    done = run_exported(folder, tmp_path / "blocked", source, tmp_path / "made.nii.gz", *more)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "made.nii.gz").exists()
