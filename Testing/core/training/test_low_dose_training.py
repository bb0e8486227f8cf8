"""A model for low-dose PET is trained from full-dose PET alone, published and run, and keeps activity."""

import csv
import re
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import PET_SIDE, dose_recipe, phantom_body_pet, write_dose_manifest
from pydantic import ValidationError
from safetensors.torch import load_file

from medsynth_core import Cancelled, MedSynthError, load_model, synthesize, train
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.inference.predictor import create_predictor
from medsynth_core.inference.uncertainty import expected_error
from medsynth_core.progress import Progress
from medsynth_core.training.batches import Batches
from medsynth_core.training.patches import Patches
from medsynth_core.training.prepared_cases import load_case, load_cases
from medsynth_core.training.simulated_doses import simulate_case
from medsynth_core.training.validation import ERROR_SHARES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    # Of fewer than three validation patients no usual error is stated.
    return write_dose_manifest(tmp_path_factory.mktemp("data"), ("train", "train", "val", "test", "val", "val"))


@pytest.fixture(scope="module")
def run(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(dose_recipe(epochs=12, optimiser={"learning_rate": 0.006}), manifest, folder, device="cpu")
    return folder


def cases(manifest, split: str):
    return [case for case in read_manifest(manifest, ("pet",)) if case.split == split]


def test_a_case_is_a_pair_for_each_dose_of_the_same_counts(manifest, tmp_path):
    recipe, case = dose_recipe(), cases(manifest, "train")[0]
    quarter, fiftieth = load_case(case, recipe, tmp_path)
    assert [(case.name, case.labels["dose"]) for case in (quarter, fiftieth)] == [("P0 DRF 4", 0), ("P0 DRF 50", 1)]
    assert np.array_equal(quarter.target, fiftieth.target)
    errors = [np.abs(pair.voxels - pair.target)[pair.body].mean() for pair in (quarter, fiftieth)]
    assert 2 < errors[1] / errors[0] < 6
    for once, again in zip((quarter, fiftieth), load_case(case, recipe, tmp_path), strict=True):
        assert np.array_equal(once.voxels, again.voxels) and once.labels == again.labels
    assert not np.array_equal(load_case(case, dose_recipe(seed=5), tmp_path)[0].voxels, quarter.voxels)


def test_the_full_dose_itself_is_the_class_of_factor_one(manifest):
    contract = {**dose_recipe().contract.model_dump(mode="json"), "dose_factors": [1, 4]}
    recipe = dose_recipe(contract=contract)
    full, quarter = load_case(cases(manifest, "train")[0], recipe)
    assert np.array_equal(full.voxels[full.body], full.target[full.body]) and full.labels["dose"] == 0
    assert not np.array_equal(quarter.voxels, quarter.target)


def test_patches_cover_the_body_and_keep_input_and_target_together(manifest):
    recipe = dose_recipe()
    pairs = load_cases(cases(manifest, "train"), recipe, Progress())
    patches = Patches([replace(pair, targets={"pet": 2 * pair.voxels}) for pair in pairs], recipe)
    for index in range(patches.count):
        inputs, targets, name, labels = patches[(0, index, index)]
        image, target = inputs["pet"], targets["pet"]
        assert image.shape == target.shape == (1, 8, 24, 24) and torch.equal(target, 2 * image)
        assert name.endswith("DRF 4" if labels["dose"] == 0 else "DRF 50")
    again, other = patches[(0, 3, 3)][0]["pet"], patches[(1, 3, 3)][0]["pet"]
    assert torch.equal(again, patches[(0, 3, 3)][0]["pet"]) and not torch.equal(again, other)


def test_volumes_smaller_than_a_patch_are_padded_at_random_positions(manifest):
    recipe = dose_recipe(augmentation={"crop": 64, "flip": False})
    pairs = load_cases(cases(manifest, "train"), recipe, Progress())
    ones = [replace(pair, inputs={"pet": np.ones_like(pair.voxels)}, targets={"pet": pair.voxels}) for pair in pairs]
    patches = Patches(ones, recipe)
    rows, columns = pairs[0].voxels.shape[1:]
    corners = set()
    for epoch in range(8):
        inputs, targets, *_ = patches[(epoch, 0, 0)]
        image, target = inputs["pet"], targets["pet"]
        assert image.shape == target.shape == (1, 8, 64, 64) and image.sum() == 8 * rows * columns
        _, _, row, column = image.nonzero()[0].tolist()
        assert image[0, :, row : row + rows, column : column + columns].all()
        assert not target[image == 0].any() and target.any()
        corners.add((row, column))
    assert len(corners) > 4


def test_processes_share_the_patches_of_an_epoch(manifest):
    recipe = dose_recipe()
    pairs = load_cases(cases(manifest, "train"), recipe, Progress())
    whole = next(Batches(pairs, recipe, (1, 1)).epoch(0))
    halves = [next(Batches(pairs, recipe, (1, 1), (rank, 2)).epoch(0)) for rank in range(2)]
    assert sorted(whole.labels["dose"].tolist()) == sorted(
        halves[0].labels["dose"].tolist() + halves[1].labels["dose"].tolist()
    )
    assert torch.equal(whole.image[0::2], halves[0].image) and torch.equal(whole.image[1::2], halves[1].image)


def test_the_coarse_stage_chooses_no_epoch(run):
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert rows[0]["coarse_nrmse_minmax"] and not rows[0]["val_nrmse_minmax"] and rows[1]["val_nrmse_minmax"]
    best = min(rows[1:], key=lambda row: float(row["val_nrmse_minmax"]))
    assert load_model(run / "tiny-dose").card.training.best_epoch == int(best["epoch"])


def test_the_model_recovers_the_dose_of_an_unseen_patient_and_names_it(run, manifest):
    recipe = dose_recipe()
    made = simulate_case(cases(manifest, "test")[0], recipe)
    low = made.low[50.0]
    result = synthesize(low, run / "tiny-dose", device="cpu")
    body = phantom_body_pet(3).voxels > 0.3

    def error(volume) -> float:
        return float(np.sqrt(np.mean((volume.voxels - made.full.voxels)[body] ** 2)))

    assert error(result) < 0.8 * error(low)
    assert np.array_equal(result.ijk_to_ras, low.ijk_to_ras) and result.unit == "SUVbw" and result.voxels.min() >= 0
    ratio, outside = result.metadata["activity_ratio"], result.metadata["activity_outside"]
    assert ratio * (1 - outside) == pytest.approx(result.voxels.sum() / low.voxels.sum(), abs=2e-4)
    probabilities = result.metadata["dose_probabilities"]
    assert list(probabilities) == ["4", "50"] and sum(probabilities.values()) == pytest.approx(1, abs=1e-3)
    named = max(probabilities, key=probabilities.get)
    assert result.metadata["dose_reduction_factor"] == float(named)
    assert any(f"factor of {named}" in line for line in result.metadata["log"])


def test_activity_that_is_lost_is_told(run, monkeypatch):
    from medsynth_core.networks.contextual3d import CG3DSRGAN

    original = CG3DSRGAN.with_class
    monkeypatch.setattr(
        CG3DSRGAN, "with_class", lambda self, image: (original(self, image)[0] * 0.9, original(self, image)[1])
    )
    result = synthesize(phantom_body_pet(1), run / "tiny-dose", device="cpu")
    assert result.metadata["activity_ratio"] < 0.97
    assert any(re.search(r"contains [89]\d\.\d% of the input's activity", line) for line in result.metadata["log"])


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def test_the_error_curve_of_a_dose_integrates_to_its_validation_error(run, manifest):
    model = load_model(run / "tiny-dose")
    inverse = model.contract.output.intensity.inverse
    predictor = create_predictor(model.network(), model.contract, torch.device("cpu"))
    wrong = defaultdict(list)
    for pair in load_cases(cases(manifest, "val"), dose_recipe(), Progress()):
        wrong[pair.labels["dose"]].append((inverse(predictor(pair.voxels)) - inverse(pair.target))[pair.body])
    found = [rms(np.concatenate(wrong[dose])) for dose in (0, 1)]
    for dose in (0, 1):
        _, errors = np.array(model.card.dose_error_curves[dose]).T
        assert np.sqrt(np.diff(ERROR_SHARES) @ errors**2) == pytest.approx(found[dose], rel=0.01)
    # Exchanged curves would be wrong by far more.
    assert found[1] > 1.2 * found[0]


@pytest.mark.parametrize("dose", [0, 1])
def test_the_uncertainty_is_that_of_the_dose(run, manifest, dose):
    model = load_model(run / "tiny-dose")
    made = simulate_case(cases(manifest, "test")[0], dose_recipe())
    low = made.low[model.contract.dose_factors[dose]]
    result = synthesize(low, model, device="cpu", uncertainty=True)
    body = phantom_body_pet(3).voxels > 0.3
    # On the model's own grid nothing is interpolated. Hotter than all in validation, the error grows with the value.
    shares = result.metadata["dose_probabilities"].values()
    curves = [np.array(curve) for curve in model.card.dose_error_curves]
    within = body & (result.voxels < min(curve[-1, 0] for curve in curves))
    at = [np.interp(result.voxels[within], *curve.T) for curve in curves]
    mixed = np.sqrt(sum(share * one**2 for share, one in zip(shares, at, strict=True)))
    assert within.mean() > 0.9 * body.mean() and np.allclose(result.uncertainty.voxels[within], mixed, atol=1e-3)
    # In a patient whom nobody has seen yet the curve of the dose is right, and that of the other one is not.
    claimed = [rms(expected_error(result.voxels[body], model.card, np.eye(2)[sure])) for sure in (0, 1)]
    wrong = rms((result.voxels - made.full.voxels)[body])
    assert claimed[dose] == pytest.approx(wrong, rel=0.5)
    assert abs(np.log(claimed[1 - dose] / wrong)) > abs(np.log(claimed[dose] / wrong))


def adversarial_recipe():
    return dose_recipe(discriminator={"name": "patchgan3d", "options": {"channels": 4, "layers": 2}}, image_pool=2,
                       loss={"l1": 1.0, "refined_l1": 1.0, "dose_class": 0.1, "adversarial": 0.01})  # fmt: skip


@pytest.fixture(scope="module")
def straight(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight") / "run"
    train(adversarial_recipe(), manifest, folder, device="cpu")
    return folder


@pytest.mark.parametrize("stop_at", [0.15, 0.6])
def test_a_training_stopped_in_either_stage_resumes_to_the_same_weights(straight, manifest, tmp_path, stop_at):
    def stop(fraction: float, message: str) -> None:
        if fraction > stop_at:
            raise Cancelled

    stopped = tmp_path / "stopped"
    with pytest.raises(Cancelled):
        train(adversarial_recipe(), manifest, stopped, device="cpu", progress=stop)
    train(adversarial_recipe(), manifest, stopped, device="cpu", resume=True)
    one, two = (load_file(run / "best.safetensors") for run in (straight, stopped))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_the_plateau_ends_a_training_whose_rate_has_become_small(manifest, tmp_path):
    optimiser = {"learning_rate": 1e-9, "schedule": "plateau", "factor": 0.1, "patience": 1, "stop_below": 5e-10}
    train(dose_recipe(epochs=30, optimiser=optimiser, average=0.0), manifest, tmp_path / "run", device="cpu")
    assert len(list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))) < 30


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dose": None}, "both an input and an output, which is allowed only for simulated doses"),
        (
            {"contract": {**dose_recipe().model_dump()["contract"], "outputs": {"full": PET_SIDE}}},
            "must have the same role",
        ),
        (
            {"contract": {**dose_recipe().model_dump()["contract"], "outputs": {"pet": PET_SIDE, "late": PET_SIDE}}},
            "contract.outputs must be 'pet' alone, .* remove 'late'",
        ),
        ({"coarse_epochs": 3}, "coarse_epochs must be less than epochs"),
        ({"augmentation": {"crop": 24, "rotate_degrees": 5}}, "would blur the noise"),
        ({"system": "paired"}, "loss.refined_l1"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        dose_recipe(**changes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pet: pet.replace(modality="CT", unit="HU"), "is CT, but this model takes PET"),
        (lambda pet: pet.replace(unit="Bq/mL"), "is in Bq/mL, but this model takes SUVbw"),
        (lambda pet: pet.replace(voxels=0 * pet.voxels), "holds no activity"),
        (lambda pet: pet.replace(voxels=pet.voxels - 0.1), "negative values.*would clip them"),
        (
            lambda pet: pet.replace(voxels=5400 * pet.voxels, unit=""),
            "too high for SUVbw.*if they are in Bq/mL, convert them",
        ),
        (lambda pet: pet.replace(voxels=0.004 * pet.voxels), "too low for SUVbw"),
        (
            lambda pet: pet.replace(ijk_to_ras=pet.ijk_to_ras @ np.diag([3, 3, 1, 1])),
            "12.00 × 12.00 × 3.00 mm.*2 to 6 mm",
        ),
    ],
)
def test_what_is_no_pet_for_the_model_is_refused_in_one_sentence(run, change, words):
    with pytest.raises(MedSynthError, match=words) as caught:
        synthesize(change(phantom_body_pet()), run / "tiny-dose", device="cpu")
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message


def test_a_head_that_nothing_teaches_is_refused_before_the_training(manifest, tmp_path):
    recipe = dose_recipe(loss={"l1": 1.0, "refined_l1": 1.0})
    with pytest.raises(MedSynthError, match="has a dose head that no loss trains"):
        train(recipe, manifest, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "tiny-dose").exists()
