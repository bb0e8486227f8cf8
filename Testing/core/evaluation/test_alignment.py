"""Comparison of volumes on different grids, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.report import evaluate
from medsynth_core.grid import resample
from medsynth_core.io.reading import read_volume
from medsynth_core.volume import Volume


def ramp(shape: tuple[int, int, int], matrix: np.ndarray, unit: str = "SUVbw") -> Volume:
    """Return a PET whose value is linear in place, so that linear resampling is exact."""
    k, j, i = np.meshgrid(*[np.arange(n) for n in shape], indexing="ij")
    place = np.stack([i, j, k], axis=-1) @ matrix[:3, :3].T + matrix[:3, 3]
    return Volume((5 + place @ [0.02, 0.03, 0.05]).astype(np.float32), matrix, "PT", unit)


def grid(spacing: float, origin: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
    matrix = np.diag([-spacing, -spacing, spacing, 1.0])
    matrix[:3, 3] = origin
    return matrix


FINE = ramp((20, 24, 28), grid(1.0))


def notes_of(*volumes: Volume, **more: Volume) -> str:
    return " ".join(evaluate(*volumes, **more).settings["notes"])


def test_a_reference_on_a_coarser_grid_is_resampled_and_reported() -> None:
    reference = ramp((14, 16, 18), grid(2.0, (3.0, 3.0, -3.0)))
    report = evaluate(FINE, reference)
    assert report.metrics["mae"] == pytest.approx(0, abs=1e-5)
    assert report.settings["region"] == "full frame"
    assert "The reference was resampled linearly onto the grid of the synthetic volume." in report.settings["notes"]


def test_the_same_grid_is_not_resampled() -> None:
    notes = evaluate(FINE, FINE.replace(voxels=FINE.voxels + 1)).settings["notes"]
    assert not any("resampled" in note for note in notes)


def test_only_the_part_that_the_reference_covers_is_compared() -> None:
    covered = ramp((20, 24, 10), grid(1.0))
    spoiled = FINE.voxels.copy()
    spoiled[:, :, 12:] = 500.0
    report = evaluate(FINE.replace(voxels=spoiled), covered)
    assert report.metrics["mae"] == pytest.approx(0, abs=1e-5)
    assert report.metrics["ssim_2d_skimage7"] == pytest.approx(1)
    assert report.pair.synthetic.shape == (20, 24, 10)
    assert "64.3 % of the synthetic volume is outside the reference" in " ".join(report.settings["notes"])


def test_the_compared_part_keeps_its_place() -> None:
    covered = ramp((10, 24, 28), grid(1.0, (0.0, 0.0, 6.0)))
    pair = evaluate(FINE, covered).pair
    np.testing.assert_allclose(pair.synthetic.ijk_to_ras[:3, 3], [0, 0, 6])
    np.testing.assert_allclose(pair.synthetic.voxels, FINE.voxels[6:16])


def test_an_oblique_reference_limits_the_comparison_to_the_voxels_that_it_fills() -> None:
    angle = np.radians(30)
    matrix = np.eye(4)
    matrix[:2, :2] = [[-np.cos(angle), np.sin(angle)], [-np.sin(angle), -np.cos(angle)]]
    report = evaluate(FINE, ramp((20, 16, 16), matrix))
    assert report.settings["region"] == "overlap"
    assert report.metrics["mae"] == pytest.approx(0, abs=0.03)
    assert 0 < report.settings["compared_voxels"] < 20 * 16 * 16


def test_masks_on_other_grids_are_moved_by_the_nearest_voxel() -> None:
    mask = Volume(np.ones((4, 4, 4)), grid(3.0, (-4.0, -4.0, 4.0)))
    report = evaluate(FINE, FINE.replace(voxels=FINE.voxels + 1), mask=mask, lesion=mask)
    assert report.settings["compared_voxels"] == report.settings["lesion_voxels"] == 12**3
    assert "The mask was resampled (nearest neighbour)" in " ".join(report.settings["notes"])
    assert "The lesion was resampled (nearest neighbour)" in " ".join(report.settings["notes"])


@pytest.mark.parametrize(("stated", "silent"), [(0, "reference"), (1, "synthetic volume")])
def test_a_volume_without_a_unit_gets_that_of_the_other(stated: int, silent: str) -> None:
    volumes = [FINE.replace(unit="SUVbw" if number == stated else "") for number in range(2)]
    report = evaluate(*volumes)
    assert report.settings["unit"] == "SUVbw"
    assert report.settings["data_range"] == 20
    assert f"The {silent} states no unit; SUVbw was assumed." in report.settings["notes"]


def refused(*volumes: Volume, **more: object) -> str:
    with pytest.raises(MedSynthError) as error:
        evaluate(*volumes, **more)
    return error.value.message


def test_units_that_differ_are_refused() -> None:
    assert "in SUVbw but the reference is in HU" in refused(FINE, FINE.replace(unit="HU"))


def test_volumes_of_different_places_are_refused() -> None:
    assert "do not overlap" in refused(FINE, ramp((8, 8, 8), grid(1.0, (500.0, 0.0, 0.0))))


def test_boxes_that_meet_without_a_common_voxel_are_refused() -> None:
    # A thin rod that passes a corner of the synthetic volume.
    rod = np.eye(4)
    rod[:2, :2] = np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    rod[:3, 3] = [-1.6, 4.0, 5.0]
    message = refused(FINE, Volume(np.arange(9.0).reshape(1, 1, 9), rod, "PT", "SUVbw"))
    assert "does not overlap the synthetic volume" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("synthetic volume", np.nan),
        ("synthetic volume", np.inf),
        ("reference", np.inf),
        ("reference", -np.inf),
    ],
)
def test_voxels_that_are_not_finite_are_refused(name: str, value: float) -> None:
    bad = FINE.voxels.copy()
    bad[3, 4, 5] = value
    broken = FINE.replace(voxels=bad)
    volumes = (broken, FINE) if name == "synthetic volume" else (FINE, broken)
    assert f"The {name} has values that are not finite (NaN or infinite) in 1 of its 13440 voxels" in refused(*volumes)


def test_a_volume_without_voxels_is_refused() -> None:
    nothing = Volume(np.zeros((0, 4, 4)), grid(1.0), "PT", "SUVbw")
    assert "The synthetic volume has no voxels" in refused(nothing, FINE)


@pytest.mark.parametrize("name", ["mask", "lesion"])
def test_empty_masks_are_refused(name: str) -> None:
    assert f"The {name} is empty" in refused(FINE, FINE, **{name: FINE.replace(voxels=np.zeros(FINE.shape))})


@pytest.mark.parametrize("name", ["mask", "lesion"])
def test_masks_that_are_not_finite_are_refused(name: str) -> None:
    mask = np.ones(FINE.shape)
    mask[:5] = np.nan
    assert f"The {name} has values that are not finite" in refused(FINE, FINE, **{name: FINE.replace(voxels=mask)})


@pytest.mark.parametrize("name", ["mask", "lesion"])
def test_masks_that_are_lost_on_the_grid_are_refused_with_the_reason(name: str) -> None:
    small = ramp((40, 48, 56), grid(0.5))
    mask = np.zeros(small.shape)
    mask[21, 21, 21] = 1
    assert "smaller than the voxels there" in refused(FINE, FINE, **{name: small.replace(voxels=mask)})


def test_images_of_different_modalities_are_refused() -> None:
    magnetic = FINE.replace(modality="MR", unit="")
    assert "is PET but the reference is MR" in refused(FINE, magnetic)
    assert "is MR but the reference is CT" in refused(magnetic, FINE.replace(modality="CT", unit=""))


def test_truth_values_are_compared_as_0_and_1() -> None:
    yes = FINE.replace(voxels=FINE.voxels > 5, modality="", unit="")
    no = yes.replace(voxels=~yes.voxels)
    assert evaluate(yes, no).metrics["mae"] == 1.0 and evaluate(yes, yes).metrics["mae"] == 0.0


@pytest.mark.parametrize("name", ["mask", "lesion"])
def test_masks_where_the_reference_does_not_reach_are_refused(name: str) -> None:
    mask = np.zeros(FINE.shape)
    mask[:, :, 20:] = 1
    half = ramp((20, 24, 10), grid(1.0))
    assert f"The {name} has no voxel where the volumes overlap" in refused(
        FINE, half, **{name: FINE.replace(voxels=mask)}
    )


def test_unknown_presets_are_refused_with_the_list() -> None:
    assert "default, synthrad2023, synthrad2025_eval, pet_minmax" in refused(FINE, FINE, preset="best")


@pytest.mark.parametrize("preset", ["synthrad2023", "synthrad2025_eval"])
def test_presets_for_ct_refuse_pet(preset: str) -> None:
    assert "is for CT in HU, but the volumes are in SUVbw" in refused(FINE, FINE, preset=preset)


def test_a_constant_reference_has_no_range_of_its_own() -> None:
    flat = FINE.replace(voxels=np.full(FINE.shape, 3.0))
    assert "has the value 3 everywhere" in refused(FINE, flat, preset="pet_minmax")
    assert "nrmse_minmax is left out" in notes_of(FINE, flat)


def test_the_sample_case_s_pet_on_the_grid_of_its_ct_is_its_own_reference(sample_case: Path) -> None:
    ct = read_volume(sample_case / "ct.nii.gz", modality="CT", unit="HU")
    pet = read_volume(sample_case / "pet.nii.gz", modality="PT", unit="SUVbw")
    lesion = read_volume(sample_case / "lesion.nii.gz")
    moved = resample(pet, ct)
    report = evaluate(moved.replace(voxels=0.9 * moved.voxels), pet, lesion=lesion)
    assert report.settings["region"] == "full frame"
    assert report.metrics["mae"] == pytest.approx(0.1 * moved.voxels.mean(), rel=1e-5)
    for name in ("suvmax_error", "suvmean_error", "suvpeak_error", "tlg_error"):
        assert report.metrics[name] == pytest.approx(-10, abs=1e-4)
