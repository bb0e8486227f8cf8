"""A training or an experiment writes only into folders of its own; nothing of the user's is replaced or deleted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builders import tiny_recipe, write_manifest

from medsynth_core import Cancelled, train
from medsynth_core.errors import MedSynthError
from medsynth_core.experiments.output_folder import begin_experiment
from medsynth_core.recipes.recipe import write_recipe
from medsynth_core.training import loop
from medsynth_core.training.publishing import publish_run
from medsynth_core.training.run_folder import RunFolder


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return write_manifest(tmp_path / "data")


@pytest.fixture
def trained(tmp_path: Path, manifest: Path) -> Path:
    """The folder of a finished training."""
    train(tiny_recipe(epochs=1), manifest, tmp_path / "run", device="cpu")
    return tmp_path / "run"


def test_a_folder_of_the_user_is_refused_and_left_as_it_was(tmp_path, manifest, monkeypatch):
    folder = manifest.parent
    write_recipe(tiny_recipe(), folder / "recipe.yaml")
    for name in (
        "tiny/thesis.txt",
        "arrays/only_copy.npy",
        "cases.csv",
        "split.csv",
        "metrics.csv",
        "environment.json",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text('{"mine": 1}')
    before = contents(folder)
    monkeypatch.chdir(folder)
    with pytest.raises(MedSynthError, match="contains 'arrays', which a training would replace; choose a new folder"):
        train("recipe.yaml", "manifest.csv", ".", device="cpu")
    assert contents(folder) == before


def test_files_of_other_names_stay_beside_a_training(tmp_path, manifest):
    """A shell may write its log into the folder that is to hold the run."""
    (tmp_path / "run").mkdir()
    for name in ("log.txt", "slurm-12.out"):
        (tmp_path / "run" / name).write_text("mine")
    train(tiny_recipe(epochs=1), manifest, tmp_path / "run", device="cpu")
    assert (tmp_path / "run" / "log.txt").read_text() == (tmp_path / "run" / "slurm-12.out").read_text() == "mine"


def test_a_training_that_failed_before_its_first_step_may_begin_again(tmp_path, manifest, monkeypatch):
    def diverged(*_):
        raise MedSynthError("The loss is not finite.")

    with monkeypatch.context() as patch, pytest.raises(MedSynthError, match="not finite"):
        patch.setattr(loop.Trainer, "_step", diverged)
        train(tiny_recipe(epochs=1), manifest, tmp_path / "run", device="cpu")
    train(tiny_recipe(epochs=1, seed=3), manifest, tmp_path / "run", device="cpu")
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 2


def test_a_run_without_its_checkpoint_is_not_trained_over(trained, manifest):
    (trained / "checkpoint.pt").unlink()
    before = contents(trained)
    with pytest.raises(MedSynthError, match="choose a new folder"):
        train(tiny_recipe(epochs=1, seed=5), manifest, trained, device="cpu")
    with pytest.raises(MedSynthError, match="no checkpoint to resume; start the training again in a new folder"):
        train(tiny_recipe(epochs=1), manifest, trained, device="cpu", resume=True)
    assert contents(trained) == before


def test_what_a_window_wrote_and_what_was_killed_early_is_no_obstacle(tmp_path, manifest):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("request.json", "request.yaml", "request.csv", "console.log", ".DS_Store", "run.lock", "stop"):
        (folder / name).touch()
    RunFolder(folder).check_free()

    def stop(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        train(tiny_recipe(epochs=1), manifest, folder, device="cpu", progress=stop)
    assert not (folder / "checkpoint.pt").exists() and (folder / "environment.json").exists()
    package = train(tiny_recipe(epochs=1), manifest, folder, device="cpu")
    assert (package / "configs" / "metadata.json").is_file()


def test_a_training_can_be_resumed_before_its_first_step(tmp_path, manifest):
    def stop(fraction: float, message: str) -> None:
        if message.startswith("Epoch"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train(tiny_recipe(epochs=2), manifest, tmp_path / "run", device="cpu", progress=stop)
    train(tiny_recipe(epochs=2), manifest, tmp_path / "run", device="cpu", resume=True)
    train(tiny_recipe(epochs=2), manifest, tmp_path / "whole", device="cpu")
    weights = "tiny/models/model.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()


def test_only_a_package_is_replaced_by_the_package(trained, manifest):
    publish_run(trained, device="cpu")  # the package of the same run
    package = trained / "tiny"
    package.rename(trained / "kept")
    package.mkdir()
    (package / "thesis.txt").write_text("mine")
    for again in (
        lambda: publish_run(trained, device="cpu"),
        lambda: train(tiny_recipe(epochs=1), manifest, trained, device="cpu", resume=True),
    ):
        with pytest.raises(MedSynthError, match="MedSynth did not make it; rename or move it"):
            again()
    assert (package / "thesis.txt").read_text() == "mine"


def test_of_the_prepared_cases_only_those_are_deleted(tmp_path):
    run = RunFolder(tmp_path)
    run.make_arrays()
    (run.arrays / f"{'0a' * 12}--1-body.npy").touch()
    (run.arrays / "only_copy.npy").touch()
    run.delete_arrays()
    assert [path.name for path in run.arrays.iterdir()] == ["only_copy.npy"]


def test_an_experiment_does_not_write_into_a_folder_of_the_user(tmp_path):
    (tmp_path / "cases.csv").write_text("case,split\n")
    with pytest.raises(MedSynthError, match="not that of an experiment"):
        begin_experiment("low-dose-pet", tmp_path, {"unet3d"})
    assert [path.name for path in tmp_path.iterdir()] == ["cases.csv"]


@pytest.mark.parametrize("known_by", ["rows/unet3d.json", "unet3d/run.lock", "environment.json", "experiment.json"])
def test_an_experiment_continues_in_its_own_folder(tmp_path, known_by):
    (tmp_path / "cases.csv").write_text("case,split\n")
    (tmp_path / known_by).parent.mkdir(exist_ok=True)
    content = {"command": "medsynth reproduce low-dose-pet --data x --output DIR", "experiment": "low-dose-pet"}
    (tmp_path / known_by).write_text(json.dumps(content))
    begin_experiment("low-dose-pet", tmp_path, {"unet3d"})


def test_a_new_folder_of_an_experiment_is_marked(tmp_path):
    begin_experiment("low-dose-pet", tmp_path / "new", set())
    begin_experiment("low-dose-pet", tmp_path / "new", set())
    assert json.loads((tmp_path / "new" / "experiment.json").read_text())["experiment"] == "low-dose-pet"
