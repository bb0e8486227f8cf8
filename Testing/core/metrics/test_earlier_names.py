"""Scores written by earlier versions are read under today's names and units."""

from __future__ import annotations

import pytest

from medsynth_core.metrics.earlier_names import (
    are_earlier,
    name_among,
    todays_comparison,
    todays_scores,
    todays_series,
)


def test_slice_ssim_and_percent_nrmse_get_their_names_and_unit() -> None:
    found = todays_scores({"mae": 0.1, "psnr": 30.0, "ssim": 0.9, "nrmse": 1.25})
    assert found == {"mae": 0.1, "psnr": 30.0, "ssim_2d_wang11": 0.9, "nrmse_minmax": 0.0125}
    assert list(found) == ["mae", "psnr", "ssim_2d_wang11", "nrmse_minmax"]


def test_what_is_written_today_stays_as_it_is() -> None:
    today = {"mae": 0.1, "ssim_2d_wang11": 0.9, "nrmse_minmax": 0.0125, "ssim": 0.8}
    assert todays_scores(today) == today and not are_earlier(today)
    assert todays_scores({"mae": 0.1}) == {"mae": 0.1}


def test_rows_of_a_log_keep_their_other_columns_text_and_gaps() -> None:
    row = {"epoch": "3", "ssim": "0.2", "val_ssim": "0.9", "val_nrmse": "5", "coarse_nrmse": "", "seconds": "12"}
    assert todays_scores(row, "val_") == {
        "epoch": "3",
        "ssim": "0.2",
        "val_ssim_2d_wang11": "0.9",
        "val_nrmse_minmax": 0.05,
        "coarse_nrmse": "",
        "seconds": "12",
    }
    assert todays_scores({"val_nrmse": ""}, "val_") == {"val_nrmse_minmax": ""}


def test_a_name_is_looked_up_among_what_there_is() -> None:
    assert name_among(["mae", "ssim_2d_wang11"], "ssim") == "ssim_2d_wang11"
    assert name_among(["ssim", "ssim_2d_wang11"], "ssim") == "ssim"
    assert name_among(["mae"], "psnr") == "psnr"


def test_each_split_of_a_run_is_judged_by_itself() -> None:
    series = {("val", "nrmse"): {1: 2.0, 2: 1.0}, ("val", "ssim"): {1: 0.9}, ("train", "loss"): {1: 3.0}}
    assert todays_series(series) == {
        ("val", "nrmse_minmax"): {1: 0.02, 2: 0.01},
        ("val", "ssim_2d_wang11"): {1: 0.9},
        ("train", "loss"): {1: 3.0},
    }
    today = {("val", "ssim"): {1: 0.8}, ("val", "ssim_2d_wang11"): {1: 0.9}}
    assert todays_series(today) == today


def test_a_comparison_s_ssim_has_always_been_three_dimensional() -> None:
    row = {"method": "m", "ssim_mean": 0.9, "ssim_sd": 0.1, "nrmse_mean": 1.5, "nrmse_sd": 0.5}
    found = todays_comparison(row)
    assert found["ssim_mean"] == 0.9 and "nrmse_mean" not in found
    assert found["nrmse_minmax_mean"] == pytest.approx(0.015) and found["nrmse_minmax_sd"] == pytest.approx(0.005)
    assert todays_comparison(found) == found
