"""PET with voxels finer than the model's is averaged, and the result lies on exactly its grid, with its activity."""

import numpy as np
import pytest
from builders import phantom_body_pet
from scipy.ndimage import zoom

from medsynth_core import Volume, load_model, read_volume, synthesize, write_volume
from medsynth_core.inference.activity import ACTIVITY_TOLERANCE
from medsynth_core.inference.synthesis_files import SynthesisFiles, synthesize_files
from medsynth_core.preparation.averaging import Averaging, averaging_of

SIZE = (4.0, 4.0, 3.0)
FINE = (3.39, 3.39, 2.03)


def on(spacing: tuple[float, float, float]) -> Volume:
    """Return the phantom, with noise, in voxels of this size on a tilted grid."""
    pet = phantom_body_pet()
    factors = np.array(SIZE[::-1]) / spacing[::-1]
    voxels = np.maximum(zoom(pet.voxels, factors, order=1, grid_mode=True, mode="nearest"), 0)
    voxels *= np.random.default_rng(0).gamma(9, 1 / 9, voxels.shape)
    angle = np.radians(3.7)
    matrix = np.eye(4)
    matrix[:2, :2] = np.array([[-np.cos(angle), np.sin(angle)], [-np.sin(angle), -np.cos(angle)]])
    matrix[:3, :3] *= spacing
    matrix[:3, 3] = (101.3, 77.7, -812.9)
    return Volume(voxels.astype(np.float32), matrix, "PT", "SUVbw")


@pytest.fixture(scope="module")
def model():
    return load_model("low-dose-pet")


@pytest.fixture(scope="module")
def made(model):
    pet = on(FINE)
    return pet, synthesize(pet, model, device="cpu", uncertainty=True)


def test_the_result_lies_on_the_grid_of_the_input(made):
    pet, result = made
    for volume in (result, result.uncertainty):
        assert volume.shape == pet.shape and np.array_equal(volume.ijk_to_ras, pet.ijk_to_ras)
        assert volume.voxels.dtype == np.float32 and np.isfinite(volume.voxels).all() and volume.voxels.min() >= 0


def test_the_activity_in_the_body_is_kept(made):
    pet, result = made
    assert result.metadata["activity_ratio"] == pytest.approx(1, abs=ACTIVITY_TOLERANCE)
    before, after = (volume.voxels.sum(dtype=float) for volume in (pet, result))
    assert after / before == pytest.approx(result.metadata["activity_ratio"], abs=1e-3)


def test_the_step_is_declared_in_log_provenance_and_description(made):
    _, result = made
    facts = result.metadata
    assert sum("averaged to 3.39 × 3.39 × 4.06 mm" in line for line in facts["log"]) == 1
    assert facts["averaged_voxels"] == [1, 1, 2]
    assert facts["input_spacing"] == pytest.approx(FINE) and facts["averaged_spacing"] == pytest.approx(
        (3.39, 3.39, 4.06)
    )
    assert facts["description"].endswith("not for diagnosis, at 3.39 x 3.39 x 4.06 mm")
    assert len(facts["description"]) < 80  # what a NIfTI file holds


def test_the_network_gets_the_averaged_image(made, model):
    pet, result = made
    averaging = averaging_of(pet, model.synthesis.contract)
    coarse = synthesize(averaging.apply(pet), model, device="cpu")
    assert "averaged_voxels" not in coarse.metadata
    assert np.array_equal(averaging.restore(coarse.voxels), result.voxels)
    assert result.metadata["dose_probabilities"] == coarse.metadata["dose_probabilities"]


def test_voxels_that_the_model_accepts_are_not_touched(model, monkeypatch):
    pet = on(SIZE)
    told = synthesize(pet, model, device="cpu")
    assert not any("averaged" in line for line in told.metadata["log"])
    assert told.metadata["description"].endswith("not for diagnosis") and "averaged_voxels" not in told.metadata

    def fail(*_):
        raise AssertionError("averaged")

    monkeypatch.setattr(Averaging, "apply", fail)
    monkeypatch.setattr(Averaging, "restore", fail)
    assert np.array_equal(synthesize(pet, model, device="cpu").voxels, told.voxels)


def test_from_file_to_file_the_header_states_it(model, tmp_path):
    write_volume(on(FINE), tmp_path / "pet.nii.gz")
    synthesize_files(
        SynthesisFiles(tmp_path / "pet.nii.gz", tmp_path / "out.nii.gz", unit="SUVbw"), model, device="cpu"
    )
    result = read_volume(tmp_path / "out.nii.gz")
    assert result.metadata["averaged_voxels"] == [1, 1, 2] and result.metadata["synthetic"] is True
    assert np.array_equal(result.ijk_to_ras, read_volume(tmp_path / "pet.nii.gz").ijk_to_ras)
