"""Images from noise alone: registered, of classes, without structure map and lesion."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import unconditional_recipes
from generated_folders import digests, stopped_before
from picture_generators import CLASSES

from medsynth_core import Cancelled, MedSynthError, generate, read_volume
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.generation.drawing import images_of_codes
from medsynth_core.generation.from_noise import smooth_codes
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.memorisation import fields_of, memorisation
from medsynth_core.io.pictures import read_picture
from medsynth_core.networks.registry import create_network
from medsynth_core.preparation.frame import framed
from medsynth_core.training.prepared_cases import load_case

pytestmark = pytest.mark.slow
ORDER = {"slices": 3, "seed": 5, "device": "cpu"}


@pytest.fixture(scope="module")
def acgan(picture_model):
    return picture_model("acgan")


@pytest.fixture(scope="module")
def made(acgan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "set"
    generate(acgan, folder, 3, **ORDER)
    return folder


def images(folder, number, role="xray"):
    return read_volume(folder / f"case_000{number}" / f"{role}.nii.gz")


def test_the_images_of_a_case_are_the_channels_of_one_image(acgan, made):
    assert {path.name for path in (made / "case_0001").iterdir() if path.suffix == ".gz"} == {
        "xray.nii.gz",
        "vessels.nii.gz",
    }
    network = Generator.load(acgan, "cpu").network
    for number in (1, 2, 3):
        codes = smooth_codes(4, 3, np.random.default_rng((5, number - 1))).astype(np.float32)
        with torch.no_grad():
            drawn = network(torch.from_numpy(codes), torch.full((3,), number - 1)).numpy()
        for channel, role in enumerate(("xray", "vessels")):
            volume = images(made, number, role)
            assert np.allclose(volume.voxels, 127.5 * (drawn[:, channel] + 1), atol=1e-3)
            assert volume.shape == (3, 64, 64) and volume.metadata["class"] == CLASSES[number - 1]
            assert volume.is_synthetic and volume.metadata["random_seed"] == 5


def test_the_data_set_tells_classes_and_no_masks(made):
    cases = read_manifest(made / "manifest.csv", ("xray", "vessels"), optional=("structure", "background", "lesion"))
    assert [case.label for case in cases] == list(CLASSES)
    assert all(set(case.files) == {"xray", "vessels"} for case in cases)
    record = json.loads((made / "generation.json").read_text())
    assert record["complete"] and list(record["classes"].values()) == list(CLASSES)
    assert "structure" not in (made / "README.md").read_text()
    assert (made / "overview.png").read_bytes()[:4] == b"\x89PNG"


def test_they_are_compared_with_the_training_images_of_which_small_pictures_are_kept(acgan, made, pictures):
    generator, roles = Generator.load(acgan, "cpu"), ("xray", "vessels")
    training = [case for case in read_manifest(pictures, roles) if case.split == "train"]
    loaded = [load_case(case, generator.settings)[0] for case in training]
    record = json.loads((made / "generation.json").read_text())
    for role in roles:
        # -1 and 1 are the values 0 and 255 of the pictures.
        frames = np.concatenate([127.5 * (framed(case.targets[role], 64, -1) + 1) for case in loaded])
        fields = frames.reshape(-1, 16, 4, 16, 4).mean(axis=(2, 4))
        assert np.abs(generator.training_pictures(role).astype(float) - fields).max() < 1
        assert list(generator.training_patients(role)) == list(range(len(training)))
        among, drawn = record["memorisation"][role]["distances"]
        assert (among["count"], drawn["count"]) == (len(training), 9)
        # An image that shows a training image is found.
        images = {name: frames[2:3].astype(np.float32) for name in roles}
        found = memorisation(generator, fields_of(generator, images))[role]
        assert list(found.suspects) == [0] and found.synthetic.index[0] == 2


def test_slices_change_gradually(made):
    first, other = images(made, 1).voxels, images(made, 2).voxels
    steps = [np.abs(first[0] - slice_).mean() for slice_ in (first[1], first[2], other[0])]
    assert 0 < steps[0] < steps[1] < steps[2]


def test_a_case_depends_on_seed_number_and_class_alone(acgan, made, tmp_path):
    with pytest.raises(Cancelled):
        generate(acgan, tmp_path / "set", 3, progress=stopped_before(3), **ORDER)
    assert generate(acgan, tmp_path / "set", 3, **ORDER).made == 1
    assert digests(tmp_path / "set") == digests(made)
    generate(acgan, tmp_path / "fewer", 1, **ORDER)
    assert digests(tmp_path / "fewer" / "case_0001") == digests(made / "case_0001")
    generate(acgan, tmp_path / "viral", 1, class_name="viral", **ORDER)
    assert np.abs(images(tmp_path / "viral", 1).voxels - images(made, 1).voxels).max() > 0


def test_a_network_that_has_grown_draws_its_whole_size(acgan):
    settings = unconditional_recipes.recipe("pggan")
    network = create_network(settings.network.name, **settings.network.options).eval()
    known = Generator.load(acgan, "cpu")
    generator = Generator(known.model, settings, network, known.device, {})
    codes = np.random.default_rng(0).standard_normal((5, 5))
    made = images_of_codes(generator, codes)["ct"]
    assert made.shape == (5, 16, 16) and made.min() >= -1000 and np.ptp(made) > 10
    with torch.no_grad():
        drawn = network(torch.from_numpy(codes[4:].astype(np.float32)))[0, 0].numpy()
    assert np.allclose(made[4], np.clip(1000 * drawn, -1000, 1000), atol=0.1)


def test_a_model_that_ignores_maps_draws_none(picture_model, pictures, tmp_path):
    model = picture_model("gan-sharp")
    generate(model, tmp_path / "set", 2, format="png", seed=5, device="cpu")
    assert [path.name for path in (tmp_path / "set" / "case_0001").iterdir()] == ["xray.png"]
    first, second = (read_picture(tmp_path / "set" / f"case_000{number}" / "xray.png") for number in (1, 2))
    assert first.shape == (64, 64) and np.abs(first.astype(int) - second).max() > 0
    for given, words in (
        ({"source": pictures.parent / "xray0.png"}, "draws from noise alone, without a structure map; leave the image"),
        ({"slices": 2}, "draws single slices; leave slices out"),
        ({"lesions": pictures}, "draws no lesions"),
    ):
        with pytest.raises(MedSynthError, match=words):
            generate(model, tmp_path / "other", 1, device="cpu", **given)
    assert not (tmp_path / "other").exists()
