"""A model with two outputs (PET and MR from CT): training, validation, synthesis and the files of the command."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from builders import SUV_SIDE, TINY_NETWORK, phantom_ct, phantom_pet, tiny_recipe, write_manifest

from medsynth_core import MedSynthError, Volume, load_model, read_volume, synthesize, train, write_volume
from medsynth_core.cli.app import run as run_command
from medsynth_core.datasets.manifest import Case
from medsynth_core.inference.synthesis import synthesize_all
from medsynth_core.inference.synthesis_files import SynthesisFiles, synthesize_files
from medsynth_core.io.table import write_rows
from medsynth_core.models.markdown import card_text
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.paired import PairedSystem
from medsynth_core.training import prepared_cases
from medsynth_core.training.prepared_cases import load_case
from medsynth_core.training.run_folder import RunFolder
from medsynth_core.training.train import read_cases

MR_SIDE = {"modality": "MR", "unit": "1", "intensity": {"kind": "linear", "divisor": 1.0}}


def recipe_of_two(channels: int = 6) -> Recipe:
    """Return the tiny recipe with an MR beside the PET."""
    contract = {**tiny_recipe().model_dump(mode="json")["contract"], "outputs": {"pet": SUV_SIDE, "mr": MR_SIDE}}
    network = {**TINY_NETWORK, "options": {**TINY_NETWORK["options"], "out_channels": channels}}
    return tiny_recipe(name="tiny-two", contract=contract, network=network)


def mr_of(ct: Volume) -> Volume:
    """Return an MR of the phantom in which fat, not bone, is bright."""
    pet = phantom_pet(ct)
    bright = np.select([ct.voxels > 300, ct.voxels > 0, ct.voxels > -300], [0.0, 0.4, 1.0], 0.0)
    return pet.replace(voxels=bright.astype(np.float32), modality="MR", unit="1")


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = list(csv.DictReader(write_manifest(folder).open()))
    for number, row in enumerate(rows):
        row["mr"] = f"mr{number}.nii.gz"
        write_volume(mr_of(phantom_ct(seed=number)), folder / row["mr"])
    with (folder / "three.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return train(recipe_of_two(), folder / "three.csv", folder / "run", device="cpu")


def test_each_output_has_its_own_modality_unit_and_values(package):
    ct = phantom_ct(seed=9)
    made = synthesize_all(ct, package, device="cpu")
    assert [(role, volume.modality, volume.unit) for role, volume in made.items()] == [
        ("pet", "PT", "SUVbw"),
        ("mr", "MR", "1"),
    ]
    for volume in made.values():
        assert np.array_equal(volume.ijk_to_ras, ct.ijk_to_ras) and volume.shape == ct.shape
    assert not np.array_equal(made["pet"].voxels, made["mr"].voxels)


def test_the_package_describes_both_outputs(package):
    described = load_model(package).metadata.network_data_format.outputs
    assert [tensor.modality for tensor in described.values()] == ["PT", "MR"]


def test_one_volume_cannot_be_asked_of_two_outputs(package):
    with pytest.raises(MedSynthError, match=r"produces 2 images \(pet, mr\)"):
        synthesize(phantom_ct(seed=9), package, device="cpu")


def test_the_command_writes_a_file_for_each_output(package, tmp_path, monkeypatch, capsys):
    write_volume(phantom_ct(seed=9), tmp_path / "ct.nii.gz")
    arguments = ["synthesize", tmp_path / "ct.nii.gz", tmp_path / "out.nii.gz", "--model", package, "--json"]
    monkeypatch.setattr(sys, "argv", ["medsynth", *map(str, arguments)])
    assert run_command() == 0
    assert set(json.loads(capsys.readouterr().out)["outputs"]) == {"pet", "mr"}
    made = synthesize_all(read_volume(tmp_path / "ct.nii.gz"), package, device="cpu")
    for role, volume in made.items():
        written = read_volume(tmp_path / f"out_{role}.nii.gz")
        assert np.array_equal(written.voxels, volume.voxels)
        assert (written.modality, written.unit) == (volume.modality, volume.unit)


def test_a_report_cannot_have_the_name_of_an_image(package, tmp_path):
    write_volume(phantom_ct(seed=9), tmp_path / "ct.nii.gz")
    files = SynthesisFiles(tmp_path / "ct.nii.gz", tmp_path / "out.nii.gz", report=tmp_path / "out_mr.nii.gz")
    with pytest.raises(MedSynthError, match="another folder for the report"):
        synthesize_files(files, load_model(package), device="cpu")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ct.nii.gz"]


def test_only_a_pet_has_an_activity(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pet")
    with (write_manifest(folder)).open() as file:
        rows = [{**row, "mr": f"mr{number}.nii.gz"} for number, row in enumerate(csv.DictReader(file))]
    for number, row in enumerate(rows):
        write_volume(mr_of(phantom_ct(seed=number)), folder / row["mr"])
    rows = [{**row, "low": row["pet"]} for row in rows]
    write_rows(rows, folder / "low.csv")
    both = recipe_of_two()
    contract = {**both.model_dump(mode="json")["contract"], "inputs": {"low": SUV_SIDE}}
    package = train(
        both.model_copy(update={"contract": SynthesisContract.model_validate(contract), "epochs": 1}),
        folder / "low.csv",
        folder / "run",
        device="cpu",
    )
    made = synthesize_all(phantom_pet(phantom_ct(seed=9)), package, device="cpu")
    assert "activity_ratio" in made["pet"].metadata and "activity_ratio" not in made["mr"].metadata
    assert made["mr"].metadata["log"] == []


def scores_of(outputs: dict[str, dict[str, object]], errors: dict[str, float], **changes: object) -> dict[str, float]:
    """Return what validation reports of a case whose outputs are wrong by constants, in their units."""
    contract = {**tiny_recipe().model_dump(mode="json")["contract"], "outputs": outputs}
    recipe = tiny_recipe(contract=contract, **changes)
    sides = recipe.contract.outputs
    pet = phantom_pet(phantom_ct()).voxels
    targets = {role: side.intensity.forward(pet) for role, side in sides.items()}
    made = {role: side.intensity.inverse(targets[role]) + errors[role] for role, side in sides.items()}
    case = TrainingCase("A", {}, np.ones(pet.shape, dtype=bool), targets)
    return PairedSystem.validate(recipe, case, SimpleNamespace(images=lambda case: made))


def test_errors_in_different_units_are_not_averaged():
    both = {"pet": SUV_SIDE, "mr": MR_SIDE}
    found = scores_of(both, {"pet": 0.25, "mr": 100.0}, choose_by="mse")
    pet, mr = (scores_of({role: both[role]}, {"pet": 0.25, "mr": 100.0}, choose_by="mse") for role in both)
    assert found["mae"] == pet["mae"] == pytest.approx(0.25, rel=1e-3) and found["mse"] == pet["mse"]
    assert found["psnr"] == np.mean([pet["psnr"], mr["psnr"]])
    assert found["nrmse_minmax"] == np.mean([pet["nrmse_minmax"], mr["nrmse_minmax"]])


@pytest.mark.parametrize(
    ("other", "mae"),
    [(SUV_SIDE, 0.5), ({**SUV_SIDE, "unit": "Bq/mL"}, 0.25), ({**SUV_SIDE, "modality": "MR", "unit": "1"}, 0.25)],
)
def test_errors_are_averaged_if_modality_and_unit_are_the_same(other, mae):
    found = scores_of({"early": SUV_SIDE, "late": other}, {"early": 0.25, "late": 0.75})
    assert found["mae"] == pytest.approx(mae, rel=1e-3)


def test_the_card_says_which_output_its_results_are_of(package):
    metadata = load_model(package).metadata
    assert (
        "Metrics in the unit of the image, and the data range stated, are those of `pet`; all other metrics are means "
        "over `pet` and `mr`.\n\n| split |"
    ) in card_text(metadata)
    card = metadata.medsynth
    alike = card.contract.model_copy(update={"outputs": dict.fromkeys(("a", "b"), card.contract.output)})
    changed = metadata.model_copy(update={"medsynth": card.model_copy(update={"contract": alike})})
    assert "Each metric is the mean over `a` and `b`.\n" in card_text(changed)
    alone = card.contract.model_copy(update={"outputs": {"pet": card.contract.output}})
    changed = metadata.model_copy(update={"medsynth": card.model_copy(update={"contract": alone})})
    assert "over `" not in card_text(changed)


def test_unpaired_outputs_lie_on_one_grid(tmp_path):
    ct = phantom_ct()
    pet, mr = phantom_pet(ct), mr_of(phantom_ct((8, 36, 30)))
    files = {"pet": write_volume(pet, tmp_path / "pet.nii.gz"), "mr": write_volume(mr, tmp_path / "mr.nii.gz")}
    (case,) = load_case(Case("A", "train", files), recipe_of_two(), paired=False)
    assert case.targets["mr"].shape == case.targets["pet"].shape
    (alone,) = load_case(Case("A", "train", files), tiny_recipe(), paired=False)
    assert np.array_equal(alone.target, case.targets["pet"])
    matrix = mr.ijk_to_ras + np.eye(4, k=3) * 500
    write_volume(mr.replace(ijk_to_ras=matrix), tmp_path / "mr.nii.gz")
    with pytest.raises(MedSynthError, match="image for 'mr' does not overlap with that for 'pet'; check"):
        load_case(Case("A", "train", files), recipe_of_two(), paired=False)


def turned(recipe: Recipe) -> Recipe:
    """Return a recipe with its outputs in the other order."""
    content = recipe.model_dump(mode="json")
    content["contract"]["outputs"] = dict(reversed(content["contract"]["outputs"].items()))
    return Recipe.model_validate(content)


def test_a_run_is_not_resumed_with_its_outputs_in_another_order(package):
    recipe, data = recipe_of_two(), package.parent / "cases.csv"
    other = turned(recipe)
    # Dictionaries that differ in order only are equal.
    assert other == recipe
    cases, folder = read_cases(data, recipe), RunFolder(package.parent)
    folder.check_resumable(recipe, cases)
    with pytest.raises(MedSynthError, match="has its inputs or outputs in another order.*its own recipe.yaml"):
        folder.check_resumable(other, cases)


def test_prepared_arrays_are_not_shared_between_orders(package):
    (case,) = read_cases(package.parent / "cases.csv", recipe_of_two())[:1]
    # With one file for both, the order of the files tells nothing.
    case = replace(case, files={**case.files, "mr": case.files["pet"]})
    one, other = (
        prepared_cases._fingerprint(case, recipe, True) for recipe in (recipe_of_two(), turned(recipe_of_two()))
    )
    assert one != other
    # The arrays of runs with a single input and output keep the names that earlier versions gave them.
    assert set(prepared_cases._origin(case, tiny_recipe(), True)) == {
        "files", "roles", "contract", "dose", "case", "version", "paired", "common_field",
    }  # fmt: skip


def test_channels_that_two_outputs_cannot_divide_are_refused(package, tmp_path):
    with pytest.raises(MedSynthError, match="5 output channels, which cannot be divided evenly between 2"):
        train(recipe_of_two(channels=5), package.parent / "cases.csv", tmp_path / "run", device="cpu")
