"""The experiment that trains the feature extractor, on built images; and what it learns from."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from builders import phantom_ct, phantom_pet
from PIL import Image

from medsynth_core import MedSynthError, write_volume
from medsynth_core.evaluation.features import fid, read_extractor
from medsynth_core.experiments.feature_extractor import Settings, run
from medsynth_core.experiments.feature_images import KINDS, LabelledImages, read_images
from medsynth_core.experiments.feature_tasks import (
    BLURRED,
    NOISY,
    TASKS,
    Heads,
    blurred,
    examples,
    losses,
    noisy,
    scores,
)
from medsynth_core.progress import Progress

TINY = Settings(name="tiny", channels=(2, 3, 4, 5), slices=3, held_out=0.34, epochs=2, batch_size=8)


def x_ray(folder: Path, name: str, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    grey = np.random.default_rng(seed).integers(0, 255, (20, 24), dtype=np.uint8)
    Image.fromarray(np.stack([grey] * 3, axis=-1)).save(folder / f"{name}.png")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a folder with three patients in three splits, and X-rays of six persons for training and two for test."""
    folder = tmp_path / "data"
    (folder / "sts").mkdir(parents=True)
    rows = []
    for number, split in enumerate(("train", "val", "test", "test")):
        ct = phantom_ct(seed=number)
        pet = phantom_pet(ct)
        files = {"ct": ct, "pet": pet, "mr_t1": pet.replace(voxels=500 * pet.voxels, modality="MR", unit="")}
        for role, volume in files.items():
            write_volume(volume, folder / "sts" / f"{role}{number}.nii.gz")
        rows.append({"case": f"P{number}", "split": split, **{role: f"{role}{number}.nii.gz" for role in files}})
    with (folder / "sts" / "cases.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for number in range(2):
        x_ray(folder / "chest-xray" / "train" / "NORMAL", f"IM-{number:04d}-0001", number)
        x_ray(folder / "chest-xray" / "train" / "PNEUMONIA", f"person{number}_bacteria_{number}", 10 + number)
        x_ray(folder / "chest-xray" / "train" / "PNEUMONIA", f"person{number}_virus_{number}", 20 + number)
        x_ray(folder / "chest-xray" / "test" / "NORMAL", f"NORMAL2-IM-{number:04d}-0001", 30 + number)
        x_ray(folder / "chest-xray" / "test" / "PNEUMONIA", f"person{number}_virus_{number}", 40 + number)
    return folder


def test_persons_and_patients_stay_together(data):
    images, rows = read_images(data, 3, 0.34, 0, Progress())
    held_out = {row["patient"] for row in rows if row["source"] == "x-ray" and row["split"] == "val"}
    # A third of two persons with normal and two with ill lungs, of whom the latter have two images each.
    assert len(held_out) == 1 and all(name.startswith("train/") for name in held_out)
    assert len(images["train"]) + len(images["val"]) == 2 * 9 + 6
    test = images["test"]
    assert np.bincount(test.kinds, minlength=4).tolist() == [6, 6, 6, 4]
    assert sorted(test.classes[test.kinds == KINDS.index("x-ray")]) == [0, 0, 2, 2]
    assert set(test.classes[test.kinds != KINDS.index("x-ray")]) == {-1}
    assert test.images.shape[1:] == (128, 128) and test.images.min() >= 0 and test.images.max() <= 1


def test_pictures_that_name_no_person_are_refused(data):
    x_ray(data / "chest-xray" / "train" / "NORMAL", "lung", 0)
    with pytest.raises(MedSynthError, match="does not say which person"):
        read_images(data, 3, 0.3, 0, Progress())


@pytest.mark.slow
def test_it_leaves_an_extractor_with_its_records(data, tmp_path):
    output = tmp_path / "out"
    table = run(data, output, Progress(), TINY)
    extractor = read_extractor(output / "model.safetensors")
    assert extractor.name == "tiny" and extractor(np.random.default_rng(0).normal(size=(3, 9, 9))).shape == (3, 5)
    log = list(csv.DictReader((output / "metrics.csv").open()))
    assert [row["epoch"] for row in log] == ["1", "2"] and float(log[0]["val_loss"]) > 0
    assert yaml.safe_load((output / "recipe.yaml").read_text())["channels"] == [2, 3, 4, 5]
    environment = json.loads((output / "environment.json").read_text())
    assert environment["command"].startswith("medsynth reproduce feature-extractor --data")
    assert [row["what"] for row in table.rows[:4]] == [f"accuracy: {task}" for task in TASKS]
    assert all(len(line) == len(table.columns) for line in table.text_rows())
    assert len(list(csv.DictReader(table.cases_path.open()))) == 4 * 3 + 4 + 4
    again = run(data, tmp_path / "again", Progress(), TINY)
    assert again.rows == table.rows
    assert fid(np.eye(9)[None] * np.arange(1, 4)[:, None, None], np.ones((2, 9, 9)), extractor).extractor == "tiny"


def labelled(count: int) -> LabelledImages:
    """Return bright squares at the top left, whose kind is told by their brightness."""
    images = np.zeros((count, 32, 32), np.float16)
    images[:, 4:14, 4:10] = 0.8
    kinds = np.arange(count) % 4
    return LabelledImages(images, kinds, np.where(kinds == 3, 1, -1), np.array(["P"] * count))


def test_examples_are_turned_and_degraded_as_their_labels_say():
    images, labels = examples(labelled(64), np.random.default_rng(0))
    assert set(labels) == set(TASKS) and labels["kind"].tolist() == [0, 1, 2, 3] * 16
    assert images.mean(dim=(1, 2, 3)).abs().max() < 1e-4
    brightest = images.unflatten(2, (2, 16)).unflatten(4, (2, 16)).mean(dim=(1, 3, 5)).flatten(1).argmax(1)
    # Quarter turns to the left: top left, bottom left, bottom right, top right.
    assert brightest.tolist() == [[0, 2, 3, 1][turn] for turn in labels["turn"].tolist()]
    rough = images.diff(dim=3).square().mean(dim=(1, 2, 3))
    noise = rough[labels["degradation"] == NOISY].median()
    blur = rough[labels["degradation"] == BLURRED].median()
    assert blur < rough[labels["degradation"] == 0].median() < noise


def test_blur_and_noise_change_only_what_they_should():
    images = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    chosen = np.array([True, False, False, True])
    for changed in (blurred(images, chosen, 1.0), noisy(images, chosen, np.random.default_rng(0))):
        assert [torch.equal(a, b) for a, b in zip(changed, images, strict=True)] == [False, True, True, False]


def test_images_without_a_class_do_not_count():
    heads, features = Heads(5), torch.randn(4, 5)
    labels = {name: torch.zeros(4, dtype=torch.long) for name in TASKS}
    labels["class"] = torch.tensor([-1, 1, -1, -1])
    logits = heads(features)
    found = losses(logits, labels)
    expected = torch.nn.functional.cross_entropy(logits["class"][1:2], labels["class"][1:2])
    assert found["class"].item() == pytest.approx(expected.item())
    labels["class"][1] = -1
    assert losses(logits, labels)["class"] == 0


def test_scores_do_not_depend_on_the_random_state():
    network = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(16, 5))
    heads = Heads(5)
    one = scores(network, heads, labelled(40), 1)
    torch.manual_seed(9)
    assert scores(network, heads, labelled(40), 1) == one
    assert set(one) == {*TASKS, "loss"}
