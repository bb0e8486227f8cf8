"""Boxes around lesions: written and read unchanged, and in voxels of any image of the patient."""

import numpy as np
import pytest

from medsynth_core.datasets.boxes import Box, read_boxes, write_boxes
from medsynth_core.errors import MedSynthError

BOX = Box((60.5, -70.0, -120.25), (10.0, 11.0, 5.0), "nodule")


def test_boxes_are_read_as_they_were_written(tmp_path):
    other = Box((1 / 3, 0.0, -1e-3), (0.1, 2.0, 3.0), "=lymph")
    assert read_boxes(write_boxes([BOX, other], tmp_path / "boxes.csv")) == [BOX, other]
    header = (tmp_path / "boxes.csv").read_text().splitlines()[0]
    assert header == "r_mm,a_mm,s_mm,size_r_mm,size_a_mm,size_s_mm,kind"


def test_a_box_covers_the_voxels_that_it_covers_in_the_patient():
    # i runs to the left, j to the back, k to the head, as in a CT.
    matrix = np.array([[-0.5, 0, 0, 100], [0, -0.5, 0, 80], [0, 0, 2.5, -200], [0, 0, 0, 1.0]])
    centre, size = BOX.in_voxels(matrix)
    assert np.allclose(centre, [79, 300, 31.9]) and np.allclose(size, [20, 22, 2])
    # Another order of the axes.
    turned = matrix[:, [2, 0, 1, 3]]
    centre, size = BOX.in_voxels(turned)
    assert np.allclose(centre, [31.9, 79, 300]) and np.allclose(size, [2, 20, 22])


def test_the_box_of_oblique_axes_encloses_the_corners():
    cos, sin = np.cos(0.3), np.sin(0.3)
    matrix = np.array([[cos, -sin, 0, 5], [sin, cos, 0, -7], [0, 0, 2, 1], [0, 0, 0, 1.0]])
    centre, size = BOX.in_voxels(matrix)
    signs = np.array(np.meshgrid([-0.5, 0.5], [-0.5, 0.5], [-0.5, 0.5])).reshape(3, -1)
    corners = np.array(BOX.centre)[:, None] + signs * np.array(BOX.size)[:, None]
    voxels = (np.linalg.inv(matrix) @ np.vstack([corners, np.ones(8)]))[:3]
    assert np.allclose(centre - size / 2, voxels.min(axis=1)) and np.allclose(centre + size / 2, voxels.max(axis=1))


@pytest.mark.parametrize("size", [(1.0, 0.0, 1.0), (1.0, 1.0, -2.0), (1.0, float("nan"), 1.0), (float("inf"), 1, 1)])
def test_a_box_without_extent_is_refused(size):
    with pytest.raises(ValueError, match="sizes above 0"):
        Box((0.0, 0.0, 0.0), size, "nodule")


@pytest.mark.parametrize("row", ["", "1,2,3,4,5,,nodule", "1,2,3,4,5,six,nodule", "1,2,3,4,5,0,nodule"])
def test_a_table_of_something_else_is_refused(tmp_path, row):
    header = "r_mm,a_mm,s_mm,size_r_mm,size_a_mm,size_s_mm,kind" if row else "r_mm,kind"
    (tmp_path / "boxes.csv").write_text(f"{header}\n{row or '1,nodule'}\n")
    with pytest.raises(MedSynthError, match=r"boxes.csv are not a CSV with numbers in the columns r_mm"):
        read_boxes(tmp_path / "boxes.csv")


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MedSynthError, match="cannot be read"):
        read_boxes(tmp_path / "none.csv")
