"""A simulated low-dose PET keeps the grid and unit of the input and states its provenance."""

import json

import numpy as np
import pytest
from dose_phantoms import asymmetric_slice, matrix, uniform_pet, water
from scipy.spatial.transform import Rotation

from medsynth_core import Cancelled, MedSynthError, Volume, simulate_dose
from medsynth_core.grid import Grid, resample_array
from medsynth_core.progress import Progress
from medsynth_core.simulation.settings import DoseSettings

FBP = DoseSettings(reconstruction="fbp")


@pytest.fixture(scope="module")
def pet() -> Volume:
    """An axial PET in which no direction looks like another."""
    voxels = np.stack([asymmetric_slice(40) * weight for weight in (0.5, 1, 0, 2, 1.5)])
    return Volume(voxels, matrix(5.0), "PT", "SUVbw", {"series": "of tests"})


def reordered(volume: Volume, axes: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Volume:
    """Return the same patient with other voxel axes (i, j, k)."""
    grid = Grid.of(volume)
    ijk_to_ras = np.eye(4)
    ijk_to_ras[:3, :3] = grid.ijk_to_ras[:3, axes] * np.where(flips, -1, 1)
    ijk_to_ras[:3, 3] = grid.ijk_to_ras[:3, 3] + grid.ijk_to_ras[:3, axes] @ np.where(
        flips, grid.size[list(axes)] - 1, 0
    )
    other = Grid(tuple(int(n) for n in grid.size[list(axes)][::-1]), ijk_to_ras)
    return volume.replace(voxels=resample_array(volume.voxels, grid, other), ijk_to_ras=ijk_to_ras)


def oblique(volume: Volume) -> Volume:
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xyz", [17, -11, 23], degrees=True).as_matrix()
    return volume.replace(ijk_to_ras=turn @ volume.ijk_to_ras)


@pytest.mark.parametrize("method", ["projection", "image-space"])
@pytest.mark.parametrize(
    ("axes", "flips"),
    [((0, 1, 2), (True, False, False)), ((1, 2, 0), (False, True, True)), ((0, 2, 1), (True, True, False))],
)
def test_the_order_of_the_axes_changes_nothing(pet, method, axes, flips):
    settings = DoseSettings(method=method)
    other = reordered(pet, axes, flips)
    axial, turned = (simulate_dose(volume, [10], settings=settings).low[10] for volume in (pet, other))
    assert np.array_equal(turned.ijk_to_ras, other.ijk_to_ras)
    assert turned.shape == other.shape
    assert np.array_equal(turned.voxels, reordered(axial, axes, flips).voxels)


def test_an_oblique_grid_is_kept_bit_by_bit(pet):
    tilted = oblique(pet)
    simulation = simulate_dose(tilted, [4], settings=FBP)
    straight = simulate_dose(pet, [4], settings=FBP)
    for found, known in ((simulation.full, straight.full), (simulation.low[4], straight.low[4])):
        assert np.array_equal(found.ijk_to_ras, tilted.ijk_to_ras)
        assert np.allclose(found.voxels, known.voxels, atol=1e-3)


@pytest.mark.parametrize("method", ["projection", "image-space"])
def test_a_seed_decides_every_bit(pet, method):
    settings = DoseSettings(method=method)
    first, again, other = (simulate_dose(pet, [4, 50], settings=settings, seed=seed) for seed in (7, 7, 8))
    for factor in (4, 50):
        assert np.array_equal(first.low[factor].voxels, again.low[factor].voxels)
        assert not np.array_equal(first.low[factor].voxels, other.low[factor].voxels)


@pytest.mark.parametrize("settings", [DoseSettings(), FBP, DoseSettings(method="image-space")])
def test_unit_and_total_activity_are_kept(pet, settings):
    becquerel = pet.replace(voxels=pet.voxels * 5000, unit="Bq/mL")
    simulation = simulate_dose(becquerel, [4], settings=settings)
    for volume in (simulation.full, simulation.low[4]):
        assert (volume.modality, volume.unit, volume.voxels.dtype) == ("PT", "Bq/mL", np.float32)
        assert volume.voxels.sum() == pytest.approx(becquerel.voxels.sum(), rel=0.03)
    relative = simulate_dose(pet, [4], settings=settings).low[4].voxels * 5000
    assert np.allclose(simulation.low[4].voxels, relative, rtol=1e-3, atol=1)


def test_slices_without_activity_stay_empty(pet):
    simulation = simulate_dose(pet, [4], settings=DoseSettings(filter_mm=0))
    assert not simulation.low[4].voxels[2].any() and simulation.low[4].voxels[1].any()
    assert simulation.full.metadata["simulation"]["slices_with_activity"] == 4


def test_a_single_slice_is_enough(pet):
    simulation = simulate_dose(pet.replace(voxels=pet.voxels[:1]), [4])
    assert simulation.low[4].shape == (1, 40, 40)


def test_the_block_size_does_not_change_the_result(pet, monkeypatch):
    together = simulate_dose(pet, [4]).low[4].voxels
    monkeypatch.setattr("medsynth_core.simulation.projection.BLOCK", 1)
    assert np.allclose(simulate_dose(pet, [4]).low[4].voxels, together, rtol=1e-4, atol=1e-5)


def test_provenance_is_recorded(pet):
    simulation = simulate_dose(pet, [20, 4], ct=None, seed=5)
    assert list(simulation.low) == [4.0, 20.0]
    stated = json.loads(json.dumps(simulation.low[20.0].metadata))
    assert stated["synthetic"] is True and "not for diagnosis" in stated["notice"]
    assert stated["source"] == {"series": "of tests"}
    facts = stated["simulation"]
    assert (facts["dose_reduction_factor"], facts["seed"], facts["attenuation"]) == (20, 5, False)
    assert (facts["method"], facts["reconstruction"], facts["approximate"]) == ("projection", "osem", False)
    assert (facts["iterations"], facts["subsets"], facts["filter_mm"]) == (2, 16, 5.0)
    assert facts["counts_fraction"] == pytest.approx(0.05, abs=0.001)
    full = simulation.full.metadata
    assert full["simulation"]["dose_reduction_factor"] == 1 and "full dose" in full["description"]


def test_it_can_be_cancelled(pet):
    def stop(fraction, message):
        if fraction > 0.04:
            raise Cancelled

    with pytest.raises(Cancelled):
        simulate_dose(pet, [4], progress=stop)


def test_settings_have_no_other_keys():
    with pytest.raises(ValueError, match="extra_forbidden"):
        DoseSettings.model_validate({"count": 3})


def changed(value: float) -> Volume:
    voxels = uniform_pet().voxels.copy()
    voxels[1, 2, 3] = value
    return uniform_pet().replace(voxels=voxels)


def sheared() -> Volume:
    ijk_to_ras = matrix()
    ijk_to_ras[1, 2] = 1.0
    return uniform_pet().replace(ijk_to_ras=ijk_to_ras)


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (changed(-0.5), "1 of 16384 voxels of the PET are negative"),
        (changed(np.nan), "1 of 16384 voxels of the PET are not finite"),
        (changed(np.inf), "not finite"),
        (uniform_pet().replace(voxels=np.zeros((4, 64, 64), np.float32)), "0 everywhere"),
        (water(), "is CT, but a lower dose is simulated from PET"),
        (water().replace(modality="PT", unit="SUVbw"), "negative .* choose a PET"),
        (uniform_pet().replace(unit="HU"), "in HU, but the simulation needs activity"),
        (uniform_pet().replace(unit=""), "has no unit"),
        (sheared(), "not perpendicular"),
    ],
)
def test_volumes_that_are_not_activity_are_refused(volume, words):
    with pytest.raises(MedSynthError, match=words):
        simulate_dose(volume, [4])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"factors": []}, "empty list of dose reduction factors"),
        ({"factors": [4, 1]}, "factor 1 cannot be simulated"),
        ({"factors": [float("nan")]}, "factor nan cannot be simulated"),
        ({"factors": [float("inf")]}, "factor inf cannot be simulated"),
        ({"factors": [4, 1e5]}, "100000 leaves 10 of the 1e[+]06 coincidences per slice, .* use factors up to 2000"),
        ({"factors": [1e300], "settings": DoseSettings(method="image-space")}, "too few for an image"),
        ({"factors": [100], "settings": DoseSettings(counts=2e4)}, "leaves 200 of the 20000 .* or more counts"),
        ({"seed": -1}, "seed is -1"),
        ({"ct": uniform_pet()}, "given as CT is PET in SUVbw"),
        ({"ct": uniform_pet().replace(modality="CT", unit="HU")}, "not Hounsfield units"),
        ({"ct": water().replace(ijk_to_ras=matrix() + 1e4 * np.eye(4, k=3))}, "do not overlap"),
    ],
)
def test_invalid_arguments_are_refused(given, words):
    with pytest.raises(MedSynthError, match=words):
        simulate_dose(uniform_pet(), **{"factors": [4], **given})


def test_slices_with_too_few_counts_are_reported():
    pet = uniform_pet(6)
    pet.voxels[4:] *= 0.01
    log = []
    dim = simulate_dose(pet, [100], progress=Progress(log=log.append))
    assert log == [
        "At 1/100 of the dose, 2 slices have fewer than 500 coincidences, so OSEM loses part of their activity."
    ]
    assert dim.low[100].metadata["simulation"]["slices_of_few_counts"] == 2
    # The message is true, and slices with more counts keep their activity.
    kept = dim.low[100].voxels.sum(axis=(1, 2)) / dim.full.voxels.sum(axis=(1, 2))
    assert kept[5] < 0.7 and kept[:3] == pytest.approx(1, abs=0.03)
    quiet = []
    simulate_dose(uniform_pet(), [100], progress=Progress(log=quiet.append))
    assert quiet == []


def test_real_pet_with_its_ct(shared_data):
    from medsynth_core import read_volume

    folder = shared_data / "sts" / "STS_008"
    pet = read_volume(folder / "pet.nii.gz", "PT", "SUVbw")
    ct = read_volume(folder / "ct.nii.gz", "CT", "HU")
    simulation = simulate_dose(pet, [4, 100], ct=ct)
    full, *low = (volume.voxels for volume in (simulation.full, *simulation.low.values()))
    tissue = pet.voxels > 0.3
    assert np.array_equal(simulation.full.ijk_to_ras, pet.ijk_to_ras)
    assert full[tissue].mean() == pytest.approx(pet.voxels[tissue].mean(), rel=0.03)
    less, more = ((volume - full)[tissue].std() / full[tissue].mean() for volume in low)
    assert 0.03 < less < 0.2 and 4 < more / less < 8
