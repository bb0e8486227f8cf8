"""What is published is of the run, and what was given to publish it stays."""

from __future__ import annotations

import pytest
from builders import tiny_recipe, write_manifest

from medsynth_core import Cancelled, MedSynthError, Progress, train
from medsynth_core.io.json_reading import read_json
from medsynth_core.training import publishing
from medsynth_core.training.publishing import publish_run
from medsynth_core.training.run_watch import RunWatch

RECIPE = tiny_recipe(epochs=2)
WRITTEN = RECIPE.about.model_copy(update={"description": "An hour of writing.", "limits": ("Fails with metal.",)})


def stop(fraction, message):
    if message.startswith("Epoch 2"):
        raise Cancelled


def description(package):
    return read_json(package / "configs" / "metadata.json")["description"]


@pytest.fixture
def manifest(tmp_path):
    return write_manifest(tmp_path)


@pytest.fixture
def stopped(tmp_path, manifest):
    with pytest.raises(Cancelled):
        train(RECIPE, manifest, tmp_path / "run", device="cpu", progress=stop)
    return tmp_path / "run"


def test_a_text_that_was_given_to_publish_outlives_a_resumed_training(stopped, manifest):
    assert description(publish_run(stopped, about=WRITTEN, device="cpu").package) == WRITTEN.description
    assert description(publish_run(stopped, device="cpu").package) == WRITTEN.description
    assert description(train(RECIPE, manifest, stopped, device="cpu", resume=True)) == WRITTEN.description
    newer = RECIPE.model_copy(update={"about": RECIPE.about.model_copy(update={"description": "Newer."})})
    assert description(train(newer, manifest, stopped, device="cpu", resume=True)) == "Newer."


def test_a_kept_text_that_is_damaged_is_reported(stopped):
    (stopped / "about.json").write_text("{")
    with pytest.raises(MedSynthError, match="about.json of the model card cannot be read; remove it"):
        publish_run(stopped, device="cpu")


def test_weights_without_a_validated_epoch_are_not_published(stopped):
    (stopped / "metrics.csv").write_text("epoch,loss\n1,0.5\n")
    with pytest.raises(MedSynthError, match="no validated epoch yet"):
        publish_run(stopped, device="cpu")
    assert not (stopped / "tiny").exists()


@pytest.mark.parametrize(
    "failure", [MedSynthError("No room for a figure."), RuntimeError("no fonts"), OSError(28, "x")]
)
def test_a_figure_that_fails_does_not_fail_the_training(manifest, tmp_path, monkeypatch, failure):
    def fail(*arguments):
        raise failure

    monkeypatch.setattr(publishing, "draw_test_case", fail)
    said: list[str] = []
    package = train(tiny_recipe(epochs=1), manifest, tmp_path / "run", device="cpu", progress=Progress(log=said.append))
    assert (package / "configs" / "metadata.json").is_file()
    events = RunWatch(tmp_path / "run").events()
    told = [event["message"] for event in events if event["event"] == "log"][-1]
    assert events[-1]["event"] == "done" and told in said
    assert told.startswith("The figure of the test case was not drawn, but the package is complete. ")
