"""A generator with its structure maps: what is trained, what stays, and what is refused."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from generation_builders import images_recipe
from generation_builders import maps_beside as maps_of
from safetensors.torch import load_file

from medsynth_core import MedSynthError, generate, read_volume, write_volume
from medsynth_core.generation.anatomy import Anatomy, axial_grid
from medsynth_core.generation.drawing import images_of
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.labels import labels_from
from medsynth_core.models.library import verify_model
from medsynth_core.models.records import LESIONS, SMALL_PICTURES, read_records
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system

pytestmark = pytest.mark.slow


def test_the_maps_are_those_of_the_structure_model_to_the_last_bit(package):
    sets, maps = (load_file(folder / "models" / "model.safetensors") for folder in (package, maps_of(package)))
    assert {name.removeprefix("maps.") for name in sets if name.startswith("maps.")} == maps.keys()
    assert all(torch.equal(sets[f"maps.{name}"], value) for name, value in maps.items())


def test_a_package_with_records_is_whole_and_one_with_other_records_is_refused(package, tmp_path):
    model = verify_model(package)
    records = read_records(model)
    assert records[LESIONS].shape[1:] == (64, 64) and set(np.unique(records[LESIONS])) == {0, 1}
    assert records[f"{SMALL_PICTURES}pet"].shape[1:] == (16, 16)
    copy = tmp_path / package.name
    shutil.copytree(package, copy)
    file = copy / "models" / "training.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(MedSynthError, match=r"training.safetensors is not the one of the model"):
        Generator.load(copy, "cpu")
    with pytest.raises(MedSynthError, match=r"training.safetensors is not the one of the model"):
        verify_model(copy)


def test_sides_that_are_no_multiple_of_8_are_padded_and_cut_again(package):
    generator = Generator.load(package, "cpu")
    y, x = np.indices((61, 45))
    organ = (np.hypot(y - 30, x - 22) < 18)[None]
    lines = (np.abs(np.hypot(y - 30, x - 22) - 12) < 1)[None]
    anatomy = Anatomy(lines, organ, np.zeros(lines.shape, np.uint8), axial_grid((1, 61, 45), (3.0, 3.0, 4.0)))
    made = images_of(generator, anatomy, np.random.default_rng(0))
    assert {role: image.shape for role, image in made.items()} == {"ct": (1, 61, 45), "pet": (1, 61, 45)}


def test_a_model_that_needs_a_map_is_refused_without_one_before_work(package, tmp_path, monkeypatch):
    monkeypatch.setattr(Generator, "draws_maps", False)
    with pytest.raises(MedSynthError, match="cannot draw structure maps from noise; give an image"):
        generate(package, tmp_path / "set", 1, device="cpu")
    assert not (tmp_path / "set").exists()


def test_labels_to_draw_from_have_the_values_of_the_training(package, phantoms, tmp_path):
    lesion = read_volume(phantoms.parent / "lesion0.nii.gz")
    write_volume(lesion.replace(voxels=lesion.voxels * 255), tmp_path / "mask.nii.gz")
    labels = labels_from(tmp_path / "mask.nii.gz", Generator.load(package, "cpu"))
    assert labels and all(set(np.unique(label)) == {0, 1} for label in labels)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"structure_model": "", "drawn_maps": 0.0}, "set structure_model"),
        ({"network": {"name": "multimodal-generator"}}, "choose the network multimodal-from-noise"),
        ({"structure_model": "ct-to-pet"}, "has the network cascade-compact, not structure-generator"),
        ({"structure_model": "no-such"}, "There is no model 'no-such'"),
    ],
)
def test_generators_that_lack_their_maps_are_refused(package, changes, words):
    content = images_recipe(maps_of(package)).model_dump(mode="json")
    if "network" in changes:
        options = {"channels": 4, "modalities": 2, "in_channels": 2}
        changes = {"network": {**changes["network"], "options": options}}
    settings = Recipe.model_validate({**content, **changes})
    with pytest.raises(MedSynthError, match=words):
        create_system(settings.system, settings, Engine(torch.device("cpu"), settings))


def test_maps_of_other_options_are_refused(package):
    content = images_recipe(maps_of(package)).model_dump(mode="json")
    content["network"]["options"]["width"] = 12
    settings = Recipe.model_validate(content)
    with pytest.raises(MedSynthError, match="give both the same size, latent, width and mask_channels"):
        create_system(settings.system, settings, Engine(torch.device("cpu"), settings))
