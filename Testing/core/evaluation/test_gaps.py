"""A reference that is NaN outside its field of view is compared where it has values, and the rest is counted."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from medsynth_core.cli.app import run
from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.report import evaluate
from medsynth_core.io.writing import write_volume
from medsynth_core.volume import Volume

SHAPE = (12, 40, 44)
RANDOM = np.random.default_rng(0)
FULL = Volume(RANDOM.gamma(2.0, 1.0, SHAPE).astype(np.float32), np.diag([-2.0, -2.0, 3.0, 1.0]), "PT", "SUVbw")
K, J, I = np.indices(SHAPE)  # noqa: E741
IN_CIRCLE = np.hypot((J - 19.5) / 18, (I - 21.5) / 20) < 1
MADE = FULL.replace(voxels=FULL.voxels + RANDOM.normal(0, 0.1, SHAPE).astype(np.float32))


def with_gaps(known: np.ndarray, volume: Volume = FULL) -> Volume:
    return volume.replace(voxels=np.where(known, volume.voxels, np.nan).astype(np.float32))


def test_metrics_are_those_of_the_voxels_with_values() -> None:
    report = evaluate(MADE, with_gaps(IN_CIRCLE))
    errors = (MADE.voxels - FULL.voxels)[IN_CIRCLE].astype(np.float64)
    assert report.metrics["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-6)
    assert report.metrics["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-6)
    assert all(np.isfinite(value) for value in report.metrics.values())
    assert report.settings["compared_voxels"] == IN_CIRCLE.sum()


def test_what_the_synthetic_volume_has_there_does_not_count() -> None:
    spoiled = MADE.replace(voxels=np.where(IN_CIRCLE, MADE.voxels, 900).astype(np.float32))
    assert evaluate(spoiled, with_gaps(IN_CIRCLE)).metrics == pytest.approx(
        evaluate(MADE, with_gaps(IN_CIRCLE)).metrics, rel=1e-6
    )


def test_the_share_left_out_is_stated() -> None:
    report = evaluate(MADE, with_gaps(IN_CIRCLE))
    share = 1 - IN_CIRCLE.mean()
    assert report.settings["left_out_share"] == pytest.approx(share, abs=1e-6)
    assert f"{100 * share:.1f} % of the synthetic volume has no value in the reference (NaN)" in " ".join(
        report.remarks()
    )
    assert evaluate(MADE, FULL).settings["left_out_share"] == 0
    one = np.ones(SHAPE, dtype=bool)
    one[3, 4, 5] = False
    assert "0.0047 % of the synthetic volume has no value" in " ".join(evaluate(MADE, with_gaps(one)).remarks())


def test_missing_slices_at_the_end_are_cut_off() -> None:
    report = evaluate(MADE, with_gaps(K < 9))
    assert report.pair.synthetic.shape == (9, 40, 44)
    whole = evaluate(MADE.replace(voxels=MADE.voxels[:9]), FULL.replace(voxels=FULL.voxels[:9]))
    assert report.metrics == pytest.approx(whole.metrics, rel=1e-6)
    assert report.settings["left_out_share"] == pytest.approx(0.25)


def test_no_voxel_that_is_interpolated_from_a_gap_is_compared() -> None:
    shifted = FULL.ijk_to_ras.copy()
    shifted[0, 3] += 0.7
    spoiled = np.where(IN_CIRCLE, 3.0, np.nan).astype(np.float32)
    made = FULL.replace(voxels=np.full(SHAPE, 3.0, np.float32))
    report = evaluate(made, FULL.replace(voxels=spoiled, ijk_to_ras=shifted))
    assert report.metrics["mae"] == 0 and 0.4 < report.settings["compared_voxels"] / IN_CIRCLE.sum() < 1


def test_a_coarser_grid_of_the_synthetic_volume_keeps_clear_of_gaps() -> None:
    coarse = Volume(np.full((6, 20, 22), 3.0, np.float32), np.diag([-4.0, -4.0, 6.0, 1.0]), "PT", "SUVbw")
    report = evaluate(coarse, FULL.replace(voxels=np.where(IN_CIRCLE, 3.0, np.nan).astype(np.float32)))
    assert report.metrics["mae"] == pytest.approx(0, abs=1e-5)


def test_mask_and_lesion_are_limited_to_the_voxels_with_values() -> None:
    mask = FULL.replace(voxels=(J < 20).astype(np.uint8), unit="")
    report = evaluate(MADE, with_gaps(IN_CIRCLE), mask=mask, lesion=mask)
    inside = IN_CIRCLE & (J < 20)
    assert report.settings["compared_voxels"] == report.settings["lesion_voxels"] == inside.sum()
    true, made = FULL.voxels[inside].mean(dtype=float), MADE.voxels[inside].mean(dtype=float)
    assert report.metrics["suvmean_error"] == pytest.approx(100 * (made / true - 1), abs=1e-3)


def test_a_reference_without_any_value_is_refused() -> None:
    with pytest.raises(MedSynthError, match="has no value in any voxel"):
        evaluate(MADE, with_gaps(np.zeros(SHAPE, dtype=bool)))


CT = Volume((RANDOM.normal(0, 200, SHAPE) - 100).astype(np.float32), FULL.ijk_to_ras, "CT", "HU")
MADE_CT = CT.replace(voxels=CT.voxels + RANDOM.normal(0, 20, SHAPE).astype(np.float32))


def padded(volume: Volume, value: float = -3024) -> Volume:
    return volume.replace(voxels=np.where(IN_CIRCLE, volume.voxels, value).astype(np.float32))


@pytest.mark.parametrize("stated", [{}, {"modality": ""}, {"unit": ""}, {"modality": "", "unit": ""}])
@pytest.mark.parametrize("value", [-2000, -3024, -32768])
def test_padding_of_a_reference_ct_is_no_value(value, stated) -> None:
    made, reference = MADE_CT.replace(**stated), padded(CT, value).replace(**stated)
    report = evaluate(made, reference)
    assert report.metrics == pytest.approx(evaluate(made, with_gaps(IN_CIRCLE, CT).replace(**stated)).metrics)
    assert report.metrics["mae"] == pytest.approx(np.abs(MADE_CT.voxels - CT.voxels)[IN_CIRCLE].mean(), rel=1e-5)
    assert report.settings["left_out_share"] == pytest.approx(1 - IN_CIRCLE.mean(), abs=1e-6)
    assert "has no value in the reference (padding below -1024 HU) and was left out" in " ".join(report.remarks())
    assert not any("the reference are" in note for note in report.remarks())


def test_no_voxel_that_is_interpolated_from_padding_is_compared() -> None:
    shifted = CT.ijk_to_ras.copy()
    shifted[0, 3] += 0.7
    flat = CT.replace(voxels=np.full(SHAPE, 40, np.float32))
    report = evaluate(flat, padded(flat).replace(ijk_to_ras=shifted))
    assert report.metrics["mae"] == 0 and 0.4 < report.settings["compared_voxels"] / IN_CIRCLE.sum() < 1


def test_padding_of_the_synthetic_ct_is_left_out_as_well() -> None:
    report = evaluate(padded(MADE_CT), CT)
    assert report.metrics["mae"] == pytest.approx(np.abs(MADE_CT.voxels - CT.voxels)[IN_CIRCLE].mean(), rel=1e-5)
    assert f"{100 - 100 * IN_CIRCLE.mean():.1f} % of the synthetic volume is padding" in " ".join(report.remarks())
    left = with_gaps(K < 9, CT)
    with pytest.raises(MedSynthError, match="No voxel has a value in both"):
        evaluate(MADE_CT.replace(voxels=np.where(K < 9, -3024, MADE_CT.voxels)), left)


def test_noise_below_air_is_no_padding() -> None:
    voxels = CT.voxels.copy()
    voxels[0] = -1000 + RANDOM.normal(0, 70, SHAPE[1:])
    assert voxels.min() < -1150
    report = evaluate(MADE_CT, CT.replace(voxels=voxels))
    assert report.settings["left_out_share"] == 0 and report.settings["notes"] == []


@pytest.mark.parametrize("modality", ["PT", "MR"])
def test_pet_and_mr_have_no_padding(modality) -> None:
    voxels = np.where(IN_CIRCLE, FULL.voxels * 2000, -3024).astype(np.float32)
    reference, made = (volume.replace(modality=modality, unit="") for volume in (FULL.replace(voxels=voxels), MADE))
    assert evaluate(made, reference, preset="default").pair.left_out == 0


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_the_command_states_the_share_in_words_and_in_json(suffix, tmp_path, monkeypatch, capsys) -> None:
    write_volume(MADE, tmp_path / "made.nii.gz")
    reference = tmp_path / f"reference{suffix}"
    sitk.WriteImage(with_gaps(IN_CIRCLE).to_sitk(), str(reference))
    for as_json in ([], ["--json"]):
        command = ["medsynth", "evaluate", tmp_path / "made.nii.gz", reference, "--unit", "SUVbw", *as_json]
        monkeypatch.setattr("sys.argv", [str(part) for part in command])
        assert run() == 0
    words, told = (capsys.readouterr().out).split("{", 1)
    assert "has no value in the reference (NaN) and was left out" in words
    settings = json.loads("{" + told)["settings"]
    assert settings["left_out_share"] == pytest.approx(1 - IN_CIRCLE.mean(), abs=1e-6)
