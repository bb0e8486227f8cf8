"""A model with two inputs (low-dose PET with the CT of the examination): training, synthesis, shell and worker."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import CT_SIDE, PET_SIDE, batch_of, dose_recipe, phantom_body_pet, write_dose_manifest
from worker_client import LAST, Client

from medsynth_core import MedSynthError, Volume, load_model, read_volume, synthesize, train, write_volume
from medsynth_core.cli.app import run as run_command
from medsynth_core.errors import ExitStatus
from medsynth_core.inference.synthesis import synthesize_all
from medsynth_core.preparation.case import prepare
from medsynth_core.recipes.recipe import Recipe, read_recipe

CT = {**CT_SIDE, "optional": False}


def with_ct(**changes: object) -> Recipe:
    """Return the small recipe for low-dose PET with a CT beside it."""
    plain = dose_recipe().model_dump(mode="json")
    network = {"name": "cg3dsrgan", "options": {**plain["network"]["options"], "in_channels": 2}}
    contract = {**plain["contract"], "inputs": {"pet": PET_SIDE, "ct": CT}}
    content = {**plain, "name": "tiny-dose-ct", "contract": contract, "network": network}
    return Recipe.model_validate({**content, "dose": {**plain["dose"], "attenuation_role": "ct"}, **changes})


def ct_of(pet: Volume) -> Volume:
    """Return a CT of the phantom: water where there is uptake, on a grid of its own."""
    hu = np.where(pet.voxels > 0.2, 40.0, -1000.0) + np.random.default_rng(1).normal(0, 8, pet.shape)
    wider = np.pad(hu, ((1, 1), (3, 3), (3, 3)), constant_values=-1000)
    matrix = pet.ijk_to_ras.copy()
    matrix[:3, 3] -= matrix[:3, :3] @ [3, 3, 1]
    return Volume(wider.astype(np.int16), matrix, "CT", "HU")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = list(csv.DictReader(write_dose_manifest(folder).open()))
    for row in rows:
        row["ct"] = f"{row['case']}-ct.nii.gz"
        write_volume(ct_of(read_volume(folder / row["pet"], modality="PT", unit="SUVbw")), folder / row["ct"])
    with (folder / "both.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "both.csv"


@pytest.fixture(scope="module")
def package(manifest, tmp_path_factory) -> Path:
    return train(with_ct(), manifest, tmp_path_factory.mktemp("run") / "run", device="cpu")


@pytest.fixture
def images() -> dict[str, Volume]:
    pet = phantom_body_pet(9)
    return {"pet": pet, "ct": ct_of(pet)}


def test_the_preset_takes_a_pet_and_its_ct():
    recipe = read_recipe("low-dose-pet-ct")
    assert recipe.needs.names == ("pet", "ct") and recipe.needs.simulated and recipe.needs.optional == ()
    assert [role.modality for role in recipe.needs.roles] == ["PT", "CT"]


def test_the_second_input_lies_on_the_grid_of_the_first(images):
    prepared = prepare(images, with_ct().contract)
    assert prepared.stacked.shape == (2, *prepared.voxels.shape) and prepared.voxels.shape == images["pet"].shape
    tissue = prepared.voxels > 0.2 / 5
    inside, outside = (prepared.others["ct"][where] for where in (tissue, ~prepared.body))
    # 40 HU where there is uptake, air around the body, in the network's values.
    assert np.median(inside) == pytest.approx(0.04, abs=0.01) and (outside == -1).all()


def test_training_uses_both(package):
    model = load_model(package)
    assert list(model.contract.inputs) == ["pet", "ct"] and model.network().in_channels == 2
    described = model.metadata.network_data_format.inputs
    assert [tensor.modality for tensor in described.values()] == ["PT", "CT"]
    assert model.metadata.task == "PT and CT to PT synthesis"
    assert (package.parent / "test.png").is_file()


def test_synthesis_is_on_the_grid_of_the_first_and_depends_on_both(package, images):
    made = synthesize(images, package, device="cpu")
    assert np.array_equal(made.ijk_to_ras, images["pet"].ijk_to_ras) and made.shape == images["pet"].shape
    assert set(made.metadata["inputs"]) == {"pet", "ct"} and made.modality == "PT"
    # Denser tissue.
    dense = images["ct"].replace(voxels=np.where(images["ct"].voxels > -500, 150, -1000).astype(np.int16))
    assert not np.array_equal(synthesize({**images, "ct": dense}, package, device="cpu").voxels, made.voxels)


def test_the_order_in_which_inputs_are_given_does_not_matter(package, images):
    turned = {"ct": images["ct"], "pet": images["pet"]}
    one, other = (synthesize_all(given, package, device="cpu")["pet"] for given in (images, turned))
    assert np.array_equal(one.voxels, other.voxels)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda images: images["pet"], "also needs a CT \\('ct'\\); provide it"),
        (lambda images: {**images, "mr": images["ct"]}, "has no input 'mr'; its inputs are pet, ct"),
        (lambda images: {**images, "ct": images["pet"]}, "ct: The volume is PET, but this model takes CT"),
        (lambda images: {**images, "ct": images["ct"].replace(unit="SUVbw")}, "ct: The volume is in SUVbw"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(package, images, change, words):
    with pytest.raises(MedSynthError, match=words):
        synthesize(change(images), package, device="cpu")


def test_a_ct_of_another_place_is_refused(package, images):
    elsewhere = images["ct"].ijk_to_ras.copy()
    elsewhere[:3, 3] += 2000
    with pytest.raises(MedSynthError, match="'ct' does not overlap"):
        synthesize({**images, "ct": images["ct"].replace(ijk_to_ras=elsewhere)}, package, device="cpu")


@pytest.mark.slow
def test_an_optional_input_may_be_missing(manifest, images, tmp_path):
    contract = {
        **with_ct().contract.model_dump(mode="json"),
        "inputs": {"pet": PET_SIDE, "ct": {**CT, "optional": True}},
    }
    recipe = with_ct(contract=contract, dose={"simulation": {"counts": 200000, "subsets": 8}}, epochs=2)
    assert recipe.needs.optional == ("ct",)
    lacking = tmp_path / "lacking.csv"
    rows = list(csv.DictReader(manifest.open()))
    with lacking.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for number, row in enumerate(rows):
            files = {role: str(manifest.parent / row[role]) for role in ("pet", "ct")}
            writer.writerow({**row, **files, **({"ct": ""} if number == 0 else {})})
    package = train(recipe, lacking, tmp_path / "run", device="cpu")
    alone, both = synthesize(images["pet"], package, device="cpu"), synthesize(images, package, device="cpu")
    assert not np.array_equal(alone.voxels, both.voxels)


def test_the_command_takes_further_inputs_by_role(package, images, tmp_path, monkeypatch, capsys):
    for role, volume in images.items():
        write_volume(volume, tmp_path / f"{role}.nii.gz")
    arguments = ["synthesize", tmp_path / "pet.nii.gz", tmp_path / "out.nii.gz", "--model", package, "--unit", "SUVbw"]

    def medsynth(*more: object) -> int:
        monkeypatch.setattr(sys, "argv", ["medsynth", *map(str, [*arguments, *more]), "--json"])
        return run_command()

    assert medsynth() == ExitStatus.USER_MISTAKE and "'ct'" in capsys.readouterr().err
    assert not (tmp_path / "out.nii.gz").exists()
    twice = ("--with", f"ct={tmp_path / 'ct.nii.gz'}")
    assert medsynth(*twice, *twice) == ExitStatus.USER_MISTAKE and "given twice" in capsys.readouterr().err
    first = ("--with", f"pet={tmp_path / 'pet.nii.gz'}")
    assert medsynth(*twice, *first) == ExitStatus.USER_MISTAKE and "already given" in capsys.readouterr().err
    assert not (tmp_path / "out.nii.gz").exists()
    assert medsynth("--with", "ct") == ExitStatus.USER_MISTAKE and "ROLE=FILE" in capsys.readouterr().err
    assert medsynth("--with", f"ct={tmp_path / 'ct.nii.gz'}") == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["provenance"]["inputs"]) == {"pet", "ct"}
    written = read_volume(tmp_path / "out.nii.gz")
    assert np.array_equal(written.voxels, synthesize(images, package, device="cpu").voxels)


def test_the_worker_takes_further_inputs_by_role(package, images, tmp_path):
    def handed(role: str) -> dict[str, object]:
        volume = images[role]
        np.save(tmp_path / f"{role}.npy", volume.voxels)
        facts = {"ijk_to_ras": volume.ijk_to_ras.tolist(), "modality": volume.modality, "unit": volume.unit}
        return {"voxels": str(tmp_path / f"{role}.npy"), **facts}

    client = Client()
    request = {"job": "synthesize", "input": handed("pet"), "model": str(package), "device": "cpu"}
    client.send(**request, output=str(tmp_path / "out.npy"))
    refused = client.next(*LAST)
    assert refused["event"] == "error" and "'ct'" in refused["message"]
    client.send(**request, inputs={"ct": handed("ct")}, output=str(tmp_path / "out.npy"))
    assert client.next(*LAST)["event"] == "done"
    assert np.array_equal(np.load(tmp_path / "out.npy"), synthesize(images, package, device="cpu").voxels)
    client.process.stdin.close()
    assert client.process.wait(60) == 0


def test_a_network_for_one_image_is_refused(manifest, tmp_path):
    options = {**with_ct().network.options, "in_channels": 1}
    with pytest.raises(MedSynthError, match="1 input channel, which cannot be divided evenly between 2 input images"):
        train(with_ct(network={"name": "cg3dsrgan", "options": options}), manifest, tmp_path / "run", device="cpu")


def test_batches_of_one_and_of_several_images_are_joined_along_the_channels():
    import torch

    from medsynth_core.systems.batch import Batch

    image = torch.rand(4, 1, 2, 3)
    one = batch_of(image, image)
    assert one.image is image and len(one) == 4
    two = Batch({"pet": image, "ct": 2 * image}, {"pet": image}, {"dose": torch.arange(4)})
    assert torch.equal(two.image, torch.cat([image, 2 * image], dim=1))
    parts = list(two.split(3))
    assert [len(part) for part, _ in parts] == [2, 1, 1] and sum(share for _, share in parts) == 1
    assert torch.equal(torch.cat([part.image for part, _ in parts]), two.image)
    assert torch.equal(torch.cat([part.labels["dose"] for part, _ in parts]), torch.arange(4))
