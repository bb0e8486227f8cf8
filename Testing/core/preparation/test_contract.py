"""Volumes that do not match a model are refused; others are prepared, and results return to the input grid."""

import numpy as np
import pytest
from builders import axial_matrix, phantom_ct, phantom_pet, tiny_recipe
from scipy.ndimage import gaussian_filter

from medsynth_core import MedSynthError, Volume
from medsynth_core.preparation.body import body_mask
from medsynth_core.preparation.case import prepare, prepare_target
from medsynth_core.preparation.value_checks import unusable_ct

CONTRACT = tiny_recipe().contract


def with_voxel(value: float) -> np.ndarray:
    voxels = phantom_ct().voxels.astype(np.float32)
    voxels[2, 3, 4] = value
    return voxels


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (phantom_ct().replace(modality="MR", unit=""), "is MR, but this model takes CT"),
        (phantom_ct().replace(unit="SUVbw"), "is in SUVbw, but this model takes HU"),
        (phantom_ct().replace(voxels=with_voxel(np.nan)), "1 voxel of the volume is not finite"),
        (phantom_ct().replace(voxels=with_voxel(np.inf)), "is not finite"),
        (Volume(np.zeros((1, 1, 1)), axial_matrix()), "has 1 voxel "),
        (Volume(np.zeros((0, 4, 4)), axial_matrix()), "has 0 voxels"),
        (phantom_ct().replace(voxels=phantom_ct().voxels.astype(int) + 1024, modality="", unit=""), "rescale"),
        (Volume(np.abs(with_voxel(0)) + 5, axial_matrix()), "not Hounsfield units"),
        (Volume(np.full((3, 9, 9), -1000.0), axial_matrix()), "do not look like Hounsfield units"),
    ],
)
def test_a_volume_that_does_not_fit_is_refused_in_one_sentence(volume, words):
    with pytest.raises(MedSynthError, match=words) as caught:
        CONTRACT.check(volume)
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message


def hounsfield(**changes: object) -> np.ndarray:
    """Return a phantom CT, 18 % of it body, with ``padding`` outside a circle, or cut below ``lowest``."""
    hu = phantom_ct(shape=(6, 80, 88)).voxels.astype(np.int32)
    j, i = np.meshgrid(np.linspace(-1, 1, 80), np.linspace(-1, 1, 88), indexing="ij")
    hu = np.maximum(hu, changes.get("lowest", -9999)) + changes.get("offset", 0)
    hu[:, i**2 + j**2 > 1] = changes.get("padding", hu.min())
    return hu


def picture() -> np.ndarray:
    return np.clip((hounsfield() + 160) * 255 / 400, 0, 255).astype(np.uint8)


def overshooting_mr() -> np.ndarray:
    mr = np.clip(hounsfield() + 200, 0, None)
    mr[3, 40, 40] = -136
    return mr


@pytest.mark.parametrize(
    "voxels",
    [
        hounsfield(offset=1024, padding=0),
        hounsfield(offset=1024, padding=-2000),
        hounsfield(offset=-1024),
        picture(),
        picture().astype(np.int16) - 128,
        hounsfield(lowest=-200, padding=-200),
        hounsfield(lowest=-160, padding=-160),
        phantom_ct().voxels > 300,
        (phantom_ct().voxels > 300).astype(np.uint8),
        overshooting_mr(),
        np.random.default_rng(0).integers(-4096, 4096, (4, 30, 30)),
    ],
    ids=[
        "offset",
        "padded-offset",
        "offset-twice",
        "picture",
        "signed-picture",
        "window-200",
        "window-160",
        "mask",
        "label",
        "mr-below-0",
        "phase",
    ],
)
def test_values_that_are_not_hounsfield_units_are_refused_even_if_labelled_hu(voxels):
    with pytest.raises(MedSynthError) as caught:
        CONTRACT.check(Volume(voxels, axial_matrix(), "CT", "HU"))
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message


def with_metal() -> np.ndarray:
    hu = hounsfield(padding=-1000)
    hu[:, 35:40, 35:40] = 30000
    return hu


def lung() -> np.ndarray:
    hu = np.random.default_rng(0).normal(-850, 40, (6, 40, 40))
    hu[:, ::10, ::10] = 30
    return hu


def dry_bone() -> np.ndarray:
    hu = np.random.default_rng(0).normal(-1000, 10, (6, 40, 40))
    hu[:, 10:30, 10:30] = np.random.default_rng(0).normal(500, 500, (6, 20, 20))
    return gaussian_filter(hu, 0.5)


def mouse() -> np.ndarray:
    hu = np.random.default_rng(0).normal(-1000, 20, (6, 100, 100))
    hu[:, 40:52, 40:52] = np.random.default_rng(0).normal(20, 60, (6, 12, 12))
    return hu


@pytest.mark.parametrize(
    "voxels",
    [
        hounsfield(padding=-3024),
        hounsfield(padding=-2000),
        hounsfield(padding=-1024).astype(np.float64),
        hounsfield()[:, 20:60, 18:70],
        with_metal(),
        lung(),
        dry_bone(),
        mouse(),
    ],
    ids=["padding-3024", "padding-2000", "float", "inside-the-body", "metal", "lung", "dry-bone", "mouse"],
)
def test_an_unusual_ct_is_still_a_ct(voxels):
    assert CONTRACT.misfits(Volume(voxels, axial_matrix())) == []


def test_a_real_mr_given_as_ct_is_refused(sample_case):
    from medsynth_core import read_volume

    mr = read_volume(sample_case / "mr_t1.nii.gz")
    assert "not Hounsfield units" in CONTRACT.misfits(mr)[0]
    assert CONTRACT.misfits(read_volume(sample_case / "ct.nii.gz")) == []


def test_the_body_mask_excludes_the_table_and_includes_air_inside():
    ct = phantom_ct()
    hu = ct.voxels.copy()
    hu[:, 37, :] = 200  # a table below the patient
    hu[2:4, 18:22, 12:16] = -950  # a lung
    body = body_mask(hu)
    assert not body[:, 37].any()
    assert body[2:4, 18:22, 12:16].all()
    assert not body[:, 0].any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_body_is_found_in_a_single_slice_of_any_direction(axis):
    hu = phantom_ct().voxels
    middle = hu.shape[axis] // 2
    body = body_mask(hu.take([middle], axis=axis))
    assert body.mean() == pytest.approx(body_mask(hu).take([middle], axis=axis).mean(), abs=0.1) and body.any()


def test_a_volume_of_air_has_no_body_and_is_still_prepared():
    air = Volume(np.full((3, 20, 20), -1000, np.int16), axial_matrix(), "CT", "HU")
    prepared = prepare(air, CONTRACT)
    assert not prepared.body.any() and (prepared.voxels == -1).all()


def test_preparation_works_on_the_contracts_grid_and_returns_to_the_input():
    ct = phantom_ct()
    prepared = prepare(ct, CONTRACT)
    assert np.allclose(prepared.grid.spacing, (2, 2, 3))
    assert prepared.voxels.dtype == np.float32 and prepared.voxels.shape == prepared.body.shape
    restored = prepared.restore(CONTRACT.input.intensity.inverse(prepared.voxels), fill=-1000)
    muscle = (ct.voxels > 20) & (ct.voxels < 90)
    assert restored.shape == ct.shape
    assert restored[muscle].mean() == pytest.approx(55, abs=25)


def test_the_target_is_on_the_grid_of_the_input():
    ct = phantom_ct()
    pet = Volume(np.full((4, 12, 12), 2.5), axial_matrix((4, 4, 5)), "PT", "SUVbw")
    prepared = prepare(ct, CONTRACT)
    target = prepare_target(pet, prepared, CONTRACT.output)
    assert target.shape == prepared.voxels.shape
    assert target[2, 8, 8] == pytest.approx(0.5)


def test_a_target_without_overlap_is_refused():
    ct = phantom_ct()
    elsewhere = axial_matrix()
    elsewhere[:3, 3] += 1000
    with pytest.raises(MedSynthError, match="does not overlap"):
        prepare_target(phantom_pet(ct).replace(ijk_to_ras=elsewhere), prepare(ct, CONTRACT), CONTRACT.output)


def test_doubts_of_reading_are_among_the_notes():
    facts = {"warnings": ["Slices may be missing."], "suv": {"warnings": ["It is doubtful."]}}
    notes = CONTRACT.notes(phantom_ct().replace(metadata=facts))
    assert {"Slices may be missing.", "It is doubtful."} <= set(notes)
    assert "It is doubtful." not in CONTRACT.notes(phantom_ct())


def head(clipped: bool) -> np.ndarray:
    """Return a head of skin, dense bone and brain in air (HU), as scanned or clipped at 1000."""
    z, y, x = np.mgrid[:80, :80, :80] - 39.5
    radius = np.sqrt(z**2 + y**2 + x**2)
    made = np.select([radius < 26, radius < 29, radius < 32], [35.0, 1500.0, -80.0], -1000.0)
    made += np.random.default_rng(0).normal(0, 15, made.shape)
    return np.clip(made, -1000, 1000) if clipped else made


@pytest.mark.parametrize("clipped", [False, True])
def test_dense_bone_is_no_reversed_sign(clipped):
    assert unusable_ct(head(clipped)) == []
    assert "sign seems to be reversed" in unusable_ct(-head(clipped))[0]


def test_a_phantom_with_an_insert_of_bone_is_a_ct():
    y, x = np.mgrid[:120, :120] - 59.5
    slab = np.where(y**2 + x**2 < 40**2, 0.0, -1000.0)
    slab[(y - 20) ** 2 + x**2 < 8**2] = 955
    found = np.stack([slab] * 10) + np.random.default_rng(0).normal(0, 5, (10, 120, 120))
    assert unusable_ct(found) == []
