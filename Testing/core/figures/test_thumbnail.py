"""Thumbnails show the middle axial slice in radiological orientation for any storage order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.figures.thumbnail import SIDE, thumbnail, write_thumbnail
from medsynth_core.io.writing import write_volume
from medsynth_core.volume import Volume


def marked(matrix: np.ndarray) -> Volume:
    """Return a CT of air whose middle slice has bone at the patient's front right."""
    voxels = np.full((9, 60, 80), -1000, dtype=np.int16)
    # In RAS coordinates the patient's right and front are where R and A are high.
    right = slice(60, 80) if matrix[0, 0] > 0 else slice(0, 20)
    front = slice(45, 60) if matrix[1, 1] > 0 else slice(0, 15)
    voxels[4, front, right] = 1000
    return Volume(voxels, matrix, "CT", "HU")


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (-1, 1, 1), (1, -1, -1)])
def test_right_is_left_and_front_is_up_in_every_storage_order(signs: tuple[int, int, int]) -> None:
    pixels = thumbnail(marked(np.diag([*signs, 1.0])))
    assert pixels.shape == (36, 48) and pixels.dtype == np.uint8
    assert pixels[:9, :12].min() == 255
    assert pixels[10:].max() == 0 and pixels[:, 13:].max() == 0


def test_axes_that_are_stored_in_another_order_are_found() -> None:
    axial = marked(np.diag([1.0, 1.0, 1.0, 1.0]))
    # Stored with i up, j to the right and k to the front.
    voxels = np.ascontiguousarray(np.transpose(axial.voxels, (1, 2, 0)))
    matrix = np.eye(4)
    matrix[:3, :3] = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    assert np.array_equal(thumbnail(Volume(voxels, matrix, "CT", "HU")), thumbnail(axial))


def test_pixels_are_square_in_millimetres() -> None:
    volume = Volume(np.zeros((3, 50, 50), np.float32), np.diag([1.0, 4.0, 1.0, 1.0]), "PT", "SUVbw")
    assert thumbnail(volume).shape == (SIDE, SIDE // 4)


def test_other_images_are_windowed_by_percentiles() -> None:
    voxels = np.linspace(0, 8, 3 * 48 * 48, dtype=np.float32).reshape(3, 48, 48)
    pixels = thumbnail(Volume(voxels, np.eye(4), "PT", "SUVbw"))
    assert pixels.min() == 0 and pixels.max() == 255 and 100 < pixels.mean() < 155


def test_file_is_written_as_pgm(tmp_path: Path) -> None:
    file = write_volume(marked(np.eye(4)), tmp_path / "ct.nii.gz")
    picture = write_thumbnail(file, tmp_path / "thumbnails" / "ct.pgm")
    content = picture.read_bytes()
    assert content.startswith(b"P5 48 36 255\n") and len(content) == len(b"P5 48 36 255\n") + 48 * 36


def test_image_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ct.nii.gz").write_bytes(b"no image")
    with pytest.raises(MedSynthError):
        write_thumbnail(tmp_path / "ct.nii.gz", tmp_path / "ct.pgm")
