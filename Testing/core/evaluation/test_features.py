"""Features of images, and the FID by them: what it depends on, and that it rises with what is wrong."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from medsynth_core import MedSynthError, create_network
from medsynth_core.evaluation.features import BUNDLED, NETWORK, Extractor, fid, prepared, read_extractor
from medsynth_core.experiments.feature_images import read_images
from medsynth_core.io.pictures import read_picture
from medsynth_core.io.reading import read_volume
from medsynth_core.progress import Progress
from medsynth_core.resources import resource_folder

ROOT = Path(__file__).parents[3]
SMALL = {"channels": [2, 3, 4, 6]}


@pytest.fixture(scope="module")
def slices(sample_case: Path) -> dict[str, np.ndarray]:
    """Return the slices of the sample case, which was not used for the training of the extractor."""
    return {
        name: np.clip(read_volume(sample_case / f"{name}.nii.gz").voxels.astype(np.float32), low, high)
        for name, low, high in (("ct", -1000, 1000), ("pet", 0, 10), ("mr_t1", 0, 1500))
    }


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return the file of an untrained extractor with few features."""
    torch.manual_seed(0)
    network = create_network(NETWORK, **SMALL)
    path = tmp_path / "own.safetensors"
    save_file(network.state_dict(), path, {"name": "own", "options": json.dumps(SMALL)})
    return path


def halves(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return images[::2], images[1::2]


def noise(images: np.ndarray, share: float) -> np.ndarray:
    random = np.random.default_rng(0)
    return images + share * images.std(axis=(1, 2), keepdims=True) * random.standard_normal(images.shape)


@pytest.mark.parametrize("kind", ["ct", "pet", "mr_t1"])
def test_it_is_small_between_halves_and_rises_with_blur_and_noise(slices, kind):
    one, other = halves(slices[kind])
    same = fid(one, other).value
    blurs = [fid(one, gaussian_filter(other, (0, sigma, sigma))).value for sigma in (2, 4)]
    noises = [fid(one, noise(other, share)).value for share in (0.1, 0.3, 1.0)]
    assert same < blurs[0] / 2 < blurs[1] / 2
    assert same < noises[0] < noises[1] < noises[2]
    assert max(blurs[0], same) < noises[2]


def test_other_modalities_are_further_away_than_the_same(slices):
    one, other = halves(slices["ct"])
    assert fid(one, other).value < 0.2 * fid(one, slices["mr_t1"]).value


def test_neither_order_nor_window_nor_size_changes_it(slices):
    one, other = halves(slices["mr_t1"])
    expected = fid(one, other).value
    shuffled = np.random.default_rng(0).permutation(other)
    assert fid(one, shuffled).value == pytest.approx(expected, rel=1e-4)
    assert fid(other, one).value == pytest.approx(expected, rel=1e-4)
    assert fid(one, 3 * other + 100).value == pytest.approx(expected, rel=1e-3)
    assert fid(one, np.stack([other] * 3, axis=-1)).value == pytest.approx(expected, rel=1e-3)
    assert fid(one, one).value == pytest.approx(0, abs=1e-4)


def test_what_a_value_depends_on_is_stated(slices):
    found = fid(*halves(slices["ct"]))
    extractor = read_extractor()
    assert found.extractor == extractor.name == "medsynth-features-1"
    assert re.fullmatch("[0-9a-f]{64}", found.sha256) and found.sha256 == extractor.sha256
    assert "with 96 features each" in found.doubt
    assert found.sha256 in str(found) and found.doubt in str(found) and found.extractor in str(found)


def test_enough_images_are_no_doubt(small):
    random = np.random.default_rng(0)
    found = fid(random.normal(size=(8, 20, 20)), random.normal(size=(7, 20, 20)), read_extractor(small))
    assert found.doubt == "" and found.counts == (8, 7) and found.extractor == "own"
    assert (
        "6 features"
        in fid(random.normal(size=(6, 20, 20)), random.normal(size=(7, 20, 20)), read_extractor(small)).doubt
    )


def test_images_of_one_value_have_no_distance_from_each_other(small):
    extractor = read_extractor(small)
    flat = np.repeat(np.arange(4.0), 64).reshape(4, 8, 8) * 1e4 + 0.1
    assert not prepared(flat).any()
    assert fid(flat, flat[::-1] + 7, extractor).value == pytest.approx(0, abs=1e-9)
    structured = np.random.default_rng(0).normal(size=(4, 8, 8))
    assert fid(flat, structured, extractor).value > 0


def test_images_lie_in_the_middle_of_a_square_of_their_lowest_value():
    image = np.full((1, 64, 128), 5.0)
    image[0, 20:40, 50:70] = 9.0
    image[0, 0, 0] = -1.0
    found = prepared(image)
    assert found.shape == (1, 1, 128, 128) and found.dtype == np.float32
    assert found.mean() == pytest.approx(0, abs=1e-4) and found.std() == pytest.approx(1, abs=1e-3)
    assert np.allclose(found[0, 0, :32], found.min()) and np.allclose(found[0, 0, 96:], found.min())
    assert found[0, 0, 60, 60] == found.max()
    # Half as large: smoothed first, so that a single bright pixel is not left out.
    fine = np.zeros((1, 256, 256))
    fine[0, 101, 101] = 1
    assert prepared(fine)[0, 0, 50, 50] > 5


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.zeros((4, 16)), "compared as"),
        (np.zeros((4, 16, 16, 2)), "compared as"),
        (np.full((4, 16, 16), np.nan), "not finite"),
        (np.zeros((1, 16, 16)), "at least two images"),
    ],
)
def test_images_that_cannot_be_compared_are_refused(small, images, words):
    with pytest.raises(MedSynthError, match=words):
        fid(images, images, read_extractor(small))


def file_of(folder: Path, state: dict[str, torch.Tensor], header: dict[str, str] | None) -> Path:
    path = folder / "other.safetensors"
    save_file(state, path, header)
    return path


def test_other_files_are_refused(tmp_path, small):
    state = create_network(NETWORK, **SMALL).state_dict()
    good = {"name": "own", "options": json.dumps(SMALL)}
    (tmp_path / "script.pt").write_bytes(b"PK\x03\x04 code")
    for path, words in (
        (tmp_path / "missing.safetensors", "cannot be used"),
        (tmp_path / "script.pt", "not a safetensors file"),
        (file_of(tmp_path, state, None), "not a safetensors file with the header"),
    ):
        with pytest.raises(MedSynthError, match=words):
            read_extractor(path)
    for header in ({**good, "options": "[1"}, {**good, "options": "[1]"}, {"options": good["options"]}):
        with pytest.raises(MedSynthError, match="with the header entries"):
            read_extractor(file_of(tmp_path, state, header))
    wider = {**good, "options": json.dumps({"channels": [2, 3, 4, 7]})}
    with pytest.raises(MedSynthError, match="do not fit"):
        _ = read_extractor(file_of(tmp_path, state, wider)).network
    with pytest.raises(MedSynthError, match="no option 'code'"):
        _ = read_extractor(file_of(tmp_path, state, {**good, "options": '{"code": 1}'})).network
    state["network.conv1.weight"][0, 0, 0, 0] = torch.nan
    with pytest.raises(MedSynthError, match="not finite"):
        _ = read_extractor(file_of(tmp_path, state, good)).network


def test_the_bundled_extractor_is_small_and_comes_with_its_records():
    folder = (resource_folder() / BUNDLED).parent
    assert (resource_folder() / BUNDLED).stat().st_size < 1_000_000
    extractor: Extractor = read_extractor()
    assert sum(value.numel() for value in extractor.network.parameters()) < 600_000
    for name in ("recipe.yaml", "split.csv", "metrics.csv", "results.csv", "environment.json", "NOTICE.md"):
        assert (folder / name).stat().st_size > 100, name
    assert "CC BY 3.0" in (folder / "NOTICE.md").read_text() and "CC BY 4.0" in (folder / "NOTICE.md").read_text()
    split = (folder / "split.csv").read_text()
    assert "ct,STS_012,test," in split, "the sample case is not among the training images"


def test_the_page_of_results_states_what_the_experiment_wrote():
    page = (ROOT / "docs" / "results" / "feature-extractor.md").read_text(encoding="utf-8")
    rows = list(csv.DictReader((resource_folder() / BUNDLED).with_name("results.csv").open()))
    assert len(rows) == 4 + 4 * 5
    for row in rows:
        assert f" {float(row['test']):.{3 if row['val'] else 2}f} |" in page, row
    log = list(csv.DictReader((resource_folder() / BUNDLED).with_name("metrics.csv").open()))
    best = min(log, key=lambda row: float(row["val_loss"]))["epoch"]
    assert f"was kept ({best})" in page


@pytest.mark.slow
def test_real_x_rays_are_nearer_to_each_other_than_degraded_ones(shared_data):
    files = sorted((shared_data / "chest-xray" / "test" / "NORMAL").glob("*.jpeg"))
    one, other = halves(np.stack([read_picture(file) for file in files]).astype(np.float32))
    same = fid(one, other)
    assert same.doubt == ""
    blurred = fid(one, gaussian_filter(other, (0, 2, 2))).value
    noisy = [fid(one, noise(other, share)).value for share in (0.1, 0.3, 1.0)]
    assert same.value < blurred / 5 and blurred < noisy[2]
    assert same.value < noisy[0] / 2 and noisy[0] < noisy[1] < noisy[2]
    ill = np.stack(
        [read_picture(f) for f in sorted((shared_data / "chest-xray" / "test" / "PNEUMONIA").glob("*"))[:117]]
    )
    assert same.value < fid(one, ill).value


@pytest.mark.slow
def test_no_patient_of_the_training_images_is_in_another_split(shared_data):
    images, rows = read_images(shared_data, 1, 0.12, 1, Progress())
    patients = {split: set(images[split].patients) for split in images}
    assert not patients["train"] & (patients["val"] | patients["test"]) and not patients["val"] & patients["test"]
    assert sum(int(row["images"]) for row in rows) == sum(map(len, images.values()))


@pytest.mark.parametrize("shape", [(3, 0, 8), (3, 8, 0), (3, 0, 8, 3)])
def test_images_without_pixels_are_refused(shape):
    with pytest.raises(MedSynthError, match="show nothing to compare"):
        fid(np.zeros(shape, np.float32), np.zeros((3, 8, 8), np.float32))
