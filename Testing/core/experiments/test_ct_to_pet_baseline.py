"""The baselines are computed correctly, and one call makes the table of the experiment."""

import csv

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet, tiny_recipe, write_manifest

from medsynth_core import MedSynthError, Progress, load_model, train, write_volume
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.experiments import run_experiment
from medsynth_core.experiments.baselines.lookup import constant, fit_lookup
from medsynth_core.experiments.ct_to_pet_baseline import BASELINE, PET_METRICS
from medsynth_core.training.prepared_cases import load_cases

pytestmark = pytest.mark.slow


@pytest.fixture
def pairs(tmp_path):
    cases = read_manifest(write_manifest(tmp_path), ("ct", "pet"))
    return load_cases(cases, tiny_recipe(), Progress())


def body_error(pairs, method, power):
    contract = tiny_recipe().contract
    errors = [np.abs(method(pair.voxels) - contract.output.intensity.inverse(pair.target))[pair.body] for pair in pairs]
    return float((np.concatenate(errors) ** power).mean())


def test_the_tables_are_the_best_of_their_kind(pairs):
    contract = tiny_recipe().contract
    mean, median = (fit_lookup(pairs, contract, centre) for centre in (np.mean, np.median))
    flat = constant(pairs, contract)
    assert body_error(pairs, mean, 2) < body_error(pairs, median, 2) < body_error(pairs, flat, 2)
    assert body_error(pairs, median, 1) < body_error(pairs, mean, 1) < body_error(pairs, flat, 1)


def test_a_look_up_table_extrapolates_beyond_its_training_values(pairs):
    table = fit_lookup(pairs, tiny_recipe().contract, np.mean)
    assert np.isfinite(table(np.array([-5.0, 5.0]))).all()


def test_one_call_makes_the_table(tmp_path):
    manifest = write_manifest(tmp_path, ("train", "train", "val", "test", "test"))
    rows = list(csv.DictReader(manifest.open()))
    for number, row in enumerate(rows):
        ct = phantom_ct(seed=number)
        hot = ct.replace(voxels=(phantom_pet(ct).voxels > 1.2).astype(np.uint8))
        write_volume(hot, tmp_path / f"lesion{number}.nii.gz")
        row["lesion"] = f"lesion{number}.nii.gz"
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    # A trained baseline is used, not trained again: here a small one.
    train(tiny_recipe(name=BASELINE, epochs=1), manifest, tmp_path / "out" / BASELINE, device="cpu")
    table = run_experiment("ct-to-pet-baseline", manifest, tmp_path / "out", Progress())
    written = list(csv.DictReader(table.path.open()))
    assert [row["method"] for row in written] == list(table.scores) and len(written) == 5
    assert all(f"{metric}_mean" in written[0] for metric in PET_METRICS)
    cases = list(csv.DictReader(table.cases_path.open()))
    assert len(cases) == 10
    of_mean = [float(row["mae"]) for row in cases if row["method"] == "mean SUV"]
    assert float(written[0]["mae_mean"]) == pytest.approx(np.mean(of_mean), abs=1e-4)
    assert len(table.text_rows()[0]) == len(table.columns)
    recorded = load_model(tmp_path / "out" / "ct-to-pet")
    assert [row["method"] for row in recorded.card.comparison] == list(table.scores)
    assert "residual U-Net" in (recorded.path / "docs" / "README.md").read_text()


def test_an_unknown_experiment_is_refused(tmp_path):
    with pytest.raises(MedSynthError, match="no experiment 'x'"):
        run_experiment("x", tmp_path, tmp_path, Progress())
