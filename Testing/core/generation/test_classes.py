"""Models with classes: cases of one class or of all in turn, which a training reads from the manifest."""

from __future__ import annotations

import csv
import json
from collections import Counter

import numpy as np
import pytest
from generated_folders import digests, stopped_before
from picture_generators import CLASSES, XRAY, acgan_recipe

from medsynth_core import Cancelled, MedSynthError, generate, read_volume
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.in_memory import generate_cases
from medsynth_core.generation.order import Order
from medsynth_core.io.pictures import read_picture
from medsynth_core.preparation.contract import Side
from medsynth_core.progress import Progress
from medsynth_core.systems.multimodal_input import LABEL_OFFSET
from medsynth_core.training.prepared_cases import load_case

pytestmark = pytest.mark.slow
ORDER = {"seed": 5, "format": "png", "filtered": False, "device": "cpu"}


@pytest.fixture(scope="module")
def xrays(picture_model):
    return picture_model("xrays")


@pytest.fixture(scope="module")
def made(xrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes") / "set"
    generate(xrays, folder, 6, **ORDER)
    return folder


def cases_of(package, **order):
    return list(generate_cases(Generator.load(package, "cpu"), Order(filtered=False, **order), Progress()))


def test_every_class_has_as_many_cases_and_the_manifest_and_the_record_say_which(made):
    cases = read_manifest(made / "manifest.csv", ("xray", "structure", "background"))
    assert [case.label for case in cases] == [*CLASSES, *CLASSES]
    record = json.loads((made / "generation.json").read_text())
    assert record["classes"] == {case.name: case.label for case in cases} and record["order"]["class_name"] is None
    assert "lesion" not in next(csv.DictReader((made / "manifest.csv").open()))
    assert not list(made.rglob("lesion.*"))
    text = (made / "README.md").read_text()
    assert "Its column `class` says what a case shows." in text and "lesion" not in text


def test_a_training_of_classes_reads_the_generated_cases(made):
    (first, second) = read_manifest(made / "manifest.csv", ("xray", "structure"))[:2]
    settings = acgan_recipe()
    contract = settings.contract.model_copy(update={"outputs": {"xray": Side.model_validate(XRAY)}})
    settings = settings.model_copy(update={"contract": contract})
    for number, case in enumerate((first, second)):
        (loaded,) = load_case(case, settings)
        assert loaded.labels["class"] == number
        # The picture has the values that its model was trained with.
        grey = read_picture(case.files["xray"]).astype(np.float32)
        assert np.allclose(loaded.targets["xray"][0], grey / 255, atol=1e-6) and np.ptp(grey) > 10


def test_the_class_changes_the_images_and_not_their_structure(xrays):
    normal, viral = (cases_of(xrays, count=1, seed=5, class_name=name)[0] for name in ("normal", "viral"))
    assert (normal.class_name, viral.class_name) == ("normal", "viral")
    assert np.array_equal(normal.masks["structure"].voxels, viral.masks["structure"].voxels)
    assert np.abs(normal.images["xray"].voxels - viral.images["xray"].voxels).max() > 1
    assert not normal.masks["lesion"].voxels.any() and normal.images["xray"].metadata["class"] == "normal"


def test_the_network_is_given_the_number_of_the_class_everywhere(xrays):
    generator, given = Generator.load(xrays, "cpu"), []
    generator.network.register_forward_pre_hook(lambda _network, inputs: given.append(inputs[0][:, 1].numpy()))
    list(generate_cases(generator, Order(3, slices=2, filtered=False), Progress()))
    assert [label.shape for label in given] == [(2, 64, 64)] * 3
    for number, label in enumerate(given):
        assert np.allclose(label, number + LABEL_OFFSET)


def test_one_class_can_be_asked_for_and_the_others_stay_out(xrays, tmp_path):
    generate(xrays, tmp_path / "set", 2, class_name="viral", **{**ORDER, "format": "nifti"})
    cases = read_manifest(tmp_path / "set" / "manifest.csv", ("xray",))
    assert Counter(case.label for case in cases) == {"viral": 2}
    assert {read_volume(case.files["xray"]).metadata["class"] for case in cases} == {"viral"}
    # Completed by files alone, with the class that they state.
    assert generate(xrays, tmp_path / "set", 2, class_name="viral", **{**ORDER, "format": "nifti"}).made == 0
    with pytest.raises(MedSynthError, match="another run in it, with class_name viral"):
        generate(xrays, tmp_path / "set", 2, class_name="normal", **{**ORDER, "format": "nifti"})


def test_the_same_seed_gives_the_same_files_after_a_stop_too(xrays, made, tmp_path):
    with pytest.raises(Cancelled):
        generate(xrays, tmp_path / "set", 6, progress=stopped_before(4), **ORDER)
    assert generate(xrays, tmp_path / "set", 6, **ORDER).made == 3
    assert digests(tmp_path / "set") == digests(made)
    generate(xrays, tmp_path / "fewer", 2, **ORDER)
    for name in ("case_0001", "case_0002"):
        assert digests(tmp_path / "fewer" / name) == digests(made / name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class_name": "fungal"}, "draws no class 'fungal'; choose one of normal, bacterial, viral, or none for all"),
        ({"class_name": ""}, "draws no class ''"),
        ({"lesions": "manifest.csv"}, "'xrays' draws no lesions; leave the lesion out"),
        ({"format": "nifti", "layout": "nnunet"}, "nnU-Net data set needs label maps, but the cases have no lesions"),
        ({"format": "nifti", "layout": "bids"}, r"no name for the image 'xray' \(X-ray\); choose the layout plain"),
    ],
)
def test_what_a_model_of_classes_cannot_make_is_refused(xrays, tmp_path, changes, words):
    with pytest.raises(MedSynthError, match=words):
        generate(xrays, tmp_path / "Dataset501_Synthetic", 1, **{**ORDER, **changes})
    assert not (tmp_path / "Dataset501_Synthetic").exists()


def test_a_model_without_classes_refuses_one(package, tmp_path):
    with pytest.raises(MedSynthError, match="'phantom-sets' has no classes; leave the class out"):
        generate(package, tmp_path / "set", 1, class_name="viral", device="cpu")
