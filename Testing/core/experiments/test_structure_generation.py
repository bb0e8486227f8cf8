"""The experiment on generated images: recipes of its methods, and a whole run with small models of phantoms."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from generation_builders import images_recipe, shared_package, write_lesion_phantoms

from medsynth_core import MedSynthError, Progress
from medsynth_core.evaluation.judges.judge import JudgeSettings
from medsynth_core.experiments.scoring import usability
from medsynth_core.experiments.scoring.image_set_scores import ImageSet
from medsynth_core.experiments.structure_generation import sarcomas
from medsynth_core.experiments.structure_generation.drawn_images import Anatomies, drawn_anatomies, drawn_set
from medsynth_core.experiments.structure_generation.real_images import RealSlices, real_slices
from medsynth_core.experiments.structure_generation.recipes import ABLATIONS, recipes, shared_recipe
from medsynth_core.experiments.structure_generation.sarcomas import run
from medsynth_core.experiments.structure_generation.tumours import Settings, TumourScorer, lesion_table
from medsynth_core.generation.anatomy import Anatomy, axial_grid
from medsynth_core.generation.drawing import images_of
from medsynth_core.generation.generator import Generator
from medsynth_core.models.package import Model
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.training.fit import check_networks
from medsynth_core.training.prepared_cases import load_one
from medsynth_core.training.train import read_cases

TINY = JudgeSettings(iterations=12, batch_size=2, width=4, learning_rate=1e-2)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_package(tmp_path_factory)


def tiny_recipes(package: Path) -> dict[str, Recipe]:
    """Return a generator that draws lesions anywhere, a rival for each modality, and one from noise alone."""
    shared = images_recipe(package).model_dump(mode="json")
    images = {
        **shared,
        "structure_model": "",
        "drawn_maps": 0,
        "network": {"name": "multimodal-generator", "options": {"in_channels": 2, "modalities": 2, "channels": 2}},
        "epochs": 3,
        "pretrain_epochs": 1,
        "fit_lesions": False,
        "choose_by": "fid",
    }
    alone = {
        **images,
        "lesion": "",
        "fit_lesions": True,
        "maps": False,
        "fuse": False,
        "translator": None,
        "processor": None,
        "prepare_epochs": 0,
        "contract": {**shared["contract"], "outputs": {"pet": shared["contract"]["outputs"]["pet"]}},
        "structures": {"pet": shared["structures"]["pet"]},
        "network": {"name": "unet-gan", "options": {"channels": 2}},
        "discriminator": {"name": "multimodal-discriminator", "options": {"channels": 2, "modalities": 0}},
    }
    noise = {key: shared[key] for key in ("format", "about", "augmentation")}
    found = {"ablation-b": images, "unet-gan-pet": alone, "dcgan": {**noise, **from_noise(shared)}}
    return {name: Recipe.model_validate({**content, "name": name}) for name, content in found.items()}


def from_noise(shared: dict) -> dict:
    curves = {"ct": [[-1000, -1], [1000, 1]], "pet": [[0, -1], [20, 1]]}
    sides = shared["contract"]["outputs"]
    outputs = {
        role: {**sides[role], "intensity": {"kind": "curve", "points": points}} for role, points in curves.items()
    }
    return {
        "system": "unconditional",
        "contract": {**shared["contract"], "inputs": {}, "outputs": outputs},
        "network": {"name": "dcgan", "options": {"size": 64, "latent": 16, "out_channels": 2, "channels": 2}},
        "discriminator": {"name": "dcgan-discriminator", "options": {"size": 64, "in_channels": 2, "channels": 2}},
        "batch_size": 2,
        "epochs": 1,
        "choose_by": "fid",
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with phantoms in three splits."""
    folder = tmp_path_factory.mktemp("data")
    manifest = write_lesion_phantoms(folder / "sts")
    lines = manifest.read_text().replace("P2,train", "P2,test")
    (folder / "sts" / "cases.csv").write_text(lines)
    return folder


@pytest.fixture
def settings(package: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(sarcomas, "recipes", lambda: tiny_recipes(package))
    monkeypatch.setattr(sarcomas, "SEGMENTED", (1, 15))
    monkeypatch.setattr(sarcomas, "DETECTED", (1,))
    return Settings(str(package), images=6, per_patient=2, judge=TINY, seeds=(11, 12), pictures=2, filtered=False)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_it_compares_methods_and_says_what_their_images_are_worth(data, settings, tmp_path, monkeypatch):
    found = run(data, tmp_path, Progress(), settings)
    rows = {row["method"]: row for row in found.rows}
    assert list(rows) == ["ablation-b", "unet-gan", "dcgan", "phantom-sets"]
    modalities = [(row["method"], row["modality"]) for row in table(tmp_path / "cases.csv")]
    assert ("dcgan", "ct") in modalities and ("unet-gan", "pet") in modalities and ("unet-gan", "ct") not in modalities
    for name in ("ablation-b", "phantom-sets"):
        assert all(np.isfinite(rows[name][metric]) for metric in ("fid", "fid_crops", "ms_ssim_paired", "dice"))
    # A rival of one modality has no others to lie on, and one from noise no maps and no lesions.
    assert rows["unet-gan"]["edge_alignment"] == "" and rows["unet-gan"]["ms_ssim_paired"] == ""
    assert rows["dcgan"]["ms_ssim_paired"] == rows["dcgan"]["dice"] == "" and rows["dcgan"]["mutual_information"] >= 0
    lesions = table(tmp_path / "lesions.csv")
    assert [row["seed"] for row in lesions] == ["11", "12"]
    assert [row["row"] for row in table(tmp_path / "segmentation" / "results.csv")] == [
        "real-100",
        "real-100-synthetic-100",
    ]
    assert len(table(tmp_path / "detection" / "cases.csv")) == 2
    assert json.loads((tmp_path / "environment.json").read_text())["command"].startswith("medsynth reproduce")
    assert all((tmp_path / name).stat().st_size > 5000 for name in ("samples.png", "curves.png"))
    # What is finished is not done again.
    scored: list[str] = []
    of_model = TumourScorer.of_model
    monkeypatch.setattr(
        TumourScorer, "of_model", lambda *given, **more: scored.append(given[1].name) or of_model(*given, **more)
    )
    monkeypatch.setattr(usability, "scores_of", lambda *given, **more: pytest.fail("a judge was trained again"))
    assert run(data, tmp_path, Progress(), settings).rows == found.rows and scored == ["phantom-sets"]


def test_methods_draw_from_the_same_maps_and_lesions_from_their_labels(package):
    generator, other = (Generator.load(package, "cpu") for _ in range(2))
    inside, again = (drawn_anatomies(one, 4, 7, Progress()) for one in (generator, other))
    longer = drawn_anatomies(generator, 6, 7, Progress())
    anywhere = drawn_anatomies(generator, 4, 7, Progress(), inside=False)
    for part in ("lines", "organs", "labels"):
        np.testing.assert_array_equal(getattr(inside, part), getattr(again, part))
        np.testing.assert_array_equal(getattr(inside, part), getattr(longer, part)[:4])
    assert inside.labels.any(axis=(1, 2)).all() and not (inside.labels.astype(bool) & ~inside.organs).any()
    kept = [label.tobytes() for label in generator.lesions]
    assert all(label.astype(generator.lesions[0].dtype).tobytes() in kept for label in anywhere.labels)
    model, sides = Model.open(package), generator.contract.outputs
    made = drawn_set(model, inside, sides, 3)
    whole = drawn_set(model, longer, sides, 3)
    assert made.images.keys() == sides.keys() and made.labels is inside.labels
    for role, images in made.images.items():
        assert images.shape == inside.lines.shape and images.min() >= 0 and images.max() <= 1 and images.std() > 0
        np.testing.assert_allclose(images, whole.images[role][:4], atol=1e-5)
        for (one, value), case in zip(_drawn_alone(generator, inside, role), images, strict=True):
            np.testing.assert_allclose(sides[role].intensity.forward(one), case, atol=2e-3, err_msg=str(value))


def _drawn_alone(generator: Generator, anatomies: Anatomies, role: str) -> list[tuple[np.ndarray, int]]:
    """Return the images of `medsynth generate` from the same maps and noise."""
    anatomy = Anatomy(anatomies.lines, anatomies.organs, anatomies.labels, axial_grid(anatomies.lines.shape, (1, 1, 1)))
    made = images_of(generator, anatomy, np.random.default_rng(3))[role]
    return [(image, number) for number, image in enumerate(made)]


def test_the_judges_are_compared_on_real_and_drawn_lesions():
    labels = np.zeros((4, 8, 8), np.uint8)
    labels[:, 2:4, 2:4] = 1
    images = {"ct": np.zeros((4, 8, 8), np.float32)}
    real, made = RealSlices(images, labels, ("a",) * 4), ImageSet(images, labels)

    def judge(seed: int) -> SimpleNamespace:
        dices = iter({1: (0.8, 0.6), 2: (0.0, 0.1)}[seed])
        return SimpleNamespace(scores=lambda examples: SimpleNamespace(of_set={"dice": next(dices)}))

    scorer = SimpleNamespace(settings=Settings(seeds=(1, 2)), test=real, judge=judge)
    counts = {"images_real": 4, "images_synthetic": 4}
    assert lesion_table(scorer, made, scorer.test) == [
        {"seed": 1, **counts, "dice_real": 0.8, "dice_synthetic": 0.6, "dice_ratio": pytest.approx(0.75)},
        {"seed": 2, **counts, "dice_real": 0.0, "dice_synthetic": 0.1, "dice_ratio": ""},
    ]


def test_slices_show_every_modality(package, data):
    recipe = images_recipe(package)
    case = next(case for case in read_cases(data / "sts" / "cases.csv", recipe) if case.split == "test")
    prepared = load_one(case, recipe)
    whole = real_slices([prepared], recipe)
    assert len(whole) == 2 and set(whole.images) == {"ct", "pet"} and whole.labels.any()
    lines = np.array(prepared.targets["pet:structure"])
    lines[0] = 0
    found = real_slices([replace(prepared, targets={**prepared.targets, "pet:structure": lines})], recipe)
    assert len(found) == 1 and found.patients == (case.name,)
    np.testing.assert_array_equal(found.images["ct"][0], whole.images["ct"][1])


def test_slices_of_lesions_are_spread_over_each_patient():
    labels = np.zeros((10, 8, 8), np.uint8)
    labels[[0, 1, 2, 3, 4, 8], 2, 2] = 1
    images = {"ct": np.arange(10.0)[:, None, None] * np.ones((10, 8, 8))}
    slices = RealSlices(images, labels, ("a",) * 7 + ("b",) * 3)
    found = slices.with_lesions(3)
    assert found.images[:, 0, 0, 0].tolist() == [0, 2, 4, 8] and found.patients == ("a", "a", "a", "b")
    with pytest.raises(MedSynthError, match="No slice .* has a tumour"):
        RealSlices(images, np.zeros_like(labels), slices.patients).with_lesions(3)


def test_every_method_can_be_built_and_the_ablations_add_one_part_each():
    found = recipes()
    for recipe in found.values():
        check_networks(recipe)
    contents = {name: found[name].model_dump() for name in ABLATIONS}
    parts = {
        name: {key for key in ("maps", "fuse", "fit_lesions", "translator", "processor") if content[key]}
        for name, content in contents.items()
    }
    assert parts["ablation-a"] == set() and parts["ablation-f"] == {
        "maps",
        "fuse",
        "fit_lesions",
        "translator",
        "processor",
    }
    for before, after in (("c", "d"), ("d", "e"), ("e", "f")):
        assert len(parts[f"ablation-{after}"] - parts[f"ablation-{before}"]) == 1
    generator = [content["epochs"] - content["prepare_epochs"] for content in contents.values()]
    assert len(set(generator)) == 1
    sides = shared_recipe().contract.outputs
    drawn = found["dcgan"].contract.outputs
    values = np.array([-1000.0, 0.0, 40.0, 400.0])
    np.testing.assert_allclose(
        (drawn["ct"].intensity.forward(values) + 1) / 2, sides["ct"].intensity.forward(values), atol=1e-6
    )
