"""The checkerboard metric finds checkerboards and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from medsynth_core import create_network
from medsynth_core.evaluation.report import evaluate
from medsynth_core.io.reading import read_volume
from medsynth_core.metrics.checkerboard import checkerboard, peak
from medsynth_core.volume import Volume

LPS = np.diag([-1.0, -1.0, 2.0, 1.0])


@pytest.fixture(scope="module")
def mr(sample_case: Path) -> np.ndarray:
    """Slices of a real MR in units of its standard deviation."""
    voxels = read_volume(sample_case / "mr_t1.nii.gz", modality="MR").voxels[10:40].astype(float)
    return voxels / voxels.std()


def board(shape: tuple[int, ...], size: int = 1) -> np.ndarray:
    """Return a checkerboard of -1 and 1 whose squares are ``size`` pixels wide."""
    _, j, i = np.indices(shape)
    return (j // size + i // size) % 2 * 2.0 - 1


def test_the_same_image_scores_one_whatever_its_unit(mr: np.ndarray) -> None:
    assert checkerboard(mr, mr) == 1.0
    assert checkerboard(mr, 3 * mr - 20) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("size", [1, 2])
def test_a_checkerboard_raises_it_strongly(mr: np.ndarray, size: int) -> None:
    faint = checkerboard(mr, mr + 0.02 * board(mr.shape, size))
    clear = checkerboard(mr, mr + 0.05 * board(mr.shape, size))
    assert faint > 3
    assert clear > 3 * faint


def test_checkerboards_in_the_body_as_gain_or_along_one_axis_are_found(mr: np.ndarray) -> None:
    assert checkerboard(mr, mr + 0.05 * board(mr.shape) * (mr > 0.5)) > 10
    assert checkerboard(mr, mr * (1 + 0.05 * board(mr.shape))) > 10
    stripes = np.broadcast_to((-1.0) ** np.arange(mr.shape[2]), mr.shape)
    assert checkerboard(mr, mr + 0.05 * stripes) > 10
    assert checkerboard(mr.swapaxes(1, 2), mr.swapaxes(1, 2) + 0.05 * stripes.swapaxes(1, 2)) > 10


def test_it_is_found_in_a_blurred_image_too(mr: np.ndarray) -> None:
    blurred = gaussian_filter(mr, (0, 1.5, 1.5))
    assert checkerboard(mr, blurred) < 1.5
    assert checkerboard(mr, blurred + 0.05 * board(mr.shape)) > 10


@pytest.mark.parametrize("sigma", [0.5, 0.7, 1, 2, 4])
def test_blur_does_not_raise_it(mr: np.ndarray, sigma: float) -> None:
    assert checkerboard(mr, gaussian_filter(mr, (0, sigma, sigma))) < 1.5


def test_noise_and_smooth_errors_do_not_raise_it(mr: np.ndarray) -> None:
    noise = np.random.default_rng(0).normal(size=mr.shape)
    assert checkerboard(mr, mr + 0.3 * noise) < 1.6
    smooth = gaussian_filter(noise, (0, 2, 2))
    assert checkerboard(mr, mr + 0.5 * smooth / smooth.std()) < 1.5
    assert checkerboard(mr, np.zeros_like(mr)) < 1.6
    assert checkerboard(mr, np.roll(mr, 3, axis=2)) == pytest.approx(1, abs=0.3)


def test_a_checkerboard_in_the_reference_does_not_count_for_the_synthetic_image(mr: np.ndarray) -> None:
    both = mr + 0.05 * board(mr.shape)
    assert checkerboard(both, both) == 1.0
    assert checkerboard(both, mr) < 0.1


def test_the_peak_of_a_known_spectrum() -> None:
    # Through a window w of Hann over n pixels, noise with a standard deviation of one has the power Σw² = 3n/8, and a
    # wave of amplitude a at half the sampling frequency has (aΣw)² = (an/2)², which is 2/3·n·a² times as much.
    n, amplitude = 64, 0.5
    noise = np.random.default_rng(0).normal(size=(200, n, n))
    wave = amplitude * (-1.0) ** np.arange(n)
    expected = 1 + 2 / 3 * n * amplitude**2
    # One of four frequencies (1/2 and 1/4 along both axes) has the peak.
    assert peak(noise) == pytest.approx(1, abs=0.05)
    assert peak(noise + wave) == pytest.approx((3 + expected) / 4, rel=0.05)


def test_what_is_fainter_than_a_thousandth_is_not_seen(mr: np.ndarray) -> None:
    smooth = gaussian_filter(mr, (0, 3, 3))
    assert checkerboard(smooth, smooth + 1e-5 * board(mr.shape)) == pytest.approx(1, abs=0.05)
    assert checkerboard(smooth, smooth + 1e-2 * board(mr.shape)) > 10


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["post", "linear"])
@pytest.mark.parametrize("seed", range(3))
def test_transposed_convolutions_score_higher_than_resized_ones(sample_case: Path, activation: str, seed: int) -> None:
    ct = read_volume(sample_case / "ct.nii.gz", modality="CT", unit="HU").voxels[20:36, 13:141, 15:143]
    image = np.clip(ct / 1000, -1, 1)
    scores = {}
    for upsample in ("transposed", "resize"):
        torch.manual_seed(seed)
        options = {"in_channels": 1, "out_channels": 1, "channels": [16, 24, 42]}
        stage = create_network("cascade-compact", upsample=upsample, visual_activation=activation, **options).eval()
        with torch.inference_mode():
            made = stage(torch.tensor(image, dtype=torch.float32)[:, None])[:, 0]
        scores[upsample] = checkerboard(image, made.numpy())
    assert scores["transposed"] > 10
    assert scores["resize"] < 1.5


def test_small_slices_and_constant_references_have_none() -> None:
    random = np.random.default_rng(0).random((3, 32, 31))
    assert np.isnan(checkerboard(random, random))
    assert np.isnan(checkerboard(np.ones((3, 32, 32)), np.ones((3, 32, 32))))
    assert checkerboard(random.repeat(2, axis=2), random.repeat(2, axis=2)) == 1.0


@pytest.mark.slow
def test_the_report_looks_at_axial_slices_whatever_the_order_of_voxels(mr: np.ndarray) -> None:
    spoiled = mr + 0.05 * board(mr.shape)
    axial = evaluate(Volume(spoiled, LPS, "MR"), Volume(mr, LPS, "MR")).metrics["checkerboard"]
    assert axial == pytest.approx(checkerboard(mr, spoiled))
    coronal = LPS[:, [2, 0, 1, 3]]
    moved = [Volume(np.ascontiguousarray(v.transpose(1, 2, 0)), coronal, "MR") for v in (spoiled, mr)]
    assert evaluate(*moved).metrics["checkerboard"] == pytest.approx(axial)
    report = evaluate(Volume(spoiled[:, :20], LPS, "MR"), Volume(mr[:, :20], LPS, "MR"))
    assert "checkerboard" not in report.metrics
    assert any("checkerboard is left out" in note for note in report.settings["notes"])
