"""Both reconstructions recover the activity."""

import numpy as np
import pytest
from dose_phantoms import asymmetric_slice

from medsynth_core.simulation.projector import make_projector
from medsynth_core.simulation.reconstruction import fbp, osem, smooth


def relative_error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found.reshape(truth.shape) - truth) ** 2)) / truth.max())


@pytest.mark.parametrize(("shape", "pixel"), [((64, 64), (4.0, 4.0)), ((64, 40), (2.5, 4.0))])
def test_fbp_of_noise_free_projections_recovers_the_phantom(shape, pixel):
    truth = asymmetric_slice()[:, :: 64 // shape[1]][:, : shape[1]] if shape[1] == 64 else asymmetric_slice()[:, 12:52]
    projector = make_projector(shape, pixel)
    found = fbp(projector, projector.forward(truth.reshape(-1, 1)))
    assert found.dtype == np.float32
    assert relative_error(found, truth) < 0.02
    assert found.sum() == pytest.approx(truth.sum(), rel=0.01)


def test_fbp_is_linear_and_keeps_negative_values():
    projector = make_projector((32, 32), (4.0, 4.0))
    rays = projector.forward(asymmetric_slice(32).reshape(-1, 1))
    assert np.allclose(fbp(projector, -2 * rays), -2 * fbp(projector, rays), atol=1e-4)


def test_fbp_of_many_slices_is_fbp_of_each():
    projector = make_projector((32, 32), (4.0, 4.0))
    both = np.stack([asymmetric_slice(32).ravel(), asymmetric_slice(32).T.ravel()], axis=1)
    found = fbp(projector, projector.forward(both))
    alone = fbp(projector, projector.forward(np.ascontiguousarray(both[:, 1:])))
    assert np.allclose(found[:, 1:], alone, atol=1e-5)


def without_noise(survival, background):
    truth = asymmetric_slice()
    projector = make_projector(truth.shape, (4.0, 4.0), subsets=8)
    passing = np.full((projector.angles.size * projector.bins, 1), survival, dtype=np.float32)
    counts = projector.forward(truth.reshape(-1, 1)) * passing + np.float32(background)
    return truth, projector, counts[:, None], passing, np.array([[background]], dtype=np.float32)


@pytest.mark.parametrize(("survival", "background"), [(1.0, 0.0), (0.2, 5.0)])
def test_osem_converges_to_the_phantom(survival, background):
    truth, *given = without_noise(survival, background)
    errors = [relative_error(osem(*given, iterations), truth) for iterations in (1, 4, 20)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[1] < 0.03 and errors[2] < 0.01


def test_osem_is_never_negative_and_finite_where_nothing_was_counted():
    _, projector, counts, passing, _ = without_noise(1.0, 0.0)
    counts = np.random.default_rng(0).poisson(counts / 300).astype(np.float32)
    counts = np.concatenate([counts, np.zeros_like(counts)], axis=1)
    found = osem(projector, counts, passing, np.zeros((2, 1), dtype=np.float32), 2)
    assert np.isfinite(found).all() and found.min() >= 0
    assert found[:, 0].max() > 0 and found[:, 1].max() == 0


def test_the_filter_has_its_width_and_keeps_the_sum():
    point = np.zeros((31, 41, 51), dtype=np.float32)
    point[15, 20, 25] = 1
    spacing = np.array([1.0, 2.0, 3.0])
    found = smooth(point, 12.0, spacing)
    place = [(np.arange(n) - n // 2) * d for n, d in zip(point.shape, spacing[::-1], strict=True)]
    for axis, where in enumerate(place):
        profile = found.sum(axis=tuple(a for a in range(3) if a != axis))
        assert np.sqrt((profile * where**2).sum()) * 2.3548 == pytest.approx(12, rel=0.01)
    edge = np.random.default_rng(0).random((5, 8, 8), dtype=np.float32)
    assert smooth(edge, 12.0, spacing).sum() == pytest.approx(edge.sum(), rel=1e-5)
    assert np.array_equal(smooth(edge, 0.0, spacing), edge)
