"""Images in colour: pictures as they were drawn, from noise or from a photograph, beside their masks."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from generated_folders import digests, stopped_before
from picture_generators import FUNDUS, disc, multimodal_recipe
from PIL import Image

from medsynth_core import Cancelled, MedSynthError, generate
from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.in_memory import generate_cases
from medsynth_core.generation.order import Order
from medsynth_core.io.picture_volume import read_mask
from medsynth_core.io.pictures import COLOURS, read_colour_picture, read_picture
from medsynth_core.models.library import import_model
from medsynth_core.progress import Progress
from medsynth_core.training.prepared_cases import load_case

pytestmark = pytest.mark.slow
ORDER = {"seed": 5, "format": "png", "filtered": False, "device": "cpu"}
CHANNELS = [f"fundus:{colour}" for colour in COLOURS]


@pytest.fixture(scope="module")
def photographs(picture_model):
    return picture_model("photographs")


@pytest.fixture(scope="module")
def redrawn(picture_model):
    return picture_model("redrawn")


@pytest.fixture(scope="module")
def made(photographs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours") / "set"
    generate(photographs, folder, 3, **ORDER)
    return folder


def cases_of(package, **order):
    return list(generate_cases(Generator.load(package, "cpu"), Order(format="png", **order), Progress()))


def test_the_colours_of_the_files_are_those_that_were_drawn(photographs, made):
    for number, case in enumerate(cases_of(photographs, count=3, seed=5, filtered=False), start=1):
        assert list(case.images) == CHANNELS
        drawn = np.stack([case.images[name].voxels[0] for name in CHANNELS], axis=-1)
        written = read_colour_picture(made / f"case_000{number}" / "fundus.png")
        assert np.array_equal(written, np.clip(drawn + 0.5, 0, 255).astype(np.uint8))
        assert all(np.abs(drawn[..., a] - drawn[..., b]).max() > 5 for a, b in ((0, 1), (1, 2), (0, 2)))
        for name in ("structure", "background"):
            mask = read_picture(made / f"case_000{number}" / f"{name}.png")
            assert np.array_equal(mask != 0, case.masks[name].voxels[0] != 0) and mask.any()
        assert case.images[CHANNELS[0]].is_synthetic and not (made / f"case_000{number}" / "lesion.png").exists()


def test_the_record_states_what_the_pictures_are(made):
    record = json.loads((made / "generation.json").read_text())
    assert record["images"]["fundus"] == {
        "modality": "OP",
        "unit": "1",
        "colours": True,
        "values_of_0_and_255": [0, 255],
    }
    training, own = record["memorisation"]["fundus"]["distances"]
    assert (training["count"], own["count"]) == (6, 3) and own["quantile_0"] > 0
    assert "`fundus` in colour" in (made / "README.md").read_text()


def test_the_overview_shows_the_colours(made):
    with Image.open(made / "overview.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    left, right = np.array_split(pixels[pixels.shape[0] // 4 :], 2, axis=1)
    # Left the structure maps, right the photographs.
    assert np.ptp(right, axis=-1).mean() > 10 * np.ptp(left, axis=-1).mean()


def test_a_training_reads_the_generated_pictures_with_the_values_of_the_real_ones(photographs, made, package):
    settings = multimodal_recipe("photographs", package.parents[1] / "maps" / "phantom-structures")
    case = read_manifest(made / "manifest.csv", ("fundus",))[0]
    (loaded,) = load_case(case, settings)
    picture = read_colour_picture(case.files["fundus"]) / 255
    for number, name in enumerate(CHANNELS):
        assert np.allclose(loaded.targets[name][0], picture[..., number], atol=1e-6)


def test_a_training_compares_generated_pictures_with_its_own_by_the_mean_of_their_colours(photographs, pictures):
    from medsynth_core.generation.memorisation import fields_of

    generator = Generator.load(photographs, "cpu")
    (loaded,) = load_case(read_manifest(pictures, ("fundus",))[0], generator.settings)
    images = {name: 255 * loaded.targets[name] for name in CHANNELS}
    kept = generator.training_pictures("fundus").astype(int)
    assert np.abs(fields_of(generator, images)["fundus"][0].astype(int) - kept[0]).max() <= 1


def test_volumes_have_no_colours(photographs, tmp_path):
    with pytest.raises(MedSynthError, match="in colour, and volumes have no colours; choose the format png"):
        generate(photographs, tmp_path / "set", 1, device="cpu")
    assert not (tmp_path / "set").exists()


def test_the_same_seed_gives_the_same_pictures_after_a_stop_too(photographs, made, tmp_path):
    with pytest.raises(Cancelled):
        generate(photographs, tmp_path / "set", 3, progress=stopped_before(2), **ORDER)
    assert generate(photographs, tmp_path / "set", 3, **ORDER).made == 2
    assert digests(tmp_path / "set") == digests(made)


def test_a_photograph_is_redrawn_on_its_own_pixels_with_its_label(redrawn, pictures, tmp_path):
    mask = np.zeros((60, 72), np.uint8)
    mask[20:36, 24:44] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    order = {**ORDER, "source": pictures.parent / "fundus3.png", "lesion": tmp_path / "mask.png"}
    generate(redrawn, tmp_path / "set", 2, **order)
    cases = read_manifest(tmp_path / "set" / "manifest.csv", ("fundus", "structure", "background", "lesion"))
    inside = disc(3)[..., 0] > 100
    for case in cases:
        assert read_colour_picture(case.files["fundus"]).shape == (60, 72, 3)
        label = read_mask(case.files["lesion"]).voxels[0] > 0
        assert 2 * (label & (mask > 0)).sum() / (label.sum() + (mask > 0).sum()) > 0.9
        assert (inside == (read_picture(case.files["background"]) == 0)).mean() > 0.95
    first, second = (read_colour_picture(case.files["fundus"]).astype(int) for case in cases)
    assert np.abs(first - second).max() > 0, "the noise in the map is another one"


def test_labels_of_other_photographs_are_placed_in_a_photograph(redrawn, pictures, tmp_path):
    generate(redrawn, tmp_path / "set", 1, source=pictures.parent / "fundus2.png", lesions=_lesions(pictures), **ORDER)
    label = read_picture(tmp_path / "set" / "case_0001" / "lesion.png")
    background = read_picture(tmp_path / "set" / "case_0001" / "background.png")
    assert label.any() and set(np.unique(label)) == {0, 1} and not (label & (background > 0)).any()


def _lesions(pictures):
    """Return a manifest of the vessels as lesions."""
    found = pictures.with_name("lesions.csv")
    found.write_text(pictures.read_text().replace("vessels\n", "lesion\n"))
    return found


def test_an_nnunet_data_set_of_pictures_in_colour_has_three_channels(redrawn, pictures, tmp_path):
    folder = tmp_path / "Dataset501_Synthetic"
    generate(redrawn, folder, 1, source=pictures.parent / "fundus2.png", layout="nnunet", **ORDER)
    content = json.loads((folder / "dataset.json").read_text())
    assert content["channel_names"] == dict(zip("012", CHANNELS, strict=True)) and content["file_ending"] == ".png"
    assert read_colour_picture(folder / "imagesTr" / "case_0001_0000.png").shape == (60, 72, 3)
    assert set(np.unique(read_picture(folder / "labelsTr" / "case_0001.png"))) == {0, 1}


def test_what_cannot_be_drawn_from_is_refused(redrawn, pictures, phantoms, tmp_path):
    fundus, ct = pictures.parent / "fundus0.png", phantoms.parent / "ct0.nii.gz"
    Image.fromarray(np.zeros((50, 72), np.uint8) + 255).save(tmp_path / "other.png")
    for given, words in (
        ({"source": ct}, "A PNG holds one slice; choose NIfTI, or one slice, from noise or from a picture"),
        ({"source": fundus, "format": "nifti"}, "volumes have no colours"),
        ({"source": fundus, "lesion": tmp_path / "other.png"}, "mask has 50 × 72 pixels, but the picture has 60 × 72"),
        ({"source": fundus, "unit": "HU"}, "fundus photograph in HU, but the model 'redrawn' draws from the structure"),
        ({"source": tmp_path / "none.png"}, "There is no file"),
    ):
        with pytest.raises(MedSynthError, match=words):
            generate(redrawn, tmp_path / "set", 1, **{**ORDER, **given})
    assert not (tmp_path / "set").exists()


def test_a_model_that_draws_no_maps_says_which_ones_do(redrawn, photographs, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    refusal = "'redrawn' cannot draw structure maps from noise; give an image to take the structure map from, or choose"
    with pytest.raises(MedSynthError, match=f"{refusal} one of multimodal-sts"):
        generate(redrawn, tmp_path / "set", 1, **ORDER)
    import_model(shutil.copytree(redrawn, tmp_path / "redrawn"))
    import_model(shutil.copytree(photographs, tmp_path / "photographs"))
    with pytest.raises(MedSynthError, match=f"{refusal} one of .*photographs"):
        generate(redrawn, tmp_path / "set", 1, **ORDER)


def test_pictures_of_another_range_show_that_range(photographs):
    from medsynth_core.generation.case_files import value_range

    generator = Generator.load(photographs, "cpu")
    contract = generator.contract.model_dump(mode="json")
    ranges = []
    for low, high in ((10, 200), (0, 65535)):
        side = {**FUNDUS, "intensity": {"kind": "curve", "points": [[low, 0], [high, 1]]}}
        changed = type(generator.contract).model_validate({**contract, "outputs": {"fundus": side}})
        settings = generator.settings.model_copy(update={"contract": changed})
        other = Generator(generator.model, settings, generator.network, generator.device, generator.records)
        ranges.append(value_range(other, "fundus"))
    # Values of pictures of 8 bits are kept, those of 16 bits are not.
    assert ranges == [(0, 255), (0, 65535)]
