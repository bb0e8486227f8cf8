"""No training claims the data, the licence or the name of another model."""

from __future__ import annotations

import sys

import pytest
from builders import TINY_NETWORK, tiny_recipe, write_manifest

from medsynth_core import MedSynthError, train
from medsynth_core.cli.app import run
from medsynth_core.datasets.manifest import Case
from medsynth_core.io.table import read_rows
from medsynth_core.models.library import import_model, list_models, load_model
from medsynth_core.recipes.about import personal
from medsynth_core.recipes.presets import preset_files
from medsynth_core.recipes.recipe import Recipe, read_recipe, write_recipe
from medsynth_core.resources import resource_folder
from medsynth_core.training.claims import check_claims, claim_problem
from medsynth_core.training.run_watch import RunWatch
from medsynth_core.training.shipped_text import recipe_file

BUNDLED = sorted(path.name for path in (resource_folder() / "Models").iterdir())
OTHERS = sorted(set(preset_files()) - set(BUNDLED))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_manifest(tmp_path_factory.mktemp("data"))


def own(recipe, **about):
    return recipe.model_copy(update={"name": "mine", "about": recipe.about.model_copy(update=about)})


def cases_of(manifest):
    return [Case(row["case"], row["split"], {}) for row in read_rows(manifest)]


@pytest.mark.parametrize("name", BUNDLED)
def test_the_recipe_of_a_bundled_model_needs_another_name_and_text(name, manifest):
    recipe, cases = read_recipe(recipe_file(name)), cases_of(manifest)
    with pytest.raises(MedSynthError, match=f"'{name}' is the name of a model that comes with MedSynth"):
        check_claims(recipe, cases)
    changes = {"title": "Mine", "description": "Mine.", "limits": ("Mine.",), "data_licence": "Mine."}
    assert claim_problem(own(recipe, **changes)) == ""
    for key in changes:
        kept = own(recipe, **{name: value for name, value in changes.items() if name != key})
        assert claim_problem(kept).startswith(f"The {key} of the recipe is that of the bundled model")
    assert "licence of your data is not stated" in claim_problem(own(recipe, **{**changes, "data_licence": " "}))


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_can_be_trained_again_with_its_own_cases(name):
    split = resource_folder() / "Models" / name / "docs" / "training" / "split.csv"
    check_claims(read_recipe(recipe_file(name)), cases_of(split), preset=True)
    moved = [Case(case.name, "train", {}) for case in cases_of(split)]
    for others in (cases_of(split)[1:], moved):
        with pytest.raises(MedSynthError, match="comes with MedSynth|is a preset"):
            check_claims(read_recipe(recipe_file(name)), others)


def test_the_recipe_of_an_experiment_is_true_of_the_cases_of_a_bundled_model():
    split = resource_folder() / "Models" / "multimodal-sts" / "docs" / "training" / "split.csv"
    recipe = read_recipe(recipe_file("structure-sts"))
    check_claims(recipe, cases_of(split))
    for changed, cases in (
        (recipe.model_copy(update={"epochs": 3}), cases_of(split)),
        (recipe, cases_of(split)[1:]),
    ):
        with pytest.raises(MedSynthError, match="is that of the"):
            check_claims(changed, cases)


@pytest.mark.parametrize("name", OTHERS)
def test_a_preset_states_no_licence_of_data(name):
    problem = claim_problem(read_recipe(name))
    assert "licence of your data is not stated" in problem or "is that of the bundled model" in problem


@pytest.mark.parametrize("name", ["pix2pix", "ct-to-pet"])
def test_an_untouched_preset_is_refused_before_anything_is_written(name, manifest, tmp_path, monkeypatch, capsys):
    manifest = _with_every_role(manifest)
    with pytest.raises(MedSynthError, match="--name"):
        train(name, manifest, tmp_path / "run", device="cpu")
    monkeypatch.setattr(
        sys, "argv", ["medsynth", "train", name, "--data", str(manifest), "--output", str(tmp_path / "run")]
    )
    assert run() == 2
    assert "--name" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def _with_every_role(manifest):
    """Return a manifest with a column for every role of the presets of this test."""
    first, *rows = manifest.read_text().splitlines()
    path = manifest.with_name("all-roles.csv")
    path.write_text("\n".join([f"{first},mr_t1", *(f"{row},pet0.nii.gz" for row in rows)]) + "\n")
    return path


def test_name_and_text_are_taken_from_options(manifest, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    (tmp_path / "about.yaml").write_text("data_licence: Of our hospital, with consent.\nauthors: Our group\n")
    recipe = own(tiny_recipe(epochs=1), data_licence="")
    write_recipe(recipe, tmp_path / "recipe.yaml")
    command = ["medsynth", "train", tmp_path / "recipe.yaml", "--data", manifest, "--output", tmp_path / "run"]

    def result(*words):
        monkeypatch.setattr(sys, "argv", [*map(str, command), *map(str, words)])
        return run(), capsys.readouterr().err

    status, said = result()
    assert (status, said.strip()) == (2, claim_problem(recipe))
    status, _ = result("--name", "ours", "--about", tmp_path / "about.yaml")
    assert status == 0
    card = load_model(tmp_path / "run" / "ours").metadata
    assert card.medsynth.data_licence == "Of our hospital, with consent." and card.authors == "Our group"
    assert card.description == recipe.about.description
    assert import_model(tmp_path / "run" / "ours").name == "ours"
    assert "ours" in [summary.name for summary in list_models()]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data_license: CC0", "not valid at 'data_license'"),
        ("limits: none", "not valid at 'limits'"),
        ("[a]", "must have lines such as"),
        ("a: [", "is not a YAML file"),
        (None, "cannot be read"),
    ],
)
def test_a_text_that_cannot_be_used(text, words, tmp_path):
    write_recipe(tiny_recipe(), tmp_path / "recipe.yaml")
    if text is not None:
        (tmp_path / "about.yaml").write_text(text)
    with pytest.raises(MedSynthError, match=words):
        personal(tmp_path / "recipe.yaml", "mine", tmp_path / "about.yaml")


@pytest.mark.parametrize("name", ["../x", "Mine", "a b", "", "con", "nul", "com1", "arrays", "stop", "x" * 65])
def test_a_name_that_no_model_can_have(name, tmp_path):
    write_recipe(tiny_recipe(), tmp_path / "recipe.yaml")
    if name:
        with pytest.raises(MedSynthError, match="cannot be the name of a model"):
            personal(tmp_path / "recipe.yaml", name)
    with pytest.raises(ValueError, match="name"):
        Recipe.model_validate({**tiny_recipe().model_dump(), "name": name})


def test_the_text_may_change_before_a_training_is_resumed(manifest, tmp_path):
    from medsynth_core import Cancelled

    recipe = tiny_recipe(epochs=2, network=TINY_NETWORK)

    def stop(fraction, message):
        if message == "Epoch 2 of 2":
            RunWatch(tmp_path / "run").request_stop()

    with pytest.raises(Cancelled):
        train(recipe, manifest, tmp_path / "run", device="cpu", progress=stop)
    changed = recipe.model_copy(update={"about": recipe.about.model_copy(update={"title": "Another"})})
    assert load_model(train(changed, manifest, tmp_path / "run", device="cpu", resume=True)).card.title == "Another"
