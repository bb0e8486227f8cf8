"""The comparison of systems trains missing models, scores all in the same way, and writes tables and figures."""

import csv
import json
import shutil

import numpy as np
import pytest
from builders import TINY_NETWORK, phantom_ct, phantom_pet, tiny_recipe, write_manifest

from medsynth_core import Progress, train, write_volume
from medsynth_core.experiments import systems
from medsynth_core.experiments.variants import COMPACT_STAGES, recipes
from medsynth_core.networks.registry import describe
from medsynth_core.recipes.recipe import read_recipe

pytestmark = pytest.mark.slow

ONE_STAGE = {**TINY_NETWORK, "options": {**TINY_NETWORK["options"], "stages": 1}}


@pytest.fixture
def manifest(tmp_path):
    path = write_manifest(tmp_path, ("train", "train", "val", "test", "test"))
    rows = list(csv.DictReader(path.open()))
    for number, row in enumerate(rows):
        ct = phantom_ct(seed=number)
        hot = ct.replace(voxels=(phantom_pet(ct).voxels > 1.2).astype(np.uint8))
        write_volume(hot, tmp_path / f"lesion{number}.nii.gz")
        mr = phantom_pet(ct)
        write_volume(mr.replace(voxels=500 * mr.voxels + 1, modality="MR", unit=""), tmp_path / f"mr{number}.nii.gz")
        row.update(lesion=f"lesion{number}.nii.gz", mr_t1=f"mr{number}.nii.gz", ct_mr_registration="good")
    rows.insert(2, {**rows[1], "case": "BAD", "ct_mr_registration": "poor"})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(path):
    return list(csv.DictReader(path.open()))


def test_ct_to_pet(manifest, tmp_path, monkeypatch):
    wanted = {"one": tiny_recipe(name="one", network=ONE_STAGE, epochs=2), "two": tiny_recipe(name="two", epochs=2)}
    monkeypatch.setattr(systems, "recipes", lambda experiment: wanted)
    plan = systems.Plan("ct-to-pet", "one", systems.PET_METRICS, "pet")
    monkeypatch.setitem(systems.PLANS, "ct-to-pet-systems", plan)
    output = tmp_path / "out"
    train(wanted["one"], manifest, output / "one", device="cpu")
    begun = (output / "one" / "checkpoint.pt").stat().st_mtime_ns
    table = systems.run("ct-to-pet-systems", manifest, output, Progress())
    assert (output / "one" / "checkpoint.pt").stat().st_mtime_ns == begun, "what was trained is not trained again"
    assert [row["method"] for row in read(table.path)] == ["look-up table, median", "one", "two", "ct-to-pet"]
    assert len(read(table.cases_path)) == 8
    tests = read(output / "wilcoxon.csv")
    assert {row["against"] for row in tests} == {"one"} and all(0 <= float(row["ssim"]) <= 1 for row in tests)
    methods = {row["method"]: row for row in read(output / "methods.csv")}
    assert int(methods["two"]["parameters"]) > int(methods["one"]["parameters"]) > 0
    assert methods["ct-to-pet"]["same_budget"] == "False" and methods["one"]["epochs"] == "2"
    environment = json.loads((output / "environment.json").read_text())
    assert "medsynth reproduce ct-to-pet-systems" in environment["command"] and "2 epochs" in environment["budget"]
    for figure in ("curves.png", "comparison.png"):
        assert (output / figure).stat().st_size > 10_000


def test_rows_that_are_kept_need_no_models(manifest, tmp_path, monkeypatch):
    wanted = {"one": tiny_recipe(name="one", network=ONE_STAGE, epochs=1), "two": tiny_recipe(name="two", epochs=1)}
    monkeypatch.setattr(systems, "recipes", lambda experiment: wanted)
    plan = systems.Plan("ct-to-pet", "one", systems.PET_METRICS, "pet")
    monkeypatch.setitem(systems.PLANS, "ct-to-pet-systems", plan)
    output, later = tmp_path / "out", tmp_path / "later"
    first = systems.run("ct-to-pet-systems", manifest, output, Progress())
    assert sorted(path.name for path in (output / "rows").iterdir()) == ["one.json", "one.npz", "two.json", "two.npz"]
    shutil.copytree(output / "rows", later / "rows")
    second = systems.run("ct-to-pet-systems", manifest, later, Progress())
    assert not (later / "one").exists() and not (later / "two").exists()
    assert second.scores == first.scores
    kept = ("method", "parameters", "epochs", "chosen_epoch", "training_minutes", "seconds_per_case", "checkerboard")
    one, other = (
        [[row[key] for key in kept] for row in read(folder / "methods.csv") if row["method"] != "ct-to-pet"]
        for folder in (output, later)
    )
    assert one == other and len(one) == 2
    for figure in ("curves.png", "comparison.png"):
        assert (later / figure).stat().st_size > 10_000


def test_ct_to_mr_leaves_out_training_pairs_that_are_known_to_be_wrong(manifest, tmp_path, monkeypatch):
    contract = read_recipe("ct-to-mr").contract.model_dump(mode="json") | {"spacing": [2.0, 2.0, 3.0]}
    common = {"contract": contract, "common_field": True, "epochs": 1}
    wanted = {"unet": tiny_recipe(name="unet", **common)}
    monkeypatch.setattr(systems, "recipes", lambda experiment: wanted)
    plan = systems.Plan("ct-to-mr", "unet", systems.MR_METRICS, "mr_t1")
    monkeypatch.setitem(systems.PLANS, "ct-to-mr-systems", plan)
    output = tmp_path / "out"
    table = systems.run("ct-to-mr-systems", manifest, output, Progress())
    assert "BAD" not in {row["case"] for row in read(output / "unet" / "split.csv")}
    assert "mae_255_mean" in read(table.path)[0] and "lesion_mae_mean" in read(table.path)[0]
    assert [row["case"] for row in read(output / "slices-unet.csv")][:2] == ["P3", "P4"]
    assert (output / "cases.png").stat().st_size > 10_000


def test_the_methods_are_what_the_publications_compare_with_two_levels_less():
    found = recipes("ct-to-pet-systems")
    assert {f"compact-{n}" for n in COMPACT_STAGES} | {"unet256", "cas-unet", "wide-3", "dsggan"} <= set(found)
    assert {recipe.epochs for recipe in found.values()} == {found["unet256"].epochs}
    assert {f"{name}-seed2" for name in ("unet256", "cas-unet", "compact-1", "compact-3", "compact-7")} <= set(found)
    assert all(recipe.seed == (2 if name.endswith("-seed2") else 1) for name, recipe in found.items())
    sizes = {name: describe(r.network.name, **r.network.options).parameters for name, r in found.items()}
    assert sizes["compact-10"] == 10 * sizes["compact-1"] and sizes["wide-3"] == 3 * sizes["unet256"]
    assert sizes["cas-unet"] == 2 * sizes["unet256"]
    assert set(recipes("ct-to-mr-systems")) == {"unet-ctmr", "pix2pix"}
