"""Networks that do not fit the images of a recipe are refused in a sentence, before any case is prepared."""

from __future__ import annotations

import json
import shutil

import pytest
from builders import CT_SIDE, SUV_SIDE, TINY_NETWORK, dose_recipe, tiny_recipe, write_manifest

from medsynth_core import MedSynthError, train
from medsynth_core.models.library import verify_model
from medsynth_core.recipes.recipe import write_recipe
from medsynth_core.training import background
from medsynth_core.training.fit import check_networks
from medsynth_core.training.run_watch import RunWatch

PAIR = {"inputs": {"ct": CT_SIDE}, "outputs": {"pet": SUV_SIDE}, "spacing": [2.0, 2.0, 3.0]}
SLAB = {"contract": {**PAIR, "slab": {"slices": 4, "overlap": 2}}, "augmentation": {"crop": 24}}
ADVERSE = {"loss": {"l1": 1.0, "adversarial": 1.0}}


def adversary(name="patchgan2d", **options):
    return {**ADVERSE, "discriminator": {"name": name, "options": {"channels": 4, "layers": 1, **options}}}


WRONG = {
    "slab-2d": (SLAB, "'cascade-compact' is 2-D, but the contract has slab"),
    "no-slab-3d": ({"network": {"name": "unet3d"}}, "'unet3d' is 3-D, but the contract has no slab"),
    "adversary-3d": (adversary("patchgan3d", in_channels=6), "'patchgan3d' is 3-D, but the contract has no slab"),
    "adversary-deep": (
        adversary(in_channels=6, layers=6),
        "'patchgan2d' does not take 6 channels of 24 × 24 pixels .*; change augmentation.crop",
    ),
    "adversary-channels": (adversary(in_channels=4), "set discriminator.options.in_channels .* to 6"),
    "stages": ({"loss": {"l1": 1.0, "deep_supervision": 1.0}, "network": {"name": "unet-ctmr"}}, "no stages for deep"),
    "no-generator": ({"network": {"name": "patchgan2d", "options": {"in_channels": 3}}}, "does not produce images"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, name):
    changes, said = WRONG[name]
    with pytest.raises(MedSynthError, match=said):
        train(tiny_recipe(**changes), write_manifest(tmp_path), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_a_3d_network_has_a_channel_for_each_image():
    network = {"name": "unet3d", "options": {"in_channels": 2}}
    recipe = dose_recipe(system="paired", network=network, loss={"l1": 1.0}, coarse_epochs=0)
    with pytest.raises(MedSynthError, match=r"has 2 in_channels, but takes one for each image .*\(pet\)"):
        check_networks(recipe)


@pytest.mark.parametrize("recipe", [tiny_recipe(), tiny_recipe(**adversary(in_channels=6)), dose_recipe()])
def test_what_fits_is_accepted(recipe):
    check_networks(recipe)


def test_a_window_is_told_why_a_training_did_not_begin(tmp_path):
    write_recipe(tiny_recipe(**SLAB), tmp_path / "recipe.yaml")
    run = tmp_path / "run"
    run.mkdir()
    content = {"recipe": tmp_path / "recipe.yaml", "data": write_manifest(tmp_path), "output": run}
    (run / "request.json").write_text(json.dumps({key: str(value) for key, value in content.items()}))
    assert background.main(run / "request.json") == 2
    events = RunWatch(run).events()
    assert [event["event"] for event in events] == ["error"] and "2-D" in events[0]["message"]


def test_a_failure_of_the_program_is_an_event_of_the_run(tmp_path, monkeypatch):
    def fail(*arguments):
        raise AttributeError("a mistake in the program")

    monkeypatch.setattr("medsynth_core.training.train.Trainer", fail)
    with pytest.raises(AttributeError):
        train(tiny_recipe(), write_manifest(tmp_path), tmp_path / "run", device="cpu")
    last = RunWatch(tmp_path / "run").events()[-1]
    assert last["event"] == "error" and "a mistake in the program" in last["message"]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return train(tiny_recipe(epochs=1), write_manifest(folder), folder / "run", device="cpu")


def test_a_package_is_verified_with_its_contract(package, tmp_path):
    assert verify_model(package).card.network.name == TINY_NETWORK["name"]
    copy = shutil.copytree(package, tmp_path / "copy")
    card = json.loads((copy / "configs" / "metadata.json").read_text())
    card["medsynth"]["contract"] |= {"slab": {"slices": 4, "overlap": 2, "plane": 24}, "frame": 0}
    (copy / "configs" / "metadata.json").write_text(json.dumps(card))
    with pytest.raises(MedSynthError, match="is 2-D, but the contract has slab"):
        verify_model(copy)
