"""A 3-D network receives the in-plane box around the patient, of at least the size used in training."""

import numpy as np
import pytest
from builders import axial_matrix

from medsynth_core import Volume
from medsynth_core.preparation.case import prepare
from medsynth_core.preparation.contract import SynthesisContract

LINEAR = {"kind": "linear", "divisor": 5.0}
# Nothing (0 SUV) is -1 for the network.
CURVE = {"kind": "curve", "points": [[0, -1], [20, 1]]}


def contract(intensity, plane: int) -> SynthesisContract:
    side = {"modality": "PT", "unit": "SUVbw", "intensity": intensity}
    return SynthesisContract(input=side, output=side, slab={"slices": 4, "overlap": 2, "plane": plane}, body_margin=4.0)


def patient(rows: int, columns: int, place: tuple[slice, slice]) -> Volume:
    voxels = np.zeros((6, rows, columns), dtype=np.float32)
    voxels[:, place[0], place[1]] = 2.0
    return Volume(voxels, axial_matrix((4.0, 4.0, 4.0)), "PT", "SUVbw")


@pytest.mark.parametrize("intensity", [LINEAR, CURVE], ids=["nothing is 0", "nothing is -1"])
def test_voxels_outside_the_field_of_view_are_empty(intensity):
    pet = patient(20, 24, (slice(0, 20), slice(6, 18)))
    wanted = contract(intensity, plane=40)
    prepared = prepare(pet, wanted)
    given = prepared.narrowed(wanted)
    assert given.voxels.shape == (6, 40, 40) and given.body.shape == (6, 40, 40)
    nothing = wanted.input.empty
    assert (given.voxels[~given.body] == nothing).all() and (given.voxels != nothing).sum() == (pet.voxels > 0).sum()
    back = given.restore(wanted.output.intensity.inverse(given.voxels))
    assert np.allclose(back, pet.voxels, atol=1e-5)


def test_air_around_the_patient_is_cropped_down_to_the_plane_size():
    pet = patient(60, 50, (slice(20, 40), slice(4, 12)))
    given = prepare(pet, contract(LINEAR, plane=0)).narrowed(contract(LINEAR, plane=0))
    rows, columns = given.voxels.shape[1:]
    assert 20 < rows < 40 and 8 < columns < 28
    wider = prepare(pet, contract(LINEAR, plane=32)).narrowed(contract(LINEAR, plane=32))
    assert wider.voxels.shape[1:] == (max(rows, 32), 32)
    assert np.array_equal(wider.restore(5 * wider.voxels), pet.voxels)


def test_volumes_for_2_d_networks_and_other_modalities_are_not_cropped():
    side = {"modality": "PT", "unit": "SUVbw", "intensity": LINEAR}
    slices = SynthesisContract(input=side, output=side)
    prepared = prepare(patient(60, 50, (slice(20, 40), slice(4, 12))), slices)
    assert prepared.narrowed(slices) is prepared
