"""Values that a unit does not allow are told, and those that cannot be computed with are refused."""

import numpy as np
import pytest
from builders import axial_matrix, phantom_body_pet, phantom_ct, tiny_recipe

from medsynth_core import MedSynthError, Volume
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.preparation.unit_limits import absurd_values, ct_padding, scan_doubts, unit_doubts
from medsynth_core.registration.register import register
from medsynth_core.simulation.dose import simulate_dose
from medsynth_core.simulation.settings import DoseSettings

CONTRACT = tiny_recipe().contract
MR_SIDE = {"modality": "MR", "unit": "1", "intensity": {"kind": "percentiles"}}
MR = SynthesisContract(inputs={"mr": MR_SIDE}, outputs={"mr": MR_SIDE})


def with_voxel(value: float, voxels: np.ndarray | None = None) -> np.ndarray:
    changed = (phantom_ct().voxels if voxels is None else voxels).astype(np.float64)
    changed[2, 3, 4] = value
    return changed


@pytest.mark.parametrize(
    ("value", "modality", "unit", "words"),
    [
        (-0.01, "PT", "SUVbw", "are below 0 (-0.01 at the extreme)"),
        (3000, "PT", "SUVbw", "are above 2000 (3000 at the extreme)"),
        (-5, "PT", "SUVlbm", "are below 0"),
        (-5, "PT", "Bq/mL", "are below 0"),
        (2e9, "PT", "Bq/mL", "are above 1e+09"),
        (2e6, "PT", "kBq/mL", "are above 1e+06"),
        (-1025, "CT", "HU", "are below -1024"),
        (40000, "CT", "HU", "are above 32767"),
        (-1, "MR", "T1 (fat = 1000)", "are below 0"),
        (-1, "MR", "1", "are below 0"),
    ],
)
def test_a_value_outside_the_limits_of_its_unit_is_told(value, modality, unit, words):
    voxels = np.full((3, 4, 5), 1.0)
    voxels[1, 2, 3] = value
    [doubt] = unit_doubts(voxels, modality, unit)
    assert doubt.startswith("1 of 60 voxels of the result ") and words in doubt


@pytest.mark.parametrize(
    ("low", "high", "modality", "unit"),
    [(0, 60, "PT", "SUVbw"), (-1024, 32767, "CT", "HU"), (0, 1e6, "MR", "1"), (0, 1e8, "PT", "Bq/mL"), (-9, 9, "", "")],
)
def test_values_within_are_not(low, high, modality, unit):
    assert unit_doubts(np.array([[[low, high]]], dtype=np.float32), modality, unit) == []


@pytest.mark.parametrize(
    ("value", "modality", "unit"),
    [(-1207, "CT", "HU"), (-0.04, "PT", "SUVbw"), (-30, "MR", "1"), (900, "MR", "1"), (1900, "PT", "Bq/mL")],
)
def test_the_noise_of_a_scan_and_interpolation_are_not_told(value, modality, unit):
    assert scan_doubts(with_voxel(value, np.ones((6, 7, 8))), modality, unit, "reference") == []


@pytest.mark.parametrize(
    ("value", "modality", "unit"),
    [(-1600, "CT", "HU"), (-0.06, "PT", "SUVbw"), (-3000, "MR", "1"), (1200, "MR", "1"), (1e6, "", "")],
)
def test_what_no_scan_has_is_told(value, modality, unit):
    [doubt] = scan_doubts(with_voxel(value, np.ones((60, 70, 8))), modality, unit, "reference")
    assert "of the reference" in doubt and "do not rely" in doubt


@pytest.mark.parametrize(
    ("value", "unit", "absurd"),
    [(2001, "SUVbw", True), (-2001, "SUVlbm", True), (1999, "SUVbw", False), (-5, "SUVbw", False)]
    + [(2e9, "Bq/mL", True), (5e8, "Bq/mL", False), (2e6, "kBq/mL", True), (1e9, "1", False)],
)
def test_values_beyond_all_patients_are_absurd(value, unit, absurd):
    assert bool(absurd_values(with_voxel(value, np.ones((6, 7, 8))), unit)) == absurd


def test_padding_is_a_common_lowest_value_and_what_was_mixed_with_it():
    assert ct_padding(np.linspace(-1200, 900, 6000).reshape(10, 20, 30)) is None
    hu = np.linspace(-1000, 900, 6000).reshape(10, 20, 30)
    hu[:, :3] = -2048
    hu[:, 3] = -1500
    padding = ct_padding(hu)
    assert padding is not None and padding[:, :4].all() and not padding[:, 4:].any()
    assert ct_padding(np.maximum(hu, -1024)) is None


@pytest.mark.parametrize("value", [-1e300, 1e300, 3.5e38, -3.5e38, np.inf, -np.inf, np.nan, -40000, 1e16])
def test_a_ct_with_an_absurd_voxel_is_refused(value):
    with pytest.raises(MedSynthError) as caught:
        CONTRACT.check(Volume(with_voxel(value), axial_matrix(), "CT", "HU"))
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message


@pytest.mark.parametrize("value", [-1e300, 3.5e38, 1e16])
def test_an_image_without_a_scale_is_refused_too(value):
    assert "beyond those of any scanner" in MR.misfits(Volume(with_voxel(value), axial_matrix(), "MR", "1"))[0]
    assert MR.misfits(Volume(with_voxel(1e6), axial_matrix(), "MR", "1")) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_such_voxels_are_neither_registered_nor_simulated(value):
    ct = phantom_ct()
    for pair in ((ct.replace(voxels=with_voxel(value)), ct), (ct, ct.replace(voxels=with_voxel(value)))):
        with pytest.raises(MedSynthError, match="image cannot be registered: "):
            register(*pair)
    pet = phantom_body_pet()
    with pytest.raises(MedSynthError, match="not finite|beyond those of any scanner"):
        simulate_dose(pet.replace(voxels=with_voxel(value, pet.voxels)), [4])


def test_a_simulation_that_keeps_negative_values_says_so():
    told: list[str] = []
    from medsynth_core import Progress

    settings = DoseSettings(method="image-space", counts=20000)
    low = simulate_dose(phantom_body_pet(), [20], settings=settings, progress=Progress(log=told.append)).low[20]
    assert low.voxels.min() < 0
    assert any("voxels of the PET at 1/20 of the dose are below 0" in line for line in told)
