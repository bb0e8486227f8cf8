"""A training sees the whole body, or says what it leaves out."""

import pytest
from builders import tiny_recipe, write_manifest

from medsynth_core import MedSynthError, train
from medsynth_core.recipes.recipe import read_recipe
from medsynth_core.training.run_watch import RunWatch


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_manifest(tmp_path_factory.mktemp("data"))


def test_a_crop_that_nothing_moves_and_that_cuts_the_slices_is_refused(manifest, tmp_path):
    recipe = tiny_recipe(augmentation={"crop": 16, "rotate_degrees": 10})
    with pytest.raises(MedSynthError, match=r"Case 'P0': .* only see the 16 × 16 in their middle; set contract.matrix"):
        train(recipe, manifest, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_what_a_moving_crop_never_shows_is_told(manifest, tmp_path):
    recipe = tiny_recipe(epochs=1, augmentation={"crop": 16, "shift_pixels": 1})
    train(recipe, manifest, tmp_path / "run", device="cpu")
    said = [event["message"] for event in RunWatch(tmp_path / "run").events() if event["event"] == "log"]
    assert any("at most 18 × 18 pixels" in message and "2 of 2 cases" in message for message in said)


def test_the_advice_of_the_refusal_helps(manifest, tmp_path):
    """The body of 36 × 28 mm fills a third of its frame at 2 mm; with a matrix the whole field of view is in it."""
    content = tiny_recipe(epochs=1, augmentation={"crop": 16}).model_dump()
    content["contract"] = {**content["contract"], "spacing": None, "matrix": (16, 16)}
    package = train(tiny_recipe().model_validate(content), manifest, tmp_path / "run", device="cpu")
    assert package.is_dir()


@pytest.mark.parametrize(
    ("key", "intensity"),
    [
        ("inputs", {"kind": "curve", "points": [[3000, -1], [4000, 1]]}),
        ("inputs", {"kind": "curve", "points": [[-1e9, -1], [1000, 1]]}),
        ("inputs", {"kind": "linear", "divisor": 1.0, "lower": 1e6}),
        ("outputs", {"kind": "scale", "divisor": 5, "lower": 100, "upper": 200}),
        ("outputs", {"kind": "linear", "divisor": 1e9}),
    ],
)
def test_an_intensity_that_shows_nothing_is_refused(manifest, tmp_path, key, intensity):
    content = tiny_recipe(epochs=1).model_dump(mode="json")
    (role, side), *_ = content["contract"][key].items()
    side["intensity"] = intensity
    words = f"contract.{key}.{role}.intensity of the recipe gives all voxels of the 2 training cases the same network"
    with pytest.raises(MedSynthError, match=words):
        train(tiny_recipe(**content), manifest, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_networks_are_checked_before_anything_is_written(manifest, tmp_path):
    for options, words in (
        ({"channels": True}, "a whole number of at least 1, not True"),
        ({"channels": -4}, "not -4"),
    ):
        recipe = tiny_recipe(network={"name": "resnet9", "options": options})
        with pytest.raises(MedSynthError, match=words):
            train(recipe, manifest, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "name",
    ["pix2pix", "cyclegan", "cascade-published", "cascade-wide-published", "cas-unet-published", "unet-ctmr-published"],
)
def test_a_published_preset_sees_the_whole_field_of_view_at_the_published_size(name):
    recipe = read_recipe(name)
    assert recipe.contract.matrix == (256, 256) and recipe.contract.frame == recipe.augmentation.crop == 256
