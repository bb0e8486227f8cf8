"""What does not fit a model is refused with a sentence; what fits is prepared and comes back to its grid."""

import numpy as np
import pytest
from builders import axial_matrix, phantom_ct, tiny_recipe

from medsynth_core import MedSynthError, Volume
from medsynth_core.preparation.body import body_mask
from medsynth_core.preparation.case import prepare, prepare_target

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
        (phantom_ct().replace(voxels=with_voxel(np.nan)), "1 voxel of the volume is not a finite"),
        (phantom_ct().replace(voxels=with_voxel(np.inf)), "not a finite"),
        (Volume(np.zeros((1, 1, 1)), axial_matrix()), "has 1 voxel "),
        (Volume(np.zeros((0, 4, 4)), axial_matrix()), "has 0 voxels"),
        (phantom_ct().replace(voxels=phantom_ct().voxels.astype(int) + 1024, modality="", unit=""), "rescale"),
        (Volume(np.abs(with_voxel(0)) + 5, axial_matrix()), "not Hounsfield units"),
        (Volume(np.full((3, 9, 9), -1000.0), axial_matrix()), "do not look like Hounsfield units"),
        (Volume(np.ones((3, 9, 9), complex), axial_matrix()), "complex"),
    ],
)
def test_a_volume_that_does_not_fit_is_refused_in_one_sentence(volume, words):
    with pytest.raises(MedSynthError, match=words) as caught:
        CONTRACT.check(volume)
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message


def test_a_real_mr_given_as_ct_is_refused(sample_case):
    from medsynth_core import read_volume

    mr = read_volume(sample_case / "mr_t1.nii.gz")
    assert "not Hounsfield units" in CONTRACT.misfits(mr)[0]
    assert CONTRACT.misfits(read_volume(sample_case / "ct.nii.gz")) == []


def test_the_body_is_found_without_the_table_and_with_the_air_inside():
    ct = phantom_ct()
    hu = ct.voxels.copy()
    hu[:, 37, :] = 200  # a table below the patient
    hu[2:4, 18:22, 12:16] = -950  # a lung
    body = body_mask(hu)
    assert not body[:, 37].any()
    assert body[2:4, 18:22, 12:16].all()
    assert not body[:, 0].any()


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


def test_target_lies_on_the_input():
    ct = phantom_ct()
    pet = Volume(np.full((4, 12, 12), 2.5), axial_matrix((4, 4, 5)), "PT", "SUVbw")
    prepared = prepare(ct, CONTRACT)
    target = prepare_target(pet, prepared, CONTRACT)
    assert target.shape == prepared.voxels.shape
    assert target[2, 8, 8] == pytest.approx(0.5)
