"""Errors of uptake for spheres and blobs with known maximum, mean, peak and volume."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core.evaluation.report import evaluate
from medsynth_core.metrics.lesion import PEAK_DIAMETER, lesion_errors, uptake
from medsynth_core.volume import Volume

FINE = np.diag([-1.0, -1.0, 1.0, 1.0])


def distances(shape: tuple[int, int, int], matrix: np.ndarray) -> np.ndarray:
    """Return the distance in mm of each voxel (k, j, i) from the middle one."""
    k, j, i = np.meshgrid(*[np.arange(n) - n // 2 for n in shape], indexing="ij")
    return np.linalg.norm(np.stack([i, j, k], axis=-1) @ matrix[:3, :3].T, axis=-1)


def test_the_peak_sphere_holds_one_cubic_centimetre() -> None:
    assert np.pi * PEAK_DIAMETER**3 / 6 == pytest.approx(1000, rel=2e-3)


def test_uniform_sphere() -> None:
    distance = distances((51, 51, 51), FINE)
    measured = uptake(np.where(distance <= 20, 8.0, 1.0), distance <= 20, FINE)
    assert measured.maximum == measured.mean == 8.0
    assert measured.peak == pytest.approx(8.0, abs=1e-9)
    assert measured.tlg == pytest.approx(8.0 * 4 / 3 * np.pi * 2.0**3, rel=0.01)


def test_glycolysis_is_that_of_the_metabolic_tumour() -> None:
    distance = distances((41, 41, 41), FINE)
    cone = np.maximum(10 - distance, 0)
    tumour = distance <= 0.59 * 10  # where the cone reaches 41 % of its height
    measured = uptake(cone, distance <= 9, FINE)
    assert measured.tlg == pytest.approx(cone[tumour].mean() * tumour.sum() / 1000)
    assert measured.mean < cone[tumour].mean()
    # A smeared tumour keeps its mean over the contour, not its glycolysis.
    assert uptake(cone / 2, distance <= 9, FINE).tlg == pytest.approx(measured.tlg / 2)
    even = np.full_like(cone, cone[distance <= 9].mean())
    errors = lesion_errors(cone, even, distance <= 9, FINE)
    assert errors["suvmean_error"] == pytest.approx(0, abs=1e-9) and errors["tlg_error"] > 20


def test_peak_of_a_cone_is_its_mean_in_the_sphere() -> None:
    distance = distances((41, 41, 41), FINE / 2 + np.diag([0, 0, 0, 0.5]))
    cone = np.maximum(10 - distance, 0)
    # The mean distance from a ball's centre is three quarters of its radius.
    peak = uptake(cone, distance <= 3, FINE / 2 + np.diag([0, 0, 0, 0.5])).peak
    assert peak == pytest.approx(10 - 0.75 * PEAK_DIAMETER / 2, abs=0.05)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 3.27), (0.98, 2.0, 1.5)])
def test_peak_follows_spacing_and_oblique_axes(spacing: tuple[float, float, float]) -> None:
    angle = np.radians(25)
    matrix = np.eye(4)
    matrix[:3, :3] = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1]]
    matrix[:3, :3] *= spacing
    shape = (21, 31, 41)
    distance = distances(shape, matrix)
    voxels = np.maximum(10 - distance, 0)
    expected = voxels[distance <= PEAK_DIAMETER / 2].mean()
    middle = np.zeros(shape, dtype=bool)
    middle[10, 15, 20] = True
    assert uptake(voxels, middle, matrix).peak == pytest.approx(expected, abs=1e-9)


def test_suvpeak_is_centred_in_the_lesion_but_its_sphere_may_extend_beyond() -> None:
    distance = distances((41, 41, 41), FINE)
    voxels = np.where(distance <= 10, 2.0, 50.0)
    centre = distance == 0
    assert uptake(voxels, centre, FINE).peak == pytest.approx(2.0)
    reaching = np.where(distance <= 4, 2.0, 50.0)
    sphere = distance <= PEAK_DIAMETER / 2
    assert uptake(reaching, centre, FINE).peak == pytest.approx(reaching[sphere].mean())


def test_peak_at_the_border_of_the_volume_counts_only_voxels_that_exist() -> None:
    voxels = np.full((9, 20, 20), 3.0)
    corner = np.zeros(voxels.shape, dtype=bool)
    corner[0, 0, 0] = True
    assert uptake(voxels, corner, FINE).peak == pytest.approx(3.0)


def test_errors_are_signed_percentages_of_the_reference() -> None:
    distance = distances((31, 31, 31), FINE)
    lesion = distance <= 12
    reference = np.where(lesion, 8.0, 1.0)
    synthetic = np.where(lesion, 6.0, 1.0)
    synthetic[15, 15, 15] = 10.0
    errors = lesion_errors(reference, synthetic, lesion, FINE)
    count, sphere = lesion.sum(), (distance <= PEAK_DIAMETER / 2).sum()
    mean = 100 * ((6 * count + 4) / count / 8 - 1)
    assert errors["suvmax_error"] == pytest.approx(25)
    assert errors["suvmean_error"] == pytest.approx(mean)
    assert errors["tlg_error"] == pytest.approx(mean)
    assert errors["suvpeak_error"] == pytest.approx(100 * ((6 * sphere + 4) / sphere / 8 - 1))


def test_a_lesion_without_uptake_in_the_reference_has_no_relative_error() -> None:
    cold, lesion = np.zeros((9, 9, 9)), np.ones((9, 9, 9))
    report = evaluate(
        Volume(cold + 1, FINE, "PT", "SUVbw"), Volume(cold, FINE, "PT", "SUVbw"), lesion=Volume(lesion, FINE)
    )
    assert not any(name.startswith(("suv", "tlg")) for name in report.metrics)
    assert "suvmax_error is left out" in " ".join(report.settings["notes"])


def test_hounsfield_units_are_no_uptake() -> None:
    voxels = np.random.default_rng(0).normal(40, 10, (9, 9, 9))
    report = evaluate(
        Volume(voxels + 1, FINE, "CT", "HU"), Volume(voxels, FINE, "CT", "HU"), lesion=Volume(voxels, FINE)
    )
    assert "suvmax_error" not in report.metrics
    assert "HU values are not uptake" in " ".join(report.settings["notes"])


def test_a_report_has_the_errors_of_the_lesion(case: tuple[Volume, Volume, Volume]) -> None:
    synthetic, reference, lesion = case
    report = evaluate(synthetic, reference, lesion=lesion)
    assert report.metrics["suvmean_error"] == pytest.approx(-20, abs=0.1)
    assert report.metrics["suvpeak_error"] == pytest.approx(-20, abs=0.5)
    assert report.settings["lesion_voxels"] == int(lesion.voxels.sum())
    assert "suvmax_error" not in evaluate(synthetic, reference).metrics
