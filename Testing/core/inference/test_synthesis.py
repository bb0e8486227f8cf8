"""Synthesis gives a volume on the grid of its input, with its unit and provenance, and nothing outside the body."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from builders import axial_matrix, phantom_ct, tiny_recipe, write_manifest

from medsynth_core import Cancelled, MedSynthError, Progress, load_model, read_volume, synthesize, train, write_volume
from medsynth_core.grid import Grid, resample_array
from medsynth_core.preparation import grid_memory as memory
from medsynth_core.preparation.body import body_mask


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    manifest = write_manifest(folder, ("train", "train", "val", "val", "val"))
    return load_model(train(tiny_recipe(epochs=2), manifest, folder / "run", device="cpu"))


@pytest.fixture(scope="module")
def axial(model):
    """The synthetic volume of the phantom as it was scanned."""
    return synthesize(phantom_ct(), model, device="cpu")


def rotated(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


def sheared() -> np.ndarray:
    matrix = axial_matrix()
    matrix[1, 2] = 0.5
    return matrix


def scanned(first: tuple[int, int, int], signs: tuple[int, int, int]):
    """Return the phantom with its voxel axes (i, j, k) in another order and direction, at the same place."""
    ct = phantom_ct()
    matrix = ct.ijk_to_ras.copy()
    matrix[:3, :3] = ct.ijk_to_ras[:3, list(first)] * signs
    size = np.array(ct.shape[::-1])
    matrix[:3, 3] += ct.ijk_to_ras[:3, list(first)] @ np.where(np.array(signs) < 0, size[list(first)] - 1, 0)
    k, j, i = (int(n) for n in size[list(first)][::-1])
    return ct.replace(voxels=resample_array(ct.voxels, Grid.of(ct), Grid((k, j, i), matrix)), ijk_to_ras=matrix)


@pytest.mark.parametrize(
    ("first", "signs"),
    [((0, 1, 2), (1, 1, 1)), ((1, 2, 0), (1, -1, 1)), ((0, 2, 1), (1, -1, -1)), ((0, 1, 2), (-1, 1, 1))],
    ids=["axial", "sagittal", "coronal", "left-handed"],
)
def test_the_same_patient_gives_the_same_values_in_every_order_of_voxels(model, axial, first, signs):
    ct = scanned(first, signs)
    result = synthesize(ct, model, device="cpu")
    assert np.array_equal(result.ijk_to_ras, ct.ijk_to_ras) and result.shape == ct.shape
    back = resample_array(result.voxels, Grid.of(ct), Grid.of(axial))
    assert np.allclose(back, axial.voxels, atol=1e-4) and back.max() > 0.1


@pytest.mark.parametrize(
    ("shape", "matrix"),
    [
        ((6, 40, 44), rotated(23) @ axial_matrix()),
        ((6, 40, 44), rotated(0.3) @ axial_matrix()),
        ((3, 60, 30), axial_matrix((0.61234567, 1.7, 7.3))),
        ((1, 40, 44), axial_matrix()),
        ((12, 40, 1), axial_matrix()),
        ((12, 1, 44), axial_matrix()),
        ((6, 40, 44), sheared()),
        ((6, 40, 44), axial_matrix() @ np.diag([-1, 1, 1, 1])),
    ],
    ids=[
        "oblique",
        "nearly-axial",
        "anisotropic",
        "one-axial",
        "one-sagittal",
        "one-coronal",
        "sheared",
        "mirrored",
    ],
)
def test_the_result_lies_on_the_grid_of_the_input_bit_by_bit(model, shape, matrix):
    ct = phantom_ct((max(shape), 40, 44) if 1 in shape[1:] else shape, matrix)
    middle = [slice(None) if n > 1 else slice(20, 21) for n in shape]
    ct = ct.replace(voxels=ct.voxels[(slice(0, shape[0]), *middle[1:])])
    before = ct.voxels.copy()
    result = synthesize(ct, model, device="cpu")
    assert np.array_equal(result.ijk_to_ras, matrix) and result.shape == ct.shape
    assert result.voxels.dtype == np.float32 and (result.modality, result.unit) == ("PT", "SUVbw")
    assert np.isfinite(result.voxels).all() and result.voxels.min() >= 0 and result.voxels.max() > 0.1
    assert np.array_equal(ct.voxels, before)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_result_in_the_format_of_its_input_has_the_geometry_that_itk_reads(model, tmp_path, suffix):
    ct = phantom_ct((6, 40, 44), rotated(23) @ axial_matrix((0.7123, 1.1, 3.3)))
    image = ct.to_sitk()
    image.SetSpacing([length * (1 + 1e-9) for length in image.GetSpacing()])  # as another program states it
    sitk.WriteImage(image, str(tmp_path / f"ct{suffix}"))
    result = synthesize(read_volume(tmp_path / f"ct{suffix}", "CT", "HU"), model, device="cpu")
    write_volume(result, tmp_path / f"pet{suffix}")
    before, after = (sitk.ReadImage(str(tmp_path / f"{name}{suffix}")) for name in ("ct", "pet"))
    assert (before.GetSpacing(), before.GetOrigin()) == (after.GetSpacing(), after.GetOrigin())
    assert before.GetDirection() == after.GetDirection()


def test_outside_the_body_there_is_nothing(axial):
    from scipy.ndimage import binary_dilation

    # The body is found on the grid of the model: 2 mm, where the phantom has 1 mm.
    around = binary_dilation(body_mask(phantom_ct().voxels), np.ones((1, 3, 3)), iterations=3)
    assert (axial.voxels[~around] == 0).all() and (~around).mean() > 0.2


def test_uncertainty_is_the_cards_curve_at_the_synthetic_value(model):
    ct = phantom_ct(matrix=axial_matrix((2.0, 2.0, 3.0)))
    result = synthesize(ct, model, device="cpu", uncertainty=True)
    spread = result.uncertainty
    assert spread.same_grid(ct) and spread.unit == "SUVbw" and spread.voxels.min() >= 0
    # On the grid of the model nothing is interpolated.
    body = spread.voxels > 0
    curve = np.array(model.card.error_curve)
    hottest, error = curve[-1]
    values = result.voxels[body]
    # Hotter than all that was validated, the error grows with the value.
    expected = np.where(values > hottest, error * values / hottest, np.interp(values, *curve.T))
    assert np.allclose(spread.voxels[body], expected, atol=1e-5) and body.any()
    assert (spread.voxels[result.voxels.shape[0] // 2, 0] == 0).all()


def test_an_uncertainty_of_the_input_is_not_passed_on(model):
    ct = phantom_ct().replace(uncertainty=phantom_ct())
    assert synthesize(ct, model, device="cpu").uncertainty is None


def test_provenance_says_what_made_it_and_can_be_written_as_json(model):
    ct = phantom_ct().replace(metadata={"series": "1.2.3"}, modality="", unit="")
    told = json.loads(json.dumps(synthesize(ct, model, device="cpu", batch_size=2).metadata))
    assert told["synthetic"] is True and "not for diagnosis" in told["description"]
    assert told["model"] == "tiny" and told["weights_sha256"] == model.card.weights.sha256
    assert told["limits"] == ["It knows phantoms only."]
    assert (told["input_modality"], told["input_unit"]) == ("CT", "HU")
    assert told["source"] == {"series": "1.2.3"} and told["device"] == "cpu" and told["batch_size"] == 2


def test_an_assumed_unit_is_reported(model):
    said: list[str] = []
    silent = phantom_ct().replace(unit="")
    told = synthesize(silent, model, device="cpu", progress=Progress(log=said.append)).metadata
    sentence = "states no unit, so its values are assumed to be HU of a CT"
    assert told["input_unit"] == "HU" and told["input_unit_stated"] is False
    assert sentence in told["log"][0] and sentence in said[0] and told["log"][0].endswith("the result is not valid.")


def test_a_stated_unit_causes_no_message(model, axial):
    assert axial.metadata["input_unit_stated"] is True and axial.metadata["log"] == []


def test_a_grid_of_the_model_that_does_not_fit_into_the_memory_is_refused(model, monkeypatch):
    coarse = phantom_ct((12, 40, 44), axial_matrix((20.0, 20.0, 30.0)))
    # Enough for the volume and its result, and not for 100 times as many voxels on the grid of the model.
    monkeypatch.setattr(memory, "available_memory", lambda: 1000 * coarse.voxels.size)
    with pytest.raises(MedSynthError, match=r"44 × 40 × 12 voxels \(44. × 40. × 12. on the model's grid\)") as no:
        synthesize(coarse, model, device="cpu")
    assert no.value.kind == "device" and "\n" not in no.value.message


def test_progress_rises_to_one(model):
    reports = []
    synthesize(phantom_ct(), model, device="cpu", batch_size=1, progress=lambda *report: reports.append(report))
    fractions = [fraction for fraction, _ in reports]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    assert len(reports) > 6 and all(message for _, message in reports)


def test_cancelling_ends_it_between_two_batches(model):
    def stop(fraction: float, message: str) -> None:
        if message.startswith("Slice 3"):
            raise Cancelled

    with pytest.raises(Cancelled):
        synthesize(phantom_ct(), model, device="cpu", batch_size=1, progress=stop)


def test_a_model_is_found_by_its_folder(model, axial):
    assert np.array_equal(synthesize(phantom_ct(), model.path, device="cpu").voxels, axial.voxels)


def test_the_real_mr_of_the_sample_case_is_refused(model, sample_case):
    mr = read_volume(sample_case / "mr_t1.nii.gz")
    with pytest.raises(MedSynthError, match="not Hounsfield units"):
        synthesize(mr, model, device="cpu")
    with pytest.raises(MedSynthError, match="is MR, but this model takes CT"):
        synthesize(mr.replace(modality="MR"), model, device="cpu")


def test_the_real_ct_of_the_sample_case_is_not_refused(model, sample_case):
    ct = read_volume(sample_case / "ct.nii.gz")
    few = ct.replace(voxels=ct.voxels[:3])
    assert np.array_equal(synthesize(few, model, device="cpu").ijk_to_ras, ct.ijk_to_ras)
