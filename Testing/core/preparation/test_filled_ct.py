"""A CT whose air was replaced by a constant that looks like tissue is refused, or told if it is inside the volume."""

import numpy as np
import pytest
from builders import axial_matrix, phantom_ct, tiny_recipe
from scipy.ndimage import affine_transform, rotate, zoom

from medsynth_core import MedSynthError, Volume
from medsynth_core.datasets.image_checks import check_image
from medsynth_core.io.writing import write_volume
from medsynth_core.preparation.filled_ct import blanked_region, filled_surroundings
from medsynth_core.preparation.value_checks import not_hounsfield
from medsynth_core.simulation.checking import check_ct
from medsynth_core.systems.data_needs import Role

CONTRACT = tiny_recipe().contract
SHAPE = (8, 80, 88)
HU = phantom_ct(shape=SHAPE).voxels.astype(np.int16)
K, J, I = np.indices(SHAPE)  # noqa: E741
BODY = np.hypot((J - 39.5) / 28, (I - 43.5) / 35.2) < 1
OUTSIDE_CIRCLE = np.hypot((J - 39.5) / 40, (I - 43.5) / 44) > 1


def with_lung(hu: np.ndarray) -> np.ndarray:
    """Return the phantom with a lung and a scan's noise, of which padding knows nothing."""
    lung = np.hypot((J - 40) / 10, (I - 55) / 8) < 1
    return np.where(lung, -800 + np.random.default_rng(1).normal(0, 10, SHAPE), hu).astype(np.int16)


CT = with_lung(HU)


def turned(fill: float) -> np.ndarray:
    return rotate(CT.astype(np.float32), 15, axes=(1, 2), reshape=False, order=1, cval=fill)


def moved(slices: float, fill: float, mode: str = "constant") -> np.ndarray:
    """Return the phantom resampled along k; ``grid-constant`` mixes the filling into the last slice."""
    return affine_transform(CT.astype(np.float32), np.eye(3), (slices, 0, 0), order=1, cval=fill, mode=mode)


def box(fill: float) -> np.ndarray:
    hu = CT.copy()
    hu[1:, 12:30, 30:60] = fill
    return hu


FILLED = {
    "all-air": np.where(BODY, CT, 0),
    "float": np.where(BODY, CT, 0).astype(np.float64),
    "outside-the-circle": np.where(OUTSIDE_CIRCLE, 0, CT),
    "drawn": np.where(BODY, np.where(CT > 300, 700, np.where(CT > 0, 50, np.where(CT > -400, -90, -800))), 0),
    "turned": turned(0),
    "end-slices": np.where(K < 2, 0, CT),
    "fat": np.where(BODY, CT, -100),
    "lung": np.where(OUTSIDE_CIRCLE, -500, CT),
    "muscle": np.where(BODY, CT, 40),
    "highest": np.where(BODY, CT, 3071),
    "last-slice": np.where(K == 7, 0, CT),
    "both-end-slices": np.where((K == 0) | (K == 7), 40, CT),
    "first-row": np.where(J == 0, 0, CT),
    "column-of-one-slice": np.where(I == 87, 0, CT)[3:4],
    "rim": np.where((J == 0) | (J == 79) | (I == 0) | (I == 87), 0, CT),
    "every-other-slice": np.where(K % 2 == 1, 0, CT),
    "half-a-slice-beyond": moved(0.5, 0),
    "one-slice": np.where(BODY, CT, 0)[3:4],
    "sagittal": np.where(BODY, CT, 0).transpose(2, 0, 1),
}


@pytest.mark.parametrize("name", list(FILLED))
def test_a_ct_surrounded_by_a_constant_of_tissue_is_refused(name):
    volume = Volume(FILLED[name], axial_matrix(), "CT", "HU")
    with pytest.raises(MedSynthError) as caught:
        CONTRACT.check(volume)
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message
    if not not_hounsfield(volume.voxels):
        assert "surroundings of the patient have exactly the value" in caught.value.message


@pytest.mark.parametrize(
    "hu",
    [
        CT,
        *(np.where(OUTSIDE_CIRCLE, fill, CT) for fill in (-1000, -1024, -2000, -3024, -32768)),
        np.where(BODY, CT, -1000),
        np.maximum(CT, -1000),
        turned(-1000),
        CT[:, 20:60, 20:66],
        np.where(CT > 300, 3071, CT),
        np.where(CT > 300, 700, np.where(CT > 0, 50, np.where(CT > -400, -90, -1000))),
    ],
    ids=["scan", "-1000", "-1024", "-2000", "-3024", "-32768", "masked", "clipped", "turned", "body", "metal", "drawn"],
)
def test_a_ct_that_is_padded_with_air_or_less_is_used_without_a_word(hu):
    volume = Volume(hu, axial_matrix(), "CT", "HU")
    assert CONTRACT.misfits(volume) == [] and CONTRACT.notes(volume) == []


RANDOM = np.random.default_rng(2)
AIR = CT < -900
LEVELS = {
    "around-0": np.where(AIR, RANDOM.integers(-2, 3, SHAPE), CT),
    "around-0-float": np.where(AIR, RANDOM.normal(0, 0.01, SHAPE), CT),
    "around-40": np.where(AIR, RANDOM.normal(40, 1, SHAPE), CT),
    "around-fat": np.where(AIR, -200 + RANDOM.integers(-2, 3, SHAPE), CT),
    "moved-by-1000": np.where(AIR, np.maximum(CT, -1000) + 1000, CT),
    "moved-by-1024": np.where(AIR, np.maximum(CT, -1000) + 1024, CT),
    "moved-with-all-its-noise": np.where(AIR, CT + 1000, CT),
    "sagittal": np.where(AIR, RANDOM.integers(-2, 3, SHAPE), CT).transpose(2, 0, 1),
}


@pytest.mark.parametrize("name", list(LEVELS))
def test_a_ct_whose_air_has_the_values_of_tissue_is_refused_without_a_constant(name):
    [reason] = CONTRACT.misfits(Volume(LEVELS[name], axial_matrix(), "CT", "HU"))
    assert "surroundings of the patient have values around" in reason and "no air" in reason


@pytest.mark.parametrize(("slices", "level"), [(0.5, -500), (0.7, -300), (-0.6, -400)])
def test_a_filling_that_resampling_mixed_into_the_last_slice_is_refused(slices, level):
    [reason] = filled_surroundings(moved(slices, 0, "grid-constant"))
    assert "outermost plane" in reason and int(reason.split(" HU")[0].split()[-1]) == pytest.approx(level, abs=15)
    assert filled_surroundings(moved(slices, -1000, "grid-constant")) == []


CROP = CT[:, 24:56, 26:62]


@pytest.mark.parametrize(
    "hu",
    [
        CROP,
        CROP // 8 * 8,
        zoom(CROP.astype(np.float32), 2, order=1, mode="nearest"),
        CT[:, 24:56, 26:62].transpose(1, 2, 0),
        np.where(J == 79, -350 + RANDOM.normal(0, 60, SHAPE), CT),
    ],
    ids=["scan", "8-bit", "zoomed", "sagittal", "table"],
)
def test_a_crop_within_the_patient_and_a_table_are_no_filling(hu):
    assert filled_surroundings(hu) == []


WRONG_SCALE = {"halved": lambda hu: hu / 2, "moved by 500": lambda hu: hu + 500, "sign reversed": lambda hu: -hu}


@pytest.mark.parametrize("change", WRONG_SCALE)
def test_a_ct_whose_values_are_scaled_moved_or_reversed_is_refused(change):
    """A body that fills the frame leaves enough soft tissue around 0 for every wrong scale."""
    found = CT.astype(np.float32)[..., 10:78]
    assert not not_hounsfield(found)
    assert "not Hounsfield units" in not_hounsfield(WRONG_SCALE[change](found))[0]


@pytest.mark.parametrize("offset", [1000, 1024])
@pytest.mark.parametrize("padding", [0, -1000, -1024, -976, -2000])
def test_a_ct_without_its_intercept_is_refused_whatever_its_padding(offset, padding):
    stored = np.where(OUTSIDE_CIRCLE, padding, CT + offset)
    assert CONTRACT.misfits(Volume(stored, axial_matrix(), "CT", "HU"))


@pytest.mark.parametrize("fill", [0, 40, -200])
def test_a_region_that_was_overwritten_is_told(fill):
    volume = Volume(box(fill), axial_matrix(), "CT", "HU")
    assert CONTRACT.misfits(volume) == []
    [note] = CONTRACT.notes(volume)
    assert f"exactly the value {fill} HU" in note and note.endswith(".")


def test_a_region_overwritten_with_air_is_not():
    assert blanked_region(box(-1000)) == [] and filled_surroundings(box(-1000)) == []


def test_the_check_of_training_data_says_the_same(tmp_path):
    role = Role("ct", "CT", "HU")
    zero, masked = (
        write_volume(Volume(hu.astype(np.int16), axial_matrix()), tmp_path / f"{name}.nii.gz")
        for name, hu in (("zero", FILLED["all-air"]), ("masked", box(0)))
    )
    assert "surroundings of the patient" in check_image(zero, role).refused[0]
    assert "as if it had been overwritten" in check_image(masked, role).doubtful[0]


def test_attenuation_is_not_computed_from_such_a_ct():
    with pytest.raises(MedSynthError, match="surroundings of the patient"):
        check_ct(Volume(FILLED["all-air"], axial_matrix(), "CT", "HU"))
