"""The uncertainty is that of the card's curves, weighted by how probable each dose is."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from medsynth_core.inference.uncertainty import expected_error

LOW = ((0.5, 0.1), (1.0, 0.2), (4.0, 0.8))
FULL = ((0.5, 0.01), (2.0, 0.04))
PLAIN = ((0.0, 0.5), (1.0, 0.5))
CARD = SimpleNamespace(error_curve=PLAIN, dose_error_curves=(FULL, LOW))
VALUES = np.array([[[0.0, 0.5, 0.75, 1.0, 2.5, 4.0]]], dtype=np.float32)


def error(*doses: float, values=VALUES, card=CARD) -> np.ndarray:
    return expected_error(values, card, np.array(doses) if doses else None)


def test_of_a_dose_that_is_certain_it_is_its_curve():
    at_low = [0.1, 0.1, 0.15, 0.2, 0.5, 0.8]
    assert np.allclose(error(0, 1), at_low) and error(0, 1).dtype == np.float32 and error(0, 1).shape == VALUES.shape
    assert np.allclose(error(1, 0)[..., :4], [0.01, 0.01, 0.015, 0.02])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_squared_errors_are_averaged_between_doses(share):
    expected = np.sqrt((1 - share) * error(1, 0) ** 2 + share * error(0, 1) ** 2)
    assert np.allclose(error(1 - share, share), expected, rtol=1e-5)
    # Errors themselves averaged would be too small.
    assert (error(1 - share, share) > (1 - share) * error(1, 0) + share * error(0, 1)).all()


def test_beyond_the_hottest_value_of_validation_it_grows_in_proportion():
    hotter = np.array([8.0, 40.0], dtype=np.float32).reshape(1, 1, 2)
    assert np.allclose(error(0, 1, values=hotter), [1.6, 8.0])
    assert np.allclose(error(1, 0, values=hotter), [0.16, 0.8])


def test_without_doses_it_is_the_curve_of_all():
    assert np.allclose(error()[..., :4], 0.5)
    plain = SimpleNamespace(error_curve=PLAIN, dose_error_curves=())
    assert np.allclose(error(0.5, 0.5, card=plain)[..., :4], 0.5)


def test_it_needs_no_more_memory_than_its_result_and_some_slices():
    values = np.random.default_rng(0).gamma(1.0, 1.0, (60, 128, 128)).astype(np.float32)
    tracemalloc.start()
    found = error(0.5, 0.5, values=values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * values.nbytes and np.allclose(found[7:8], error(0.5, 0.5, values=values[7:8]))
