"""A training learns a phantom, is reproducible, and resumes exactly after being stopped."""

import csv
import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import phantom_ct, phantom_pet, tiny_recipe, write_manifest
from safetensors.torch import load_file

from medsynth_core import Cancelled, MedSynthError, Progress, load_model, synthesize, train
from medsynth_core.datasets.manifest import Case, read_manifest
from medsynth_core.models.markdown import card_text
from medsynth_core.recipes.recipe import read_recipe, write_recipe
from medsynth_core.training.prepared_cases import load_one
from medsynth_core.training.publishing import is_error_known, publish_run
from medsynth_core.training.run_folder import RunFolder
from medsynth_core.training.validation import Trained, error_curve


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_manifest(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(tiny_recipe(epochs=20), manifest, folder, device="cpu")
    return folder


def test_the_trained_model_beats_a_constant_on_an_unseen_phantom(run):
    ct = phantom_ct(seed=99)
    real, synthetic = phantom_pet(ct).voxels, synthesize(ct, run / "tiny", device="cpu").voxels
    body = ct.voxels > -300
    assert np.abs(synthetic - real)[body].mean() < 0.8 * np.abs(real[body].mean() - real[body]).mean()


def test_the_run_keeps_what_made_the_weights(run, manifest):
    assert read_recipe(run / "recipe.yaml") == tiny_recipe(epochs=20)
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 21))
    assert {"loss", "l1", "val_mae", "val_psnr", "learning_rate", "seconds"} <= set(rows[0])
    split = {row["case"]: row["split"] for row in csv.DictReader((run / "split.csv").open())}
    assert split == {"P0": "train", "P1": "train", "P2": "val", "P3": "test"}
    assert json.loads((run / "environment.json").read_text())["torch"] == torch.__version__


def test_the_card_states_the_best_epoch_and_scores_the_stored_weights(run):
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    best = min(rows, key=lambda row: float(row["val_mae"]))
    card = load_model(run / "tiny").card
    assert card.training.best_epoch == int(best["epoch"])
    assert card.metrics["val"]["mae"] == pytest.approx(float(best["val_mae"]), rel=0.02)
    assert set(card.metrics) == {"val", "test"}
    assert card.training.split == {"train": ["P0", "P1"], "val": ["P2"], "test": ["P3"]}


def test_one_validation_patient_says_nothing_of_the_usual_error(run):
    model = load_model(run / "tiny")
    assert model.card.error_curve == () and not model.synthesis.error_known
    assert "## Usual error\n\nNot known, because it had 1 validation case and at least 3 are needed.\n" in card_text(
        model.metadata
    )
    with pytest.raises(MedSynthError, match="usual error of the model 'tiny' is not known, because it had 1 valid"):
        synthesize(phantom_ct(), model, device="cpu", uncertainty=True)


def test_it_is_said_while_the_training_is_published(run, manifest):
    told: list[str] = []
    publish_run(run, data=manifest, device="cpu", progress=Progress(log=told.append))
    assert [line for line in told if "states no usual error" in line]


@pytest.mark.parametrize(
    ("patients", "known"),
    [("", False), ("A", False), ("AB", False), ("AAAA", False), ("AABB", False), ("ABC", True), ("AABBCC", True)],
)
def test_patients_are_counted_not_cases(patients, known):
    cases = [Case(f"P{number}", "val", {}, patient) for number, patient in enumerate(patients)]
    assert is_error_known(cases) == known


def test_the_same_seed_gives_the_same_weights_and_another_one_others(manifest, tmp_path):
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tiny_recipe(seed=seed), manifest, tmp_path / name, device="cpu")
        weights.append(load_file(tmp_path / name / "best.safetensors")["stages.0.encoders.0.1.weight"])
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_a_training_that_was_stopped_ends_where_an_uninterrupted_one_does(manifest, tmp_path):
    train(tiny_recipe(), manifest, tmp_path / "straight", device="cpu")

    def stop(fraction: float, message: str) -> None:
        if message == "Epoch 3 of 3":
            raise Cancelled

    with pytest.raises(Cancelled):
        train(tiny_recipe(), manifest, tmp_path / "stopped", device="cpu", progress=stop)
    assert not (tmp_path / "stopped" / "tiny").exists()
    train(tiny_recipe(), manifest, tmp_path / "stopped", device="cpu", resume=True)
    straight, stopped = (load_file(tmp_path / name / "best.safetensors") for name in ("straight", "stopped"))
    assert all(torch.equal(straight[name], stopped[name]) for name in straight)


def test_a_training_does_not_run_over_another_or_resume_a_stranger(run, manifest):
    with pytest.raises(MedSynthError, match="already contains a training"):
        train(tiny_recipe(epochs=20), manifest, run, device="cpu")
    with pytest.raises(MedSynthError, match="another recipe"):
        train(tiny_recipe(epochs=21), manifest, run, resume=True, device="cpu")
    with pytest.raises(MedSynthError, match="no checkpoint"):
        train(tiny_recipe(), manifest, run / "nothing", resume=True, device="cpu")


def test_a_training_does_not_go_on_with_other_cases(manifest, tmp_path):
    train(tiny_recipe(epochs=1), manifest, tmp_path / "run", device="cpu")
    other = manifest.with_name("other.csv")
    other.write_text(manifest.read_text().replace("P3,test", "P3,train"))
    with pytest.raises(MedSynthError, match="a different split"):
        train(tiny_recipe(epochs=1), other, tmp_path / "run", resume=True, device="cpu")


@pytest.mark.parametrize("damage", [b"", b"nothing of torch's"])
def test_a_damaged_checkpoint_is_told_in_one_sentence(tmp_path, damage):
    (tmp_path / "checkpoint.pt").write_bytes(damage)
    with pytest.raises(MedSynthError, match="is damaged"):
        RunFolder(tmp_path).read_checkpoint(torch.device("cpu"))


def test_a_full_disk_is_told_in_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    def no_space(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def as_torch_says_it(state, path):
        path.write_text("half of it")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")

    before = tmp_path / "checkpoint.pt"
    RunFolder(tmp_path).write_checkpoint({"weights": torch.ones(3)})
    monkeypatch.setattr(Path, "write_bytes", no_space)
    monkeypatch.setattr(torch, "save", as_torch_says_it)
    with pytest.raises(MedSynthError, match="cannot be written"):
        RunFolder(tmp_path).write_best(torch.nn.Linear(2, 2))
    with pytest.raises(MedSynthError, match="cannot be written"):
        RunFolder(tmp_path).write_checkpoint({"weights": torch.zeros(100_000)})
    assert list(tmp_path.iterdir()) == [before]
    assert torch.equal(RunFolder(tmp_path).read_checkpoint(torch.device("cpu"))["weights"], torch.ones(3))


def test_cancelling_while_the_package_is_written_leaves_no_half_package(manifest, tmp_path):
    def stop(fraction: float, message: str) -> None:
        if message == "Preparing P3":
            raise Cancelled

    with pytest.raises(Cancelled):
        train(tiny_recipe(epochs=1), manifest, tmp_path / "run", device="cpu", progress=stop)
    assert not (tmp_path / "run" / "tiny").exists() and not list((tmp_path / "run").glob(".package-*"))
    package = train(tiny_recipe(epochs=1), manifest, tmp_path / "run", device="cpu", resume=True)
    assert load_model(package).name == "tiny"


def test_a_case_that_does_not_fit_is_named(manifest, tmp_path):
    swapped = manifest.with_name("swapped.csv")
    swapped.write_text(manifest.read_text().replace("ct1.nii.gz,pet1.nii.gz", "pet1.nii.gz,ct1.nii.gz"))
    with pytest.raises(MedSynthError, match="^Case 'P1': "):
        train(tiny_recipe(epochs=1), swapped, tmp_path / "run", device="cpu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"augmentation": {"crop": 25}}, "needs a multiple of 8"),
        ({"network": {"name": "patchgan2d"}}, "does not produce images"),
        (
            {
                "loss": {"mse": 1, "adversarial": 1},
                "discriminator": {"name": "patchgan2d", "options": {"in_channels": 2}},
            },
            "in_channels of the recipe 'tiny' to 6",
        ),
    ],
)
def test_a_recipe_whose_parts_do_not_fit_is_refused_in_one_sentence(manifest, tmp_path, change, words):
    with pytest.raises(MedSynthError, match=words):
        train(tiny_recipe(**change), manifest, tmp_path / "run", device="cpu")


def test_the_error_curve_of_a_constant_network_is_flat(run, manifest):
    class Silent(torch.nn.Module):
        in_channels = out_channels = multiple_of = 1

        def forward(self, image):
            return torch.zeros_like(image)

    case = load_one(read_manifest(manifest, ("ct", "pet"))[2], tiny_recipe())
    contract = tiny_recipe().contract
    trained = Trained(Silent(), contract, torch.device("cpu"))
    (low, error), (high, same) = error_curve(trained, [case], contract.output, "pet")
    assert low == 0 < high and error > 0 and same > 0


def test_a_manifest_from_a_spreadsheet_is_read_and_another_encoding_refused(manifest):
    saved = manifest.with_name("saved.csv")
    saved.write_bytes(b"\xef\xbb\xbf" + manifest.read_bytes())
    assert read_manifest(saved, ("ct", "pet"))[0].name == "P0"
    saved.write_bytes(manifest.read_bytes().replace(b"P0", b"P\xfc"))
    with pytest.raises(MedSynthError, match="not a CSV in UTF-8"):
        read_manifest(saved, ("ct", "pet"))


def test_a_training_that_diverges_says_so_and_keeps_its_checkpoint(manifest, tmp_path):
    recipe = tiny_recipe(optimiser={"learning_rate": 1e30}, epochs=9)
    with pytest.raises(MedSynthError, match="not a finite number at step"):
        train(recipe, manifest, tmp_path / "run", device="cpu")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("case,split", "case,fold"), "no column 'split'"),
        (lambda text: text.replace("P1,train", "P1,training"), "Line 3 .* split 'training'"),
        (lambda text: text.replace("ct1.nii.gz", "ct7.nii.gz"), "missing file for 'ct'"),
        (lambda text: text.replace("P1,train", "P0,train"), "lists the case 'P0' twice"),
        (lambda text: text.splitlines()[0], "lists no case"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_sentence(manifest, change, words):
    wrong = manifest.with_name("wrong.csv")
    wrong.write_text(change(manifest.read_text()))
    with pytest.raises(MedSynthError, match=words):
        read_manifest(wrong, ("ct", "pet"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("\nepochs:", "\nepoch:"), "not valid at 'epoch"),
        (("epochs: 3", "epochs: many"), "not valid at 'epochs'"),
        (("name: cascade-compact", "name: [1"), "not a YAML file"),
        (("l1: 1.0", "l1: 0.0"), "not valid at 'loss'"),
        (("seed: 0", "seed: -1"), "not valid at 'seed'"),
        (("name: tiny", "name: " + 65 * "a"), "not valid at 'name'"),
        (("adversarial: 0.0", "adversarial: 1.0"), "must be given together"),
    ],
)
def test_a_wrong_recipe_is_refused_and_the_key_named(tmp_path, change, words):
    write_recipe(tiny_recipe(), tmp_path / "recipe.yaml")
    (tmp_path / "recipe.yaml").write_text((tmp_path / "recipe.yaml").read_text().replace(*change, 1))
    with pytest.raises(MedSynthError, match=words):
        read_recipe(tmp_path / "recipe.yaml")
