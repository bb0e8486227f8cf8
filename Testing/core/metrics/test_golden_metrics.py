"""The metrics give the values of the challenges' own code and of scikit-image."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core.evaluation.report import evaluate
from medsynth_core.metrics import pixel
from medsynth_core.metrics.ms_ssim import ms_ssim
from medsynth_core.metrics.ssim import ssim, ssim_2d_skimage7, ssim_2d_wang11
from medsynth_core.volume import Volume

GoldenCT = tuple[np.ndarray, np.ndarray, np.ndarray]
GoldenSlice = tuple[np.ndarray, np.ndarray]
LPS = np.diag([-1.0, -1.0, 3.0, 1.0])


def report_on(golden: GoldenCT, preset: str, masked: bool = True) -> dict[str, float]:
    reference, synthetic, mask = golden
    ct = [Volume(voxels, LPS, "CT", "HU") for voxels in (synthetic, reference)]
    return evaluate(*ct, mask=Volume(mask, LPS) if masked else None, preset=preset).metrics


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["default", "synthrad2023"])
def test_synthrad_2023_within_the_mask(golden_ct: GoldenCT, preset: str) -> None:
    metrics = report_on(golden_ct, preset)
    assert metrics["mae"] == pytest.approx(15.881356, abs=1e-6)
    assert metrics["psnr"] == pytest.approx(46.391034, abs=1e-6)
    assert metrics["ssim"] == pytest.approx(0.996026, abs=1e-6)
    assert metrics["ms_ssim"] == pytest.approx(0.998109597, abs=1e-9)


def test_synthrad_2025_evaluation_within_the_mask(golden_ct: GoldenCT) -> None:
    metrics = report_on(golden_ct, "synthrad2025_eval")
    assert metrics["mae"] == pytest.approx(15.881356, abs=1e-6)
    assert metrics["psnr"] == pytest.approx(46.542953, abs=1e-6)
    assert metrics["ms_ssim"] == pytest.approx(0.998150923, abs=1e-9)


def test_full_frame_ssim(golden_ct: GoldenCT) -> None:
    assert report_on(golden_ct, "synthrad2023", masked=False)["ssim"] == pytest.approx(0.962727, abs=1e-6)


def test_ms_ssim_does_not_depend_on_the_order_of_axes(golden_ct: GoldenCT) -> None:
    reference, synthetic, mask = (array.T for array in golden_ct)
    a, b = (np.clip(array, -1024.0, 3071.0) + 1024 for array in (reference, synthetic))
    assert ms_ssim(a, b, 4095.0, mask) == pytest.approx(0.998150923, abs=1e-9)


def test_slice_metrics(golden_slice: GoldenSlice) -> None:
    a, b = golden_slice
    assert pixel.psnr(a, b, 1.0) == pytest.approx(27.875071, abs=1e-6)
    assert pixel.nrmse_minmax(a, b) == pytest.approx(0.050487, abs=1e-6)
    assert ssim_2d_skimage7(a, b, 1.0) == pytest.approx(0.796643, abs=1e-6)
    assert ssim_2d_wang11(a, b, 1.0) == pytest.approx(0.831263, abs=1e-6)


@pytest.mark.slow
def test_slice_metrics_through_a_report_whose_range_is_the_reference_s_own(golden_slice: GoldenSlice) -> None:
    a, b = golden_slice
    span = float(np.ptp(a))
    metrics = evaluate(Volume(b, LPS), Volume(a, LPS), preset="pet_minmax").metrics
    assert metrics["ssim_2d_skimage7"] == pytest.approx(ssim_2d_skimage7(a, b, span), abs=1e-12)
    assert metrics["psnr"] == pytest.approx(27.875071 + 20 * np.log10(span), abs=1e-6)


def test_pet_minmax_is_the_default_of_scikit_image_on_the_volume() -> None:
    from skimage.metrics import normalized_root_mse, peak_signal_noise_ratio, structural_similarity

    voxels = np.random.default_rng(1).gamma(2.0, size=(12, 20, 24))
    made = voxels * 0.9 + 0.1
    span = float(np.ptp(voxels))
    metrics = evaluate(*[Volume(v, LPS, "PT", "Bq/mL") for v in (made, voxels)], preset="pet_minmax").metrics
    assert metrics["ssim"] == pytest.approx(structural_similarity(voxels, made, data_range=span), abs=1e-12)
    assert metrics["psnr"] == pytest.approx(peak_signal_noise_ratio(voxels, made, data_range=span), abs=1e-10)
    expected = normalized_root_mse(voxels, made, normalization="min-max")
    assert metrics["nrmse_minmax"] == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("slices", [31, 32, 33, 65, 70])
def test_similarity_made_in_slabs_is_that_of_the_whole(slices: int) -> None:
    from skimage.metrics import structural_similarity

    a = np.random.default_rng(2).random((slices, 9, 11))
    b = a**1.1
    assert ssim(a, b, 1.0) == pytest.approx(structural_similarity(a, b, data_range=1.0), abs=1e-12)


def test_suv_is_clipped_to_twenty_for_psnr_but_not_for_the_plain_errors() -> None:
    reference = np.full((8, 8, 8), 2.0)
    synthetic = reference.copy()
    reference[4, 4, 4], synthetic[4, 4, 4] = 50.0, 30.0
    synthetic[0, 0, 0] = 3.0
    metrics = evaluate(*[Volume(v, LPS, "PT", "SUVbw") for v in (synthetic, reference)]).metrics
    assert metrics["mae"] == pytest.approx(21 / 512)
    assert metrics["mse"] == pytest.approx(401 / 512)
    assert metrics["rmse"] == pytest.approx(np.sqrt(401 / 512))
    assert metrics["psnr"] == pytest.approx(10 * np.log10(400 / (1 / 512)))
