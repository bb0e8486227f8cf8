"""Projections match known line integrals, and the adjoint is exact."""

import numpy as np
import pytest
from dose_phantoms import asymmetric_slice, distance

from medsynth_core.errors import MedSynthError
from medsynth_core.simulation.projector import make_projector

GRIDS = [((20, 20), (4.0, 4.0)), ((15, 24), (3.0, 3.0)), ((16, 21), (5.0, 2.0))]


@pytest.mark.parametrize(("shape", "pixel"), GRIDS)
def test_the_adjoint_is_exact(shape, pixel):
    projector = make_projector(shape, pixel, subsets=6)
    random = np.random.default_rng(1)
    slices = random.random((shape[0] * shape[1], 3), dtype=np.float32)
    rays = random.random((projector.angles.size * projector.bins, 3), dtype=np.float32)
    there = np.vdot(projector.forward(slices).astype(float), rays)
    back = np.vdot(slices.astype(float), projector.adjoint(rays))
    assert there == pytest.approx(back, rel=1e-5)


@pytest.mark.parametrize(("shape", "pixel"), GRIDS)
def test_each_angle_preserves_the_total_activity(shape, pixel):
    projector = make_projector(shape, pixel)
    slices = np.random.default_rng(2).random((shape[0] * shape[1], 2), dtype=np.float32)
    angles = projector.forward(slices).reshape(projector.angles.size, projector.bins, 2).sum(axis=1) * projector.bin_mm
    assert np.allclose(angles, slices.sum(axis=0) * pixel[0] * pixel[1], rtol=1e-5)


def test_rays_through_a_disc_are_its_chords():
    projector = make_projector((96, 96), (2.0, 2.0))
    disc = (distance(96, 2.0) < 70).astype(np.float32)
    chords = projector.forward(disc.reshape(-1, 1)).reshape(projector.angles.size, projector.bins)
    place = (np.arange(projector.bins) - (projector.bins - 1) / 2) * projector.bin_mm
    known = 2 * np.sqrt(np.maximum(70**2 - place**2, 0))
    inside = np.abs(place) < 60
    assert np.abs(chords - known)[:, inside].max() < 6  # of 140 mm; the disc is made of pixels of 2 mm
    assert np.abs(chords.mean(axis=0) - known)[inside].max() < 1


def test_a_point_projects_to_the_right_bin():
    projector = make_projector((31, 31), (3.0, 3.0))
    point = np.zeros((31, 31), dtype=np.float32)
    point[20, 4] = 1  # x = -33, y = 15 mm
    rays = projector.forward(point.reshape(-1, 1)).reshape(projector.angles.size, projector.bins)
    place = (np.arange(projector.bins) - (projector.bins - 1) / 2) * projector.bin_mm
    seen = (rays * place).sum(axis=1) / rays.sum(axis=1)
    away = seen - (-33 * np.cos(projector.angles) + 15 * np.sin(projector.angles))
    assert np.abs(away).max() < 0.2 and abs(away.mean()) < 0.01  # of bins of 3 mm


def test_subsets_share_all_angles_between_them():
    slices = asymmetric_slice(40).reshape(-1, 1)
    whole, divided = make_projector((40, 40), (4.0, 4.0)), make_projector((40, 40), (4.0, 4.0), subsets=7)
    assert len(divided.subsets) == 7
    order = np.argsort(divided.angles)
    assert np.allclose(divided.angles[order], whole.angles)
    rays = divided.forward(slices).reshape(divided.angles.size, -1)[order]
    assert np.allclose(rays, whole.forward(slices).reshape(whole.angles.size, -1), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("size", "angles"), [(30, 96), (128, 128), (400, 320)])
def test_the_number_of_angles_follows_the_size_of_the_slice(monkeypatch, size, angles):
    monkeypatch.setattr("medsynth_core.simulation.projector._matrix", lambda *_: None)
    assert make_projector((size, size), (2.0, 2.0)).angles.size == angles


def test_a_slice_that_would_need_too_much_memory_is_refused():
    with pytest.raises(MedSynthError, match="600 × 600 pixels is too large .* resample the PET .* image-space"):
        make_projector((600, 600), (1.0, 1.0))
