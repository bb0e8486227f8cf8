"""Trainings of generators from noise: from images to packages, with classes, and of networks that grow."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import CT_SIDE, SUV_SIDE, write_manifest
from unconditional_recipes import GENERATOR, JUDGE, SIZE, recipe

from medsynth_core import Cancelled, MedSynthError, train
from medsynth_core.datasets.completeness import training_cases
from medsynth_core.models.library import verify_model
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.training.batches import Batches
from medsynth_core.training.prepared_cases import load_case
from medsynth_core.training.publishing import publish_run


def trained_twice(settings: Recipe, tmp_path: Any, epoch: int) -> Any:
    """Train at once, and with a stop in an epoch; check that both give the same weights, and return the package."""
    manifest = write_manifest(tmp_path)
    whole = train(settings, manifest, tmp_path / "whole", device="cpu")
    steps = []

    def stop(_fraction: float, message: str) -> None:
        steps.append(message.startswith(f"Epoch {epoch} "))
        if sum(steps) == 2:  # in the middle of the epoch
            raise Cancelled

    with pytest.raises(Cancelled):
        train(settings, manifest, tmp_path / "stopped", device="cpu", progress=stop)
    resumed = train(settings, manifest, tmp_path / "stopped", device="cpu", resume=True)
    weights = [(package / "models" / "model.safetensors").read_bytes() for package in (whole, resumed)]
    assert weights[0] == weights[1]
    return whole


@pytest.mark.slow
def test_a_registered_pair_is_drawn_as_the_channels_of_one_image(tmp_path):
    contract = {
        **recipe().contract.model_dump(mode="json"),
        "outputs": {"ct": CT_SIDE, "pet": {**SUV_SIDE, "intensity": {"kind": "curve", "points": [[0, -1], [20, 1]]}}},
    }
    settings = recipe(
        "wgan",
        contract=contract,
        network={"name": "wgan", "options": {**GENERATOR, "out_channels": 2}},
        discriminator={"name": "dcgan-discriminator", "options": {**JUDGE, "in_channels": 2}},
        critic_steps=3,
        batch_size=2,
    )
    package = trained_twice(settings, tmp_path, 2)
    rows = list(csv.DictReader((tmp_path / "whole" / "metrics.csv").open()))
    assert len(rows) == 2 and float(rows[-1]["val_image_distance"]) > 0 and rows[-1]["adversarial"]
    model = verify_model(package)
    assert set(model.card.metrics) == {"val", "test"} and model.card.metrics["test"]["image_distance"] > 0
    assert model.network()(torch.zeros(1, 5)).shape == (1, 2, SIZE, SIZE)
    outputs = json.loads((package / "configs" / "metadata.json").read_text())["network_data_format"]["outputs"]
    assert {role: tensor["num_channels"] for role, tensor in outputs.items()} == {"ct": 1, "pet": 1}


def with_classes(manifest: Path, *classes: str) -> Path:
    first, *lines = manifest.read_text().splitlines()
    cells = [f"{line},{name}" for line, name in zip(lines, classes, strict=True)]
    manifest.write_text("\n".join([f"{first},Class", *cells]) + "\n")
    return manifest


def test_the_class_of_a_case_is_the_number_of_its_name_in_the_recipe(tmp_path):
    settings = recipe("acgan", classes=["viral", "normal", "bacterial"])
    manifest = with_classes(
        write_manifest(tmp_path, ("train",) * 3 + ("val",)), "normal", "viral", "bacterial", "viral"
    )
    cases = training_cases(manifest, settings.needs)
    for cache in (None, tmp_path, tmp_path):
        loaded = [load_case(case, settings, cache)[0] for case in cases]
        assert [case.labels["class"] for case in loaded] == [1, 0, 2, 0]
    # The label of each slice is that of its case.
    found = next(Batches(loaded, settings, (0, 1)).epoch(0))
    by_name = {case.name: case for case in loaded}
    slices = {name: set() for name in by_name}
    for batch in Batches(loaded, settings.model_copy(update={"batch_size": 1}), (0, 1)).epoch(0):
        slices[batch.cases[0]].add(int(batch.labels["class"]))
    assert slices == {"P0": {1}, "P1": {0}, "P2": {2}, "P3": {0}} and found.labels["class"].dtype == torch.long
    assert "class" not in load_case(cases[0], recipe())[0].labels


@pytest.mark.slow
def test_a_training_with_classes_goes_on_with_the_same_ones_alone(tmp_path):
    settings = recipe("acgan", epochs=1)
    manifest = with_classes(write_manifest(tmp_path, ("train",) * 3 + ("val",)), *settings.classes, "viral")
    model = verify_model(train(settings, manifest, tmp_path / "run", device="cpu"))
    assert model.network()(torch.zeros(1, 5), torch.tensor([2])).shape == (1, 1, SIZE, SIZE)
    assert model.card.training.recipe["classes"] == ["normal", "bacterial", "viral"]
    manifest.write_text(manifest.read_text().replace(",viral", ",bacterial", 1).replace(",bacterial", ",viral", 1))
    with pytest.raises(MedSynthError, match="different split or different classes from the manifest"):
        train(settings, manifest, tmp_path / "run", device="cpu", resume=True)
    with pytest.raises(MedSynthError, match="had other cases than the manifest"):
        publish_run(tmp_path / "run", data=manifest, device="cpu")
    assert publish_run(tmp_path / "run", device="cpu").package.is_dir()


@pytest.mark.slow
def test_a_network_that_grows_is_published_at_its_whole_size(tmp_path):
    package = trained_twice(recipe("pggan", average=0.5, batch_size=2), tmp_path, 4)
    rows = list(csv.DictReader((tmp_path / "whole" / "metrics.csv").open()))
    # Scores of smaller images choose no epoch.
    assert [bool(row["val_image_distance"]) for row in rows] == [False, False, False, True, True]
    assert all(row["coarse_image_distance"] for row in rows[:3])
    assert verify_model(package).network()(torch.zeros(1, 5)).shape == (1, 1, SIZE, SIZE)
