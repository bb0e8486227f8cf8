"""Low-dose PET keeps its orientation in a 3-D network, and air around the patient does not change the result."""

import numpy as np
import pytest
import torch
from builders import dose_recipe, phantom_body_pet, write_dose_manifest

from medsynth_core import MedSynthError, load_model, synthesize, train
from medsynth_core.grid import Grid, resample_array
from medsynth_core.inference import slab_predictor as slabs
from medsynth_core.preparation.case import prepare
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.training.validation import Trained

pytestmark = pytest.mark.slow

# How far Contextual-Net looks, and slabs that share enough slices for it to see everything.
HALO = 7
SLAB = {"slices": 28, "overlap": 14}


def trained(folder, **changes):
    recipe = dose_recipe(epochs=2, optimiser={"learning_rate": 0.003}, **changes)
    return load_model(train(recipe, write_dose_manifest(folder), folder / "run", device="cpu"))


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A model whose answer at a voxel depends on what is near it and on nothing else."""
    contract = {**dose_recipe().contract.model_dump(mode="json"), "slab": SLAB}
    return trained(
        tmp_path_factory.mktemp("local"), system="paired", network={"name": "contextual3d", "options": {"channels": 4}},
        loss={"l1": 1.0}, coarse_epochs=0, contract=contract,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A model that sees a whole slab at once and tells doses apart."""
    return trained(tmp_path_factory.mktemp("whole"))


def tall_pet():
    """Return a PET of several slabs, noisy in the patient only."""
    pet = phantom_body_pet(2, (61, 32, 36))
    noise = np.random.default_rng(0).gamma(4.0, 0.25, pet.shape)
    return pet.replace(voxels=(pet.voxels * noise).astype(np.float32))


def wide_pet():
    """Return a PET whose patient is wider than the smallest window; air would be left out."""
    pet = tall_pet()
    return pet.replace(voxels=np.tile(pet.voxels, (1, 3, 3)))


def turned(axis: int, degrees: float) -> np.ndarray:
    matrix = np.eye(4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    first, second = (other for other in range(3) if other != axis)
    matrix[first, first] = matrix[second, second] = c
    matrix[first, second], matrix[second, first] = -s, s
    return matrix


def in_air(pet, before: tuple[int, int, int], after: tuple[int, int, int]):
    """Return a PET with voxels (k, j, i) of air around, at the same place."""
    matrix = pet.ijk_to_ras.copy()
    matrix[:3, 3] -= matrix[:3, :3] @ before[::-1]
    voxels = np.pad(pet.voxels, list(zip(before, after, strict=True)))
    return pet.replace(voxels=voxels, ijk_to_ras=matrix)


@pytest.mark.parametrize("tilt", [turned(0, 25), turned(1, -40), turned(0, 15) @ turned(2, 30)], ids=["x", "y", "both"])
def test_a_tilted_patient_is_never_straightened(local, tilt):
    pet = tall_pet()
    tilted = pet.replace(ijk_to_ras=tilt @ pet.ijk_to_ras)
    result = synthesize(tilted, local, device="cpu")
    assert np.array_equal(result.ijk_to_ras, tilted.ijk_to_ras) and result.shape == pet.shape
    # Interpolation would smooth it: the values are those of the same voxels in an axial scan.
    assert np.allclose(result.voxels, synthesize(pet, local, device="cpu").voxels, atol=1e-5)


@pytest.mark.parametrize(
    ("axes", "signs"),
    [((1, 2, 0), (1, -1, 1)), ((0, 2, 1), (-1, 1, 1)), ((0, 1, 2), (1, 1, -1))],
    ids=["sagittal", "coronal", "feet-up"],
)
def test_slabs_lie_across_the_patient_in_every_order_of_voxels_also_tilted(local, axes, signs):
    pet = tall_pet()
    pet = pet.replace(ijk_to_ras=turned(0, 20) @ pet.ijk_to_ras)
    matrix = pet.ijk_to_ras.copy()
    matrix[:3, :3] = pet.ijk_to_ras[:3, list(axes)] * signs
    size = np.array(pet.shape[::-1])[list(axes)]
    matrix[:3, 3] += pet.ijk_to_ras[:3, list(axes)] @ np.where(np.array(signs) < 0, size - 1, 0)
    k, j, i = (int(n) for n in size[::-1])
    other = pet.replace(voxels=resample_array(pet.voxels, Grid.of(pet), Grid((k, j, i), matrix)), ijk_to_ras=matrix)
    result = synthesize(other, local, device="cpu")
    assert np.array_equal(result.ijk_to_ras, matrix) and result.shape == (k, j, i)
    back = resample_array(result.voxels, Grid.of(other), Grid.of(pet))
    assert np.allclose(back, synthesize(pet, local, device="cpu").voxels, atol=1e-5) and back.max() > 0.1


@pytest.mark.parametrize("before", [(0, 20, 30), (40, 7, 0)], ids=["beside", "below"])
def test_air_around_a_patient_does_not_change_the_result(local, before):
    pet, after = tall_pet(), (20, 31, 40)
    wide = in_air(pet, before, after)
    alone, inside = (synthesize(volume, local, device="cpu") for volume in (pet, wide))
    assert np.array_equal(inside.ijk_to_ras, wide.ijk_to_ras)
    cut = inside.voxels[tuple(slice(n, n + size) for n, size in zip(before, pet.shape, strict=True))]
    # Nearer to the edge the network sees what lies beyond it.
    seen = (slice(HALO, -HALO),) * 3
    assert alone.voxels[seen].max() > 0.5 and np.abs(cut - alone.voxels)[seen].max() < 1e-5


def test_the_body_is_the_same_however_much_air_there_is_around(whole):
    pet, before = tall_pet(), (0, 40, 60)
    wide = in_air(pet, before, (0, 50, 70))
    alone, inside = prepare(pet, whole.contract).body, prepare(wide, whole.contract).body
    place = tuple(slice(n, n + size) for n, size in zip(before, pet.shape, strict=True))
    assert alone.any() and np.array_equal(inside[place], alone)
    # The margin may end beyond the field without the air.
    assert inside.sum() < 1.1 * alone.sum()


def test_the_activity_does_not_depend_on_the_air_around(whole):
    pet = tall_pet()
    results = [synthesize(volume, whole, device="cpu") for volume in (pet, in_air(pet, (0, 40, 60), (0, 50, 70)))]
    ratios = [result.metadata["activity_ratio"] for result in results]
    assert ratios[1] == pytest.approx(ratios[0], abs=0.005)
    outside = results[1].voxels.copy()
    outside[:, 40:-50, 60:-70] = 0
    assert outside.sum() < 0.002 * results[1].voxels.sum()


@pytest.mark.parametrize("columns", [14, 40], ids=["narrower than a patch", "wider"])
def test_validation_judges_what_synthesis_gives(whole, columns):
    assert whole.contract.slab.plane == 24
    pet = tall_pet()
    pet = pet.replace(voxels=np.ascontiguousarray(np.tile(pet.voxels, (1, 1, 2))[:, :, 9 : 9 + columns]))
    prepared = prepare(pet, whole.contract)
    case = TrainingCase("P", {"pet": prepared.voxels}, prepared.body, {"pet": prepared.voxels})
    judged = Trained(whole.network(), whole.contract, torch.device("cpu")).images(case)["pet"]
    real = whole.contract.output.intensity.inverse(prepared.voxels)
    assert judged.max() > 0.5 and not np.allclose(judged, real, atol=0.01)
    synthetic = resample_array(synthesize(pet, whole, device="cpu").voxels, Grid.of(pet), prepared.grid)
    assert np.allclose(judged, synthetic, atol=1e-6)


def test_a_pet_in_which_no_patient_is_seen_is_refused(whole):
    pet = tall_pet()
    with pytest.raises(MedSynthError, match="No patient was found in the PET: after smoothing over 20 mm, no voxel"):
        synthesize(pet.replace(voxels=np.full(pet.shape, 0.06, np.float32)), whole, device="cpu")


def test_a_part_of_the_patient_taken_for_air_is_reported(whole):
    pet = in_air(tall_pet(), (0, 40, 60), (0, 50, 70))
    seen = synthesize(pet, whole, device="cpu")
    # Something large whose uptake is under that of any tissue.
    apart = np.where(pet.voxels == 0, np.float32(0.06), pet.voxels)
    told = synthesize(pet.replace(voxels=apart), whole, device="cpu")
    assert seen.metadata["activity_outside"] < 0.01
    outside = told.metadata["activity_outside"]
    lost = apart.sum(where=prepare(pet.replace(voxels=apart), whole.contract).body) / apart.sum()
    assert outside == pytest.approx(1 - lost, abs=1e-4) and outside > 0.3
    sentence = f"{outside:.1%} of the input's activity lies outside the detected body"
    assert [any("lies outside the detected body" in line for line in one.metadata["log"]) for one in (seen, told)] == [
        False,
        True,
    ]
    assert any(sentence in line for line in told.metadata["log"])


def test_the_provenance_states_slices_computed_in_windows(whole, monkeypatch):
    wide = wide_pet()
    at_once = synthesize(wide, whole, device="cpu")
    assert at_once.metadata["window_side"] is None and not any("windows" in line for line in at_once.metadata["log"])
    monkeypatch.setattr(slabs, "slab_budget", lambda device: 1)
    split = synthesize(wide, whole, device="cpu")
    assert split.metadata["window_side"] == slabs.SMALLEST_WINDOW
    assert any(f"windows of {slabs.SMALLEST_WINDOW} × " in line for line in split.metadata["log"])


def test_windows_made_smaller_during_a_run_are_reported(whole, monkeypatch):
    import torch

    from medsynth_core.networks.contextual3d import CG3DSRGAN

    original = CG3DSRGAN.with_class

    def greedy(self, image):
        if image.shape[-1] > 70:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, image)

    monkeypatch.setattr(CG3DSRGAN, "with_class", greedy)
    assert synthesize(wide_pet(), whole, device="cpu").metadata["window_side"] == 64


def test_how_much_air_is_around_makes_no_difference(whole):
    """Contextual-Net and ML-Net with its head see the patient's own part of the plane."""
    little, much = (synthesize(in_air(tall_pet(), (0, n, n + 3), (0, n, n)), whole, device="cpu") for n in (9, 60))
    assert np.array_equal(little.voxels[:, 9:-9, 12:-9], much.voxels[:, 60:-60, 63:-60]) and little.voxels.max() > 0.5
    assert little.metadata["dose_probabilities"] == much.metadata["dose_probabilities"]
    assert np.isclose(little.voxels.sum(), much.voxels.sum(), rtol=1e-6)
