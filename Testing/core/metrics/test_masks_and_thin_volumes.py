"""Metrics within masks, and of volumes smaller than the windows of a metric."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medsynth_core.evaluation.report import Report, evaluate
from medsynth_core.volume import Volume

MASKED = ("mae", "mse", "rmse", "nrmse_minmax", "psnr", "ssim", "ms_ssim", "edge_mae")
ALL = {*MASKED, "ssim_2d_wang11", "ssim_2d_skimage7", "checkerboard"}
LPS = np.diag([-1.0, -1.0, 2.0, 1.0])


def suv(voxels: np.ndarray) -> Volume:
    return Volume(voxels, LPS, "PT", "SUVbw")


def pair(shape: tuple[int, int, int]) -> tuple[Volume, Volume]:
    """Return a synthetic PET and its reference, which differ a little everywhere."""
    reference = np.random.default_rng(0).gamma(2.0, size=shape)
    return suv(reference * 0.9 + 0.05), suv(reference)


def test_errors_outside_the_mask_change_nothing_that_is_over_the_mask() -> None:
    synthetic, reference = pair((40, 44, 48))
    mask = np.zeros(reference.shape, dtype=np.uint8)
    mask[5:35, 6:38, 6:42] = 1
    # Gradients see one voxel beyond the mask, so the spoiled part begins a voxel later.
    spoiled = synthetic.voxels.copy()
    spoiled[:3] = 9.0
    clean, dirty = (evaluate(suv(v), reference, Volume(mask, LPS)).metrics for v in (synthetic.voxels, spoiled))
    for name in MASKED:
        assert dirty[name] == pytest.approx(clean[name], abs=1e-12), name
    assert dirty["ssim_2d_wang11"] < clean["ssim_2d_wang11"] - 0.01
    assert evaluate(suv(spoiled), reference).metrics["ssim"] < clean["ssim"] - 0.01


def test_masked_values_are_means_over_the_mask() -> None:
    reference = np.ones((10, 10, 10))
    reference[:, :, 0] = 3.0
    synthetic = reference + 1.0
    mask = np.zeros_like(reference)
    mask[:, :, :2] = 7.0
    synthetic[:, :, 0] += 1.0
    metrics = evaluate(suv(synthetic), suv(reference), Volume(mask, LPS)).metrics
    assert metrics["mae"] == pytest.approx(1.5)
    assert metrics["mse"] == pytest.approx(2.5)
    assert metrics["nrmse_minmax"] == pytest.approx(np.sqrt(2.5) / 2)
    assert metrics["psnr"] == pytest.approx(10 * np.log10(400 / 2.5))


def test_a_mask_of_everything_is_the_full_frame() -> None:
    synthetic, reference = pair((30, 32, 34))
    mask = Volume(np.ones(reference.shape), LPS)
    assert evaluate(synthetic, reference, mask).metrics == evaluate(synthetic, reference).metrics


def test_region_of_the_report_says_what_was_compared() -> None:
    synthetic, reference = pair((8, 9, 10))
    mask = np.zeros(reference.shape)
    mask[3:5, 3:6, 3:7] = 1
    assert evaluate(synthetic, reference).settings["region"] == "full frame"
    settings = evaluate(synthetic, reference, Volume(mask, LPS)).settings
    assert (settings["region"], settings["compared_voxels"]) == ("mask", 24)


@pytest.mark.parametrize(
    "shape", [(1, 64, 64), (64, 1, 64), (64, 64, 1), (3, 20, 30), (6, 6, 6), (1, 1, 1), (2, 1, 5), (8, 9, 10)]
)
def test_thin_and_small_volumes_have_every_metric(shape: tuple[int, int, int]) -> None:
    synthetic, reference = pair(shape)
    metrics = evaluate(synthetic, reference).metrics
    undefined = set()
    if min(shape[1:]) < 32:
        undefined.add("checkerboard")  # the spectrum of a small slice is too coarse
    if shape == (1, 1, 1):
        undefined.add("nrmse_minmax")  # one voxel has no range
    assert set(metrics) == ALL - undefined
    assert all(np.isfinite(value) for value in metrics.values())
    assert all(-1 <= metrics[name] <= 1 for name in metrics if "ssim" in name)


def test_every_voxel_of_a_thin_axis_counts_in_ssim() -> None:
    synthetic, reference = pair((4, 30, 30))
    before = evaluate(synthetic, reference).metrics["ssim"]
    for slice_number in range(4):
        spoiled = synthetic.voxels.copy()
        spoiled[slice_number] = 0
        assert evaluate(suv(spoiled), reference).metrics["ssim"] < before - 0.05


def left_out(report: Report) -> str:
    return " ".join(report.settings["notes"])


def test_a_mask_at_the_border_leaves_the_similarities_out_and_says_so() -> None:
    synthetic, reference = pair((20, 20, 20))
    mask = np.zeros(reference.shape)
    mask[0] = 1
    report = evaluate(synthetic, reference, Volume(mask, LPS))
    assert "ssim" not in report.metrics
    assert "ssim is left out" in left_out(report)
    assert np.isfinite(report.metrics["mae"])


def test_a_mask_too_small_for_the_coarsest_scale_leaves_ms_ssim_out() -> None:
    synthetic, reference = pair((30, 30, 30))
    mask = np.zeros(reference.shape)
    mask[14, 14, 14] = 1
    report = evaluate(synthetic, reference, Volume(mask, LPS))
    assert "ms_ssim" not in report.metrics
    assert "ms_ssim is left out" in left_out(report)
    assert np.isfinite(report.metrics["ssim"])


def test_identical_volumes_have_an_infinite_psnr_which_json_gets_as_null() -> None:
    _, reference = pair((9, 9, 9))
    report = evaluate(reference, reference)
    assert report.metrics["psnr"] == np.inf
    assert report.metrics["mae"] == report.metrics["edge_mae"] == 0
    assert report.metrics["ssim"] == report.metrics["ms_ssim"] == pytest.approx(1)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["metrics"]["psnr"] is None
    assert "psnr is infinite" in left_out(report)


def test_blurred_edges_are_an_error_and_a_constant_offset_is_not() -> None:
    reference = np.zeros((12, 12, 12))
    reference[:, :, 6:] = 4.0
    blurred = reference.copy()
    blurred[:, :, 5], blurred[:, :, 6] = 1.0, 3.0
    assert evaluate(suv(reference + 0.5), suv(reference)).metrics["edge_mae"] == pytest.approx(0, abs=1e-12)
    # Differences between both neighbours along i: (4, 4) at the step, (1, 3, 3, 1) at the blurred one; the
    # magnitude is their root mean square over three axes.
    expected = (1 + 1 + 1 + 1) / np.sqrt(3) / 12
    assert evaluate(suv(blurred), suv(reference)).metrics["edge_mae"] == pytest.approx(expected)
