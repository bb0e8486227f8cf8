"""The table of Dong et al. (2020) and the evaluation preset for it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.report import evaluate
from medsynth_core.experiments.scoring.case_table import CaseTable, slice_scores
from medsynth_core.figures.captions import metric_line
from medsynth_core.io.reading import read_volume
from medsynth_core.volume import Volume

# Mean, minimum and maximum of the slices' errors of the eight published cases.
PUBLISHED = {
    "1": (81.06, 57.44, 97.42),
    "2": (58.16, 47.81, 65.01),
    "3": (96.88, 80.86, 110.16),
    "4": (67.12, 52.64, 97.94),
    "5": (74.77, 58.57, 122.08),
    "6": (75.84, 66.91, 83.44),
    "7": (70.41, 60.68, 96.14),
    "8": (65.18, 55.35, 88.87),
}
LPS = np.diag([-1.0, -1.0, 2.0, 1.0])


def published() -> CaseTable:
    """Return a table of twenty slices with the published means and extremes: the other eighteen are alike."""
    slices = {c: [low, high, *[(20 * mean - low - high) / 18] * 18] for c, (mean, low, high) in PUBLISHED.items()}
    return CaseTable({case: {"mae_255": values, "ssim_255": [0.9, 0.92, 0.91]} for case, values in slices.items()})


def mr(voxels: np.ndarray, matrix: np.ndarray = LPS, **changes: object) -> Volume:
    return Volume(voxels, matrix, **{"modality": "MR", **changes})


def head(top: float = 900.0) -> Volume:
    """Return an MR of a ball of texture in a background of zeros; the outer slices are empty."""
    k, j, i = np.meshgrid(*[np.linspace(-1.2, 1.2, n) for n in (14, 40, 44)], indexing="ij")
    ball = k**2 + j**2 + i**2 < 1
    texture = 1.5 + np.sin(9 * i) * np.cos(7 * j) * np.cos(3 * k)
    voxels = np.where(ball, texture, 0)
    return mr(voxels * top / voxels.max())


def test_the_published_means_give_the_published_total() -> None:
    *cases, total = published().rows()
    assert [(row["case"], round(row["mae_255_mean"], 2)) for row in cases] == [(c, v[0]) for c, v in PUBLISHED.items()]
    assert total["case"] == "total"
    assert total["mae_255_mean"] == pytest.approx(73.68, abs=0.005)
    assert total["mae_255_sd"] == pytest.approx(10.99, abs=0.005)  # 11.74 would be the sample's
    assert (total["mae_255_minimum"], total["mae_255_maximum"]) == (47.81, 122.08)


def test_one_value_a_case_is_enough() -> None:
    *cases, total = CaseTable({case: {"mae_255": [mean]} for case, (mean, _, _) in PUBLISHED.items()}).rows()
    assert all(row["mae_255_sd"] == 0 for row in cases)
    assert (round(total["mae_255_mean"], 2), round(total["mae_255_sd"], 2)) == (73.68, 10.99)


def test_the_text_reads_as_the_publication_s_table() -> None:
    lines = published().text().splitlines()
    assert lines[0].split("  ")[0] == "case"
    assert lines[0].index("MAE in grey levels") < lines[0].index("SSIM of slices in grey levels")
    assert lines[-1].split() == ["total", "73.68", "(10.99)", "47.81", "122.08", "0.91", "(0.00)", "0.90", "0.92"]
    # Numbers stand below each other.
    assert len({line.index(")") for line in lines[1:]}) == 1
    assert len(set(map(len, lines))) == 1
    assert published().text_rows()[2][0::2] == ["3", "80.86", "0.91 (0.01)", "0.92"]


def test_the_csv_holds_every_number_unrounded(tmp_path: Path) -> None:
    path = published().write(tmp_path / "table.csv")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert list(rows[0])[:5] == ["case", "mae_255_mean", "mae_255_sd", "mae_255_minimum", "mae_255_maximum"]
    assert float(rows[-1]["mae_255_sd"]) == pytest.approx(
        np.std([mean for mean, _, _ in PUBLISHED.values()]), rel=1e-12
    )


def test_a_table_without_cases_or_values_is_refused() -> None:
    with pytest.raises(MedSynthError, match="no case"):
        CaseTable({}).rows()
    with pytest.raises(MedSynthError, match="case B has no value of mae"):
        CaseTable({"A": {"mae": [1.0]}, "B": {"mae": [float("nan")]}}).rows()


def test_the_preset_measures_grey_levels_where_the_reference_is_not_zero() -> None:
    reference = head()
    random = np.random.default_rng(0)
    # Errors in the background are not the publication's concern.
    synthetic = reference.replace(voxels=reference.voxels + random.normal(0, 40, reference.shape))
    report = evaluate(synthetic, reference, preset="dong2020")
    inside = reference.voxels != 0
    expected = np.abs(synthetic.voxels - reference.voxels)[inside].mean() * 255 / 900
    assert report.metrics["mae"] == pytest.approx(expected)
    assert report.settings["region"] == "foreground"
    assert report.settings["compared_voxels"] == inside.sum() < inside.size
    assert report.settings["data_range"] == pytest.approx(255)
    a, b = reference.voxels * 255 / 900, synthetic.voxels * 255 / 900
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    similarity = np.mean([structural_similarity(x, y, data_range=255, **wang) for x, y in zip(a, b, strict=True)])
    assert report.metrics["ssim_2d_wang11"] == pytest.approx(similarity)
    assert metric_line(report.metrics, report.settings).startswith("Where the reference is not zero:  MAE")


def test_what_the_scanner_counts_in_does_not_matter() -> None:
    reference = head()
    synthetic = reference.replace(voxels=reference.voxels * 0.9)
    scores = slice_scores(synthetic, reference)
    other = slice_scores(synthetic.replace(voxels=synthetic.voxels * 7), reference.replace(voxels=reference.voxels * 7))
    assert other["mae_255"] == pytest.approx(scores["mae_255"])
    assert other["ssim_255"] == pytest.approx(scores["ssim_255"])


def test_a_model_s_grey_levels_are_taken_as_they_are() -> None:
    reference = head()
    grey = reference.replace(voxels=reference.voxels * 255 / 900 * 0.8, unit="1", metadata={"synthetic": True})
    same_values = reference.replace(voxels=reference.voxels * 0.8)
    expected = evaluate(same_values, reference, preset="dong2020").metrics
    report = evaluate(grey, reference, preset="dong2020")
    assert report.metrics["mae"] == pytest.approx(expected["mae"])
    assert any("already" in note for note in report.settings["notes"])
    # Without that provenance they are values of the scanner.
    assert evaluate(grey.replace(metadata={}), reference, preset="dong2020").metrics["mae"] > 2 * expected["mae"]


def test_background_slices_are_left_out_and_slices_are_axial_in_any_voxel_order() -> None:
    reference = head()
    synthetic = reference.replace(voxels=reference.voxels * np.linspace(0.7, 1.0, 14)[:, None, None])
    scores = slice_scores(synthetic, reference)
    filled = [k for k in range(14) if reference.voxels[k].any()]
    assert 0 < len(filled) < 14
    inside = [reference.voxels[k][reference.voxels[k] != 0] for k in filled]
    expected = [
        (1 - factor) * values.mean() * 255 / 900
        for factor, values in zip(np.linspace(0.7, 1.0, 14)[filled], inside, strict=True)
    ]
    assert scores["mae_255"] == pytest.approx(expected)
    assert len(scores["ssim_255"]) == len(filled)
    # The same voxels stored as coronal slices.
    turned = LPS[:, [2, 0, 1, 3]]
    moved = [
        v.replace(voxels=np.ascontiguousarray(v.voxels.transpose(1, 2, 0)), ijk_to_ras=turned)
        for v in (synthetic, reference)
    ]
    assert slice_scores(*moved)["mae_255"] == pytest.approx(scores["mae_255"])


def test_the_mask_limits_the_errors() -> None:
    reference = head()
    synthetic = reference.replace(voxels=np.where(np.arange(44) < 22, reference.voxels, reference.voxels * 0.5))
    mask = np.zeros(reference.shape, dtype=np.uint8)
    mask[:, :, :22] = 1
    assert max(slice_scores(synthetic, reference, Volume(mask, LPS))["mae_255"]) == 0
    assert min(slice_scores(synthetic, reference)["mae_255"]) > 5
    background = Volume((reference.voxels == 0).astype(np.uint8), LPS)
    with pytest.raises(MedSynthError, match="counts as background"):
        slice_scores(synthetic, reference, background)


def test_ct_pet_and_constant_references_are_refused() -> None:
    reference = head()
    for unit in ("HU", "SUVbw", "Bq/mL"):
        with pytest.raises(MedSynthError, match="dong2020 is for MR"):
            evaluate(reference.replace(unit=unit), reference.replace(unit=unit), preset="dong2020")
    normalised = reference.replace(unit="T1 (fat = 1000)")
    assert evaluate(normalised, normalised, preset="dong2020").metrics["mae"] == 0
    flat = reference.replace(voxels=np.full(reference.shape, 4.0))
    with pytest.raises(MedSynthError, match="has the value 4 everywhere"):
        evaluate(flat, flat, preset="dong2020")


def test_a_real_mr(sample_case: Path) -> None:
    reference = read_volume(sample_case / "mr_t1.nii.gz", modality="MR")
    synthetic = reference.replace(voxels=reference.voxels * 0.9)
    scores = slice_scores(synthetic, reference)
    grey = reference.voxels * (255 / reference.voxels.max())
    assert np.mean(scores["mae_255"]) == pytest.approx(
        np.mean([0.1 * k[k != 0].mean() for k in grey if k.any()]), rel=1e-6
    )
    assert 0.9 < np.mean(scores["ssim_255"]) < 1
