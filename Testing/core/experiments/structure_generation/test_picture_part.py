"""The parts of the experiment on pictures, with small generators of built pictures."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from picture_sets import use_small_recipes, write_chests, write_eyes
from PIL import Image
from torch import nn

from medsynth_core import MedSynthError, Progress
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.evaluation.judges.judge import JudgeSettings
from medsynth_core.experiments.scoring import usability
from medsynth_core.experiments.structure_generation import experiment, pictures
from medsynth_core.experiments.structure_generation.drawn_images import Anatomies, drawn_set
from medsynth_core.experiments.structure_generation.picture_part import CHEST_XRAY, FUNDUS, PicturePart, Trainings
from medsynth_core.experiments.structure_generation.picture_recipes import picture_recipes
from medsynth_core.experiments.structure_generation.picture_scorer import PictureScorer
from medsynth_core.experiments.structure_generation.rivals import experiment_recipe
from medsynth_core.models.package import Model

TINY = JudgeSettings(iterations=6, batch_size=2, width=4, learning_rate=1e-2)
SMALL = {"settings": TINY, "seeds": (11,), "mixtures": (1, 15), "images": 7, "filtered": False, "pictures": 2}
CHEST = replace(CHEST_XRAY, shares=(0.6, 0.4, 0.0), **SMALL)


def table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="") as file:
        return {row.get("method", row.get("row", "")): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_chests(folder / "chest-xray")
    write_eyes(folder / "fundus-chase")
    return folder


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return the output of a whole run without the sarcomas, and what its log says."""
    output, said = tmp_path_factory.mktemp("output"), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        use_small_recipes(patch)
        patch.setattr(experiment, "PARTS", parts())
        experiment.run(data, output, Progress(log=said.append))
    return output, said


def parts() -> dict:
    small = {part.folder: partial(pictures.run, part) for part in (CHEST, replace(FUNDUS, **SMALL))}
    return {**experiment.PARTS, **small}


def test_parts_whose_data_are_there_are_run_and_joined_in_one_table(finished):
    output, said = finished
    assert any("The part 'sts' is left out" in sentence for sentence in said)
    with (output / "results.csv").open(newline="") as file:
        rows = [(row["part"], row["method"]) for row in csv.DictReader(file)]
    assert rows == [
        ("chest-xray", "real training images"),
        ("chest-xray", "multimodal-x-ray"),
        ("chest-xray", "acgan"),
        ("fundus-chase", "real training images"),
        ("fundus-chase", "multimodal-fundus"),
        ("fundus-chase", "skrgan"),
    ]
    with (output / "methods.csv").open(newline="") as file:
        assert Counter(row["part"] for row in csv.DictReader(file)) == {"chest-xray": 2, "fundus-chase": 2}
    with pytest.raises(MedSynthError, match="none of the folders sts, chest-xray, fundus-chase"):
        experiment.run(output / "fundus-chase", output, Progress())


def test_x_rays_are_scored_by_class_and_beside_their_own_maps(finished):
    folder = finished[0] / "chest-xray"
    found = table(folder / "results.csv")
    for name, row in found.items():
        assert float(row["fid"]) >= 0 and 0 < float(row["ms_ssim_diversity"]) <= 1, name
        assert row["test_images"] == "6"
    classes = ("normal", "bacterial", "viral")
    by_class = {name for name, row in found.items() if all(row[f"fid_{kind}"] for kind in classes)}
    assert by_class == {"real training images", "multimodal-x-ray", "acgan"}
    assert {name for name, row in found.items() if row["ms_ssim_paired"]} == {"multimodal-x-ray"}
    assert found["acgan"]["images"] == "7" and found["real training images"]["images"] != "7"
    assert {row["ended_by"] for row in found.values()} == {"epochs", ""}
    assert found["acgan"]["trained_epochs"] == found["acgan"]["chosen_epoch"] == "1"
    judged = table(folder / "classification" / "results.csv")
    real = judged["real-100"]["real_images"]
    assert judged["real-100-synthetic-100"]["synthetic_images"] == real and judged["real-100"]["test_images"] == "6"
    assert 0 <= float(judged["real-100"]["accuracy_mean"]) <= 1 and judged["real-100"]["trainings"] == "1"


def test_photographs_are_in_colour_and_judged_by_their_vessels(finished):
    folder = finished[0] / "fundus-chase"
    found = table(folder / "results.csv")
    assert all(0 < float(found[name]["ms_ssim_paired"]) < 1 for name in ("multimodal-fundus", "skrgan"))
    with np.load(folder / "rows" / "multimodal-fundus.npz") as stored:
        picture = stored["voxels"]
    assert picture.shape == (2 * 64, 64, 3) and np.ptp(picture, axis=-1).max() > 0.01
    with np.load(folder / "synthetic.npz") as stored:
        images, labels = stored["images"], stored["labels"]
    assert (
        images.shape[1:] == (3, 64, 64) and labels.shape == (len(images), 64, 64) and set(np.unique(labels)) <= {0, 1}
    )
    judged = table(folder / "vessels" / "results.csv")["real-100"]
    assert {"vessel_auc_mean", "vessel_accuracy_mean", "vessel_sensitivity_mean"} < judged.keys()
    with Image.open(folder / "samples.png") as figure:
        colours = np.asarray(figure.convert("RGB")).astype(int)
    assert (colours[..., 0] - colours[..., 2] > 60).sum() > 500, "a fundus is red in the figure"


def test_maps_are_those_of_normal_x_rays_and_the_test_set_stays(finished):
    folder = finished[0] / "chest-xray"
    cases = read_manifest(folder / "manifest.csv", ("xray",))
    mapped = read_manifest(folder / "manifest-maps.csv", ("xray",))
    assert {case.label for case in mapped} == {"normal"} and {case.split for case in mapped} == {"train", "val", "test"}
    assert all((case.split == "test") == ("test" in case.files["xray"].parts) for case in cases)
    content = json.loads((folder / "rows" / "multimodal-x-ray.json").read_text())
    # Of another output, the row is still that of the recipe.
    assert content["recipe"]["structure_model"] == "runs/structure-x-ray/structure-x-ray"
    structure = Model.open(folder / "structure-x-ray" / "structure-x-ray")
    assert content["cost"]["maps_sha256"] == structure.card.weights.sha256


def test_what_is_kept_needs_no_network(finished, data, tmp_path, monkeypatch):
    """A second run, elsewhere and without trained networks, makes the same tables."""
    before = finished[0] / "chest-xray"
    after = tmp_path / "chest-xray"
    for kept in ("rows", "classification/rows"):
        shutil.copytree(before / kept, after / kept)
    shutil.copy(before / "synthetic.npz", after)
    use_small_recipes(monkeypatch)
    monkeypatch.setattr(usability, "scores_of", lambda *given, **more: pytest.fail("a judge was trained again"))
    monkeypatch.setattr(Trainings, "model", lambda *given: pytest.fail("a generator was trained again"))
    monkeypatch.setattr(Trainings, "maps_model", lambda *given: pytest.fail("maps were learned again"))
    parts()["chest-xray"](data, after, Progress())
    for name in ("results.csv", "methods.csv", "classification/results.csv"):
        assert (after / name).read_text() == (before / name).read_text()


def test_methods_draw_the_classes_of_the_test_set_from_the_same_maps(finished, data, monkeypatch):
    use_small_recipes(monkeypatch)
    scorer = PictureScorer(Trainings.of(CHEST, data, finished[0] / "chest-xray", Progress()), Progress())
    maps = scorer.maps.anatomies
    assert len(maps) == 7 and Counter(maps.kinds.tolist()) == {0: 2, 1: 3, 2: 2}
    assert (maps.labels == maps.kinds[:, None, None]).all() and maps.organs.any(axis=(1, 2)).all()
    side = scorer.recipe.contract.outputs
    other = replace(maps, labels=(maps.labels + 1) % 3)
    for name in scorer.trainings.recipes:
        model = Model.open(scorer.trainings.output / name / name)
        drawn, of_other = (drawn_set(model, some, side, 1).images["xray"] for some in (maps, other))
        assert drawn.shape == (7, 64, 64) and 0 <= drawn.min() <= drawn.max() <= 1
        assert not np.array_equal(drawn, of_other), f"{name} knows the class"


def test_colours_from_noise_are_the_channels_in_their_order():
    """A generator whose pixels have the colours 0.2, 0.5 and 0.8, from -1 to 1."""
    recipe = picture_recipes("multimodal-fundus")["dcgan"]

    class Plain(nn.Module):
        size, chosen = 8, 0

        def __init__(self) -> None:
            super().__init__()
            self.colours = nn.Parameter(2 * torch.tensor([0.2, 0.5, 0.8]) - 1)

        def forward(self, codes: torch.Tensor) -> torch.Tensor:
            return self.colours[None, :, None, None].expand(len(codes), 3, 8, 8)

    card = SimpleNamespace(training=SimpleNamespace(recipe=recipe.model_dump(mode="json")))
    nothing = np.zeros((3, 8, 8), np.uint8)
    maps = Anatomies(nothing > 0, nothing > 0, nothing)
    sides = experiment_recipe("multimodal-fundus").contract.outputs
    made = drawn_set(SimpleNamespace(name="plain", card=card, network=Plain), maps, sides, 0)
    assert made.labels is None and made.images["fundus"].shape == (3, 8, 8, 3)
    np.testing.assert_allclose(made.images["fundus"][2, 4, 4], [0.2, 0.5, 0.8], atol=1e-6)


def test_a_judge_that_the_generator_has_learnt_against_is_refused(finished, data, monkeypatch):
    use_small_recipes(monkeypatch)
    part = replace(CHEST, seeds=(1,))
    scorer = PictureScorer(Trainings.of(part, data, finished[0] / "chest-xray", Progress()), Progress())
    with pytest.raises(MedSynthError, match="The judge has the seed 1"):
        scorer.sources(lambda: pytest.fail("a generator was trained again"), "")


def test_kept_pictures_and_models_of_another_generator_are_refused(finished, data, monkeypatch):
    use_small_recipes(monkeypatch)
    trainings = Trainings.of(CHEST, data, finished[0] / "chest-xray", Progress())
    scorer = PictureScorer(trainings, Progress())
    with pytest.raises(MedSynthError, match="synthetic.npz was made by another recipe"):
        scorer.sources(lambda: pytest.fail("a generator was trained again"), "other weights")
    again = partial(trainings.model, trainings.recipe, trainings.manifest, trainings.output, Progress())
    assert again().name == "multimodal-x-ray"
    # As if the maps had been learned anew since.
    structure = Model.open(trainings.output / "structure-x-ray" / "structure-x-ray")
    other = structure.network()
    next(other.parameters()).data += 1
    changed = SimpleNamespace(path=structure.path, network=lambda: other)
    monkeypatch.setattr(Trainings, "maps_model", lambda *given: changed)
    with pytest.raises(MedSynthError, match="was made by another recipe"):
        again()


@pytest.mark.parametrize(
    ("part", "counts"),
    [
        (CHEST_XRAY, {"normal": 734, "bacterial": 642, "viral": 548}),
        (FUNDUS, {"": 28}),
    ],
)
def test_the_manifests_of_the_real_data_have_the_stated_counts(shared_data, tmp_path, part: PicturePart, counts):
    if not (shared_data / part.folder).is_dir():
        pytest.skip(f"the data set {part.folder} is not on this machine")
    found = Trainings.of(part, shared_data, tmp_path, Progress())
    cases = read_manifest(found.manifest, ("xray" if part is CHEST_XRAY else "fundus",))
    assert Counter(case.label for case in cases) == counts
    splits: dict[tuple[str, ...], set[str]] = {}
    for case in cases:
        splits.setdefault(case.person, set()).add(case.split)
    assert all(len(of) == 1 for of in splits.values())
    by_split = Counter(case.split for case in cases)
    if part is CHEST_XRAY:
        test = Counter(case.label for case in cases if case.split == "test")
        assert test == {"normal": 234, "bacterial": 242, "viral": 148}
        persons = Counter(next(iter(of)) for of in splits.values())
        assert persons["val"] / (persons["train"] + persons["val"]) == pytest.approx(0.12, abs=0.01)
    else:
        assert by_split == {"train": 16, "val": 4, "test": 8}
