"""The low-dose experiment trains missing models, scores all in the same way, and writes tables and figures."""

import csv
import json

import numpy as np
import pytest
import torch
from builders import batch_of, phantom_body_pet

from medsynth_core import MedSynthError, Progress, load_model, write_volume
from medsynth_core.datasets.manifest import read_manifest, split_of
from medsynth_core.experiments import low_dose_pet, run_experiment, whole_body_pet
from medsynth_core.experiments.baselines import filters
from medsynth_core.experiments.baselines.filters import GAUSSIANS, mean_psnr, read_filters
from medsynth_core.experiments.scoring.dose_scores import DOSE_METRICS, dose_case
from medsynth_core.experiments.variants import recipes
from medsynth_core.grid import Grid
from medsynth_core.preparation.body import activity_mask
from medsynth_core.recipes.recipe import Recipe, read_recipe
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system
from medsynth_core.training.lock import RunLock
from medsynth_core.training.simulated_doses import simulate_case
from medsynth_core.training.train import train_recipe

pytestmark = pytest.mark.slow

SPLITS = ("train", "val", "test", "test")
PUBLISHED = recipes("low-dose-pet")


def write_cases(folder):
    """Write PET phantoms with their CT and tumours, and the manifest."""
    rows = []
    for index, split in enumerate(SPLITS):
        pet = phantom_body_pet(index, (16, 26, 28))
        parts = {
            "pet": pet,
            "ct": pet.replace(voxels=np.where(pet.voxels > 0.3, 40, -1000).astype(np.int16), modality="CT", unit="HU"),
            "lesion": pet.replace(voxels=(pet.voxels > 1.6).astype(np.uint8), unit=""),
        }
        for role, volume in parts.items():
            write_volume(volume, folder / f"{role}{index}.nii.gz")
        rows.append({"case": f"P{index}", "split": split, **{role: f"{role}{index}.nii.gz" for role in parts}})
    path = folder / "cases.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def tiny(recipe: Recipe, **changes) -> Recipe:
    """Return a recipe of the experiment that trains in seconds: two doses, few channels, one or two epochs."""
    content = recipe.model_dump(mode="json")
    options = content["network"]["options"]
    small = {"channels": 2, "context_channels": 2, "classes": 3}
    content["network"]["options"] = {name: small.get(name, value) for name, value in options.items()}
    if content["discriminator"]:
        content["discriminator"]["options"].update(channels=2, layers=1)
    content["contract"]["dose_factors"] = [1, 4, 50]
    content["contract"]["slab"] = {"slices": 8, "overlap": 4}
    content["augmentation"]["crop"] = 24
    content["dose"]["simulation"].update(counts=100000, subsets=8)
    coarse = min(content.get("coarse_epochs", 0), 1)
    content["epochs"] = 1 + coarse
    if coarse:
        content["coarse_epochs"] = coarse
    return Recipe.model_validate({**content, **changes})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return the folder of an experiment one model of which was trained before, and its table."""
    folder = tmp_path_factory.mktemp("experiment")
    manifest, output = write_cases(folder), folder / "out"
    wanted = {
        name: tiny(recipe)
        for name, recipe in PUBLISHED.items()
        if name in ("unet3d", "cgan3d", "mlnet3d", "cg3dgan", "cg3dsrgan")
    }
    train_recipe(wanted["unet3d"], manifest, output / "unet3d", device="cpu")
    before = (output / "unet3d" / "checkpoint.pt").stat().st_mtime_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(low_dose_pet, "recipes", lambda experiment: wanted)
        table = run_experiment("low-dose-pet", manifest, output, Progress())
    assert (output / "unet3d" / "checkpoint.pt").stat().st_mtime_ns == before, "it was trained again"
    return manifest, output, table, wanted


def read(path):
    return list(csv.DictReader(path.open()))


def test_every_method_is_judged_at_every_dose(made):
    _, output, table, wanted = made
    methods = ["identity", "gaussian", "non-local means", *wanted, "low-dose-pet"]
    rows = read(table.path)
    assert [(row["drf"], row["method"]) for row in rows] == [(f, name) for f in ("4.0", "50.0") for name in methods]
    assert all(row[f"{metric}_{part}"] for row in rows for metric in DOSE_METRICS for part in ("mean", "sd"))
    cases = read(table.cases_path)
    assert len(cases) == 2 * len(methods) * 2 and {case["case"] for case in cases} == {"P2", "P3"}
    one = [float(case["psnr"]) for case in cases if (case["drf"], case["method"]) == ("50.0", "gaussian")]
    row = next(row for row in rows if (row["drf"], row["method"]) == ("50.0", "gaussian"))
    assert float(row["psnr_mean"]) == pytest.approx(np.mean(one), abs=1e-4)
    assert float(row["psnr_sd"]) == pytest.approx(np.std(one, ddof=1), abs=1e-4)
    assert len(table.text_rows()[0]) == len(table.columns)
    tests = read(output / "wilcoxon.csv")
    assert len(tests) == 2 * 3 * (len(methods) - 1)
    assert {row["against"] for row in tests} == {"identity", "cg3dsrgan", "low-dose-pet"}
    assert all(0 < float(row[metric]) <= 1 for row in tests for metric in DOSE_METRICS)
    json.dumps(table.to_dict())


def test_only_networks_with_a_head_name_the_dose(made):
    rows = read(made[2].path)
    named = {row["method"] for row in rows if row["dose_accuracy"]}
    assert named == {"mlnet3d", "cg3dgan", "cg3dsrgan", "low-dose-pet"}
    assert all(float(row["dose_accuracy"]) in (0, 0.5, 1) for row in rows if row["dose_accuracy"])


def test_filters_are_those_that_validation_chose(made):
    manifest, output, _, wanted = made
    val = split_of(read_manifest(manifest, ("pet", "ct", "lesion")), "val")
    chosen = low_dose_pet.chosen_filters(val, wanted["unet3d"], Progress())["gaussian"]
    case = dose_case(val[0], wanted["unet3d"])
    for factor, low in case.low.items():
        reached = mean_psnr(chosen[factor], [(low, case.full)])
        assert reached == max(mean_psnr(other, [(low, case.full)]) for other in GAUSSIANS)
    assert chosen[50.0].sigma > chosen[4.0].sigma
    written = next(row for row in read(output / "methods.csv") if row["method"] == "gaussian")
    assert written["settings"] == f"DRF 4: {chosen[4.0]}; DRF 50: {chosen[50.0]}"


def test_a_search_for_filters_that_reached_its_limit_is_logged(made, monkeypatch):
    manifest, _, _, wanted = made
    monkeypatch.setattr(filters, "LARGEST_DISTANCE", 1)
    val = split_of(read_manifest(manifest, ("pet", "ct", "lesion")), "val")
    said: list[str] = []
    chosen = low_dose_pet.chosen_filters(val, wanted["unet3d"], Progress(log=said.append))["non-local means"]
    assert len(said) == len(chosen)
    assert said[0] == (f"The best non-local means at DRF 4 ({chosen[4.0]}) have the largest distance of the search.")


def test_a_case_is_judged_as_published_on_the_grid_of_its_input(made):
    manifest, _, table, wanted = made
    case = split_of(read_manifest(manifest, ("pet", "ct", "lesion")), "test")[0]
    simulated, judged = simulate_case(case, wanted["unet3d"]), dose_case(case, wanted["unet3d"])
    full, low = simulated.full.voxels.astype(np.float64), simulated.low[50.0].voxels.astype(np.float64)
    assert np.array_equal(judged.low[50.0].voxels, simulated.low[50.0].voxels)
    found = judged.scores(judged.low[50.0], 50.0)
    error = np.sqrt(np.mean((low - full) ** 2)) / np.ptp(full)
    assert found["nrmse_minmax"] == pytest.approx(error) and found["psnr"] == pytest.approx(-20 * np.log10(error))
    inside = judged.lesion.voxels != 0
    assert found["suvmean_error"] == pytest.approx(100 * (low[inside].mean() / full[inside].mean() - 1))
    assert found["suvmean_error_size"] == abs(found["suvmean_error"])
    metabolic = [image[inside & (image >= 0.41 * image[inside].max())].sum() for image in (low, full)]
    assert found["tlg_error"] == pytest.approx(100 * (metabolic[0] / metabolic[1] - 1))
    body = activity_mask(full, Grid.of(judged.full).spacing, 0)
    assert 0 < body.mean() < 0.9 and "dose_accuracy" not in found
    assert found["activity_ratio"] == pytest.approx(low[body].sum() / full[body].sum()) != 1
    assert table.scores[50.0]["identity"][case.name] == found
    doubled = judged.low[50.0].replace(voxels=2 * judged.low[50.0].voxels, metadata={"dose_reduction_factor": 4.0})
    assert judged.scores(doubled, 50.0)["activity_ratio"] == pytest.approx(2 * found["activity_ratio"])
    assert judged.scores(doubled, 50.0)["dose_accuracy"] == 0
    assert judged.scores(doubled, 4.0)["dose_accuracy"] == 1


def test_ablation_costs_and_figures_are_written(made):
    _, output, table, _ = made
    ablation = read(output / "ablation.csv")
    assert [row["variant"] for row in ablation] == ["baseline", "baseline + CG", "CG-3DGAN", "CG-3DSRGAN"]
    assert {row["drf"] for row in ablation} == {"50.0"}
    means = table.means("psnr")
    assert float(ablation[0]["psnr_mean"]) == pytest.approx(means["unet3d"][50.0], abs=1e-4)
    methods = {row["method"]: row for row in read(output / "methods.csv")}
    assert int(methods["cg3dsrgan"]["parameters"]) > int(methods["mlnet3d"]["parameters"]) > 0
    assert methods["mlnet3d"]["same_budget"] == "True" and methods["low-dose-pet"]["same_budget"] == "False"
    assert float(methods["unet3d"]["training_minutes"]) >= 0 and methods["unet3d"]["chosen_epoch"] == "1"
    environment = json.loads((output / "environment.json").read_text())
    assert environment["command"] == f"medsynth reproduce low-dose-pet --data {made[0]} --output DIR"
    assert "1 epoch" in environment["budget"]
    for figure in ("comparison.png", "doses.png", "curves.png"):
        assert (output / figure).stat().st_size > 20_000
    recorded = load_model(output / "packages" / "low-dose-pet")
    assert "DRF 50, gaussian" in [row["method"] for row in recorded.card.comparison]


def test_a_model_of_another_recipe_or_split_is_refused(made, tmp_path, monkeypatch):
    manifest, output, _, wanted = made
    recipe = wanted["unet3d"]
    monkeypatch.setattr(low_dose_pet, "recipes", lambda experiment: {"unet3d": recipe.model_copy(update={"seed": 9})})
    with pytest.raises(MedSynthError, match="unet3d.json was made by another recipe or with other cases"):
        run_experiment("low-dose-pet", manifest, output, Progress())
    monkeypatch.setattr(low_dose_pet, "recipes", lambda experiment: {"unet3d": recipe})
    moved = manifest.with_name("moved.csv")
    moved.write_text(manifest.read_text().replace("P3,test", "P3,train"))
    with pytest.raises(MedSynthError, match="or with other cases"):
        run_experiment("low-dose-pet", moved, output, Progress())


def test_filters_are_kept(made):
    manifest, output, _, wanted = made
    val = split_of(read_manifest(manifest, ("pet", "ct", "lesion")), "val")
    assert read_filters(output / "filters.csv") == low_dose_pet.chosen_filters(val, wanted["unet3d"], Progress())
    with pytest.raises(MedSynthError, match="run the experiment low-dose-pet with the same output folder first"):
        read_filters(output / "none.csv")


def test_a_whole_body_is_judged_by_what_was_trained_on_crops(made, monkeypatch):
    manifest, output, _, wanted = made
    monkeypatch.setattr(whole_body_pet, "recipes", lambda experiment: wanted)
    whole = manifest.with_name("whole-body.csv")
    whole.write_text("case,pet,lesion\nP3,pet3.nii.gz,lesion3.nii.gz\n")
    table = run_experiment("whole-body-pet", whole, output, Progress())
    rows = read(table.path)
    assert len(rows) == 2 * (3 + len(wanted) + 1) and {row["psnr_sd"] for row in rows} == {""}
    assert (output / "whole-body" / "comparison.png").stat().st_size > 20_000
    assert "±" not in "".join(table.text_rows()[0])
    # Twice the counts of the crops, and no attenuation.
    crops, body = (np.sqrt(np.mean([case["nrmse_minmax"] ** 2 for case in scores[50.0]["identity"].values()]))
                   for scores in (made[2].scores, table.scores))  # fmt: skip
    assert body < crops
    with pytest.raises(MedSynthError, match="There is no model in .*; run the experiment low-dose-pet"):
        monkeypatch.setattr(whole_body_pet, "recipes", lambda experiment: {"other": wanted["unet3d"]})
        run_experiment("whole-body-pet", whole, output, Progress())


def test_a_run_that_another_process_trains_is_refused(tmp_path, monkeypatch):
    manifest, output = write_cases(tmp_path), tmp_path / "out"
    (output / "unet3d").mkdir(parents=True)
    monkeypatch.setattr(low_dose_pet, "recipes", lambda experiment: {"unet3d": tiny(PUBLISHED["unet3d"])})
    lock = RunLock(output / "unet3d")
    with pytest.raises(MedSynthError, match="Another process is training in .*unet3d; wait for it"):
        run_experiment("low-dose-pet", manifest, output, Progress())
    lock.release()


def test_all_see_the_same_volumes_as_the_model_that_ships():
    bundled = read_recipe("low-dose-pet")
    for name, recipe in PUBLISHED.items():
        assert recipe.dose == bundled.dose and (recipe.seed == bundled.seed or name.endswith("-seed2"))
        assert recipe.contract.dose_factors == bundled.contract.dose_factors
    assert isinstance(PUBLISHED["unet3d"].dose.simulation, DoseSettings)


def test_networks_and_losses_are_as_published_but_for_their_size():
    published = read_recipe("cg3dsrgan-published")
    weights = PUBLISHED["cg3dsrgan"].loss
    for name in ("l1", "dose_class", "adversarial"):
        assert getattr(weights, name) == getattr(published.loss, name)
    assert {name for name, recipe in PUBLISHED.items() if not recipe.network.options.get("residual")} == {"cyclegan3d"}
    assert PUBLISHED["cyclegan3d"].loss == read_recipe("cyclegan3d").loss
    budget = {recipe.epochs for name, recipe in PUBLISHED.items() if name != "cyclegan3d"}
    assert len(budget) == 1 and 0 < PUBLISHED["cg3dsrgan"].coarse_epochs < budget.pop()


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_system_takes_a_step(name):
    recipe = tiny(PUBLISHED[name])
    system = create_system(recipe.system, recipe, Engine(torch.device("cpu"), recipe))
    system.begin_epoch(recipe.epochs)
    image = torch.rand(2, 1, 8, 24, 24, generator=torch.Generator().manual_seed(0))
    losses = system.step(batch_of(image, image / 2, torch.tensor([0, 1])))
    assert np.isfinite(list(losses.values())).all() and losses["loss"] > 0
