"""A 3-D network is given the part of a PET's plane with the patient, with nothing around, and no less than it knows."""

import numpy as np
import pytest
from builders import axial_matrix

from medsynth_core import Volume
from medsynth_core.preparation.case import prepare
from medsynth_core.preparation.contract import Contract

LINEAR = {"kind": "linear", "divisor": 5.0}
# Nothing (0 SUV) is -1 for the network.
CURVE = {"kind": "curve", "points": [[0, -1], [20, 1]]}


def contract(intensity, plane: int) -> Contract:
    side = {"modality": "PT", "unit": "SUVbw", "intensity": intensity}
    return Contract(input=side, output=side, slab={"slices": 4, "overlap": 2, "plane": plane}, body_margin=4.0)


def patient(rows: int, columns: int, place: tuple[slice, slice]) -> Volume:
    voxels = np.zeros((6, rows, columns), dtype=np.float32)
    voxels[:, place[0], place[1]] = 2.0
    return Volume(voxels, axial_matrix((4.0, 4.0, 4.0)), "PT", "SUVbw")


@pytest.mark.parametrize("intensity", [LINEAR, CURVE], ids=["nothing is 0", "nothing is -1"])
def test_beyond_the_field_there_is_nothing(intensity):
    pet = patient(20, 24, (slice(0, 20), slice(6, 18)))
    wanted = contract(intensity, plane=40)
    prepared = prepare(pet, wanted)
    given = prepared.narrowed(wanted)
    assert given.voxels.shape == (6, 40, 40) and given.body.shape == (6, 40, 40)
    nothing = wanted.empty[0]
    assert (given.voxels[~given.body] == nothing).all() and (given.voxels != nothing).sum() == (pet.voxels > 0).sum()
    back = given.restore(wanted.output.intensity.inverse(given.voxels))
    assert np.allclose(back, pet.voxels, atol=1e-5)


def test_air_around_the_patient_is_left_out_to_the_size_of_the_plane():
    pet = patient(60, 50, (slice(20, 40), slice(4, 12)))
    given = prepare(pet, contract(LINEAR, plane=0)).narrowed(contract(LINEAR, plane=0))
    rows, columns = given.voxels.shape[1:]
    assert 20 < rows < 40 and 8 < columns < 28
    wider = prepare(pet, contract(LINEAR, plane=32)).narrowed(contract(LINEAR, plane=32))
    assert wider.voxels.shape[1:] == (max(rows, 32), 32)
    assert np.array_equal(wider.restore(5 * wider.voxels), pet.voxels)


def test_volumes_for_2_d_networks_and_other_modalities_stay_as_they_are():
    side = {"modality": "PT", "unit": "SUVbw", "intensity": LINEAR}
    slices = Contract(input=side, output=side)
    prepared = prepare(patient(60, 50, (slice(20, 40), slice(4, 12))), slices)
    assert prepared.narrowed(slices) is prepared
