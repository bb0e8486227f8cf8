"""Scores that are not defined for a validation case count for nothing, and are reported."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from builders import phantom_ct, phantom_pet, tiny_recipe, write_manifest

from medsynth_core import MedSynthError, Progress, train, write_volume
from medsynth_core.io.json_reading import read_json
from medsynth_core.training.run_folder import RunFolder
from medsynth_core.training.run_watch import RunWatch
from medsynth_core.training.validation import mean_scores

CHOICE = {"choose_by": "nrmse_minmax", "epochs": 3}


def without_contrast(manifest, number):
    """Let the PET of a case be 0 everywhere."""
    pet = phantom_pet(phantom_ct(seed=number))
    write_volume(pet.replace(voxels=np.zeros_like(pet.voxels)), manifest.parent / f"pet{number}.nii.gz")


@pytest.fixture
def manifest(tmp_path):
    path = write_manifest(tmp_path, ("train", "train", "val", "val", "val", "test"))
    without_contrast(path, 3)
    return path


def test_the_best_epoch_is_chosen_by_the_cases_with_a_score(manifest, tmp_path):
    said: list[str] = []
    package = train(tiny_recipe(**CHOICE), manifest, tmp_path / "run", device="cpu", progress=Progress(log=said.append))
    with (tmp_path / "run" / "metrics.csv").open() as file:
        scores = [float(row["val_nrmse_minmax"]) for row in csv.DictReader(file)]
    card = read_json(package / "configs" / "metadata.json")["medsynth"]
    assert all(map(math.isfinite, scores)) and card["training"]["best_epoch"] == 1 + int(np.argmin(scores))
    assert card["metrics"]["val"]["nrmse_minmax"] == pytest.approx(min(scores), rel=0.05)
    sentence = (
        "'nrmse_minmax' is not defined for 1 of 3 cases, among them 'P3' (the reference is constant in the compared "
        "voxels); means are over the others."
    )
    assert said.count(sentence) == 1
    logged = [event["message"] for event in RunWatch(tmp_path / "run").events() if event["event"] == "log"]
    assert logged.count(sentence) == 1


def test_a_choice_that_no_case_defines_ends_at_the_first_validation(manifest, tmp_path):
    for number in (2, 4):
        without_contrast(manifest, number)
    with pytest.raises(MedSynthError, match="'nrmse_minmax' is not defined for any validation case .*choose another"):
        train(tiny_recipe(**CHOICE), manifest, tmp_path / "run", device="cpu")
    last = RunWatch(tmp_path / "run").events()[-1]
    assert last["event"] == "error" and "choose_by" in last["message"]
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_means_are_over_finite_scores():
    assert mean_scores([{"a": 1.0, "b": math.nan}, {"a": math.inf, "b": math.nan}, {"a": 3.0, "b": math.nan}]) == {
        "a": 2
    }


def test_a_run_without_a_validated_epoch_is_not_published(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,loss,val_mae\n1,0.5,\n2,0.4,nan\n")
    with pytest.raises(MedSynthError, match="no validated epoch yet"):
        RunFolder(tmp_path).best_epoch("mae")


def test_the_card_states_no_test_score_that_a_case_lacks(tmp_path):
    path = write_manifest(tmp_path, ("train", "train", "val", "test", "test"))
    without_contrast(path, 4)
    package = train(tiny_recipe(epochs=1), path, tmp_path / "run", device="cpu")
    card = read_json(package / "configs" / "metadata.json")["medsynth"]["metrics"]
    assert "nrmse_minmax" in card["val"] and "nrmse_minmax" not in card["test"] and card["test"]["mae"] > 0
    logged = [event["message"] for event in RunWatch(tmp_path / "run").events() if event["event"] == "log"]
    assert any(line.startswith("'nrmse_minmax' is not defined for 1 of 2") and "no mean" in line for line in logged)
