"""Intensity mappings follow the publications and are invertible."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from medsynth_core.preparation.intensity import Curve, Intensity, Linear, Percentiles, Scale


def test_a_window_clips_and_maps_linearly():
    window = Curve(points=[(-1000, -1), (1000, 1)])
    assert window.forward(np.array([-2000, -1000, 0, 500, 3000])).tolist() == [-1, -1, 0, 0.5, 1]


def test_a_curve_is_inverted_exactly_within_its_range():
    curve = Curve(points=[(-1000, -1), (-200, -0.7), (300, 0.7), (1300, 1)])
    hu = np.linspace(-1000, 1300, 500)
    assert np.abs(curve.inverse(curve.forward(hu)) - hu).max() < 1e-2


def test_suv_scaling_is_inverted_to_one_part_in_a_million():
    scale = Scale(divisor=5, upper=20)
    suv = np.linspace(0, 20, 999, dtype=np.float32)
    assert np.allclose(scale.inverse(scale.forward(suv)), suv, rtol=1e-6)
    assert scale.inverse(np.array([-1.0, 9.0])).tolist() == [0, 20]


def test_a_linear_mapping_has_no_upper_limit_and_is_inverted_to_one_part_in_a_million():
    linear = Linear(divisor=5)
    suv = np.array([0, 1e-3, 3, 20, 300], dtype=np.float32)
    assert np.allclose(linear.inverse(linear.forward(suv)), suv, rtol=1e-6)
    assert linear.forward(np.array([-2.0, 5.0])).tolist() == [0, 1] and linear.inverse(np.array([-1.0])).tolist() == [0]
    assert linear.span is None


def test_min_max_maps_a_volume_onto_0_to_255_and_back():
    voxels = np.array([[[-50.0, 100.0, 250.0]]])
    mapping = Percentiles()
    assert mapping.forward(voxels).ravel().tolist() == [0, 127.5, 255]
    assert np.allclose(mapping.inverse(mapping.forward(voxels), voxels), voxels)


def test_percentiles_ignore_a_single_bright_voxel():
    voxels = np.r_[np.linspace(0, 100, 999), 1e6].reshape(1, 1, -1)
    assert Percentiles().forward(voxels)[0, 0, 500] < 0.1
    assert Percentiles(upper=99).forward(voxels)[0, 0, 500] == pytest.approx(129, abs=3)


def test_a_constant_volume_maps_to_zero_without_a_division_by_zero():
    assert (Percentiles().forward(np.full((2, 2, 2), 7.0)) == 0).all()


@pytest.mark.parametrize("content", [{"kind": "curve", "points": [[0, 1], [0, 2]]}, {"kind": "cubic"}])
def test_a_wrong_mapping_is_refused(content):
    with pytest.raises(ValidationError):
        TypeAdapter(Intensity).validate_python(content)
