"""Maps, masks, fusion and placement of lesions hold on real CT, MR, X-ray and fundus images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from medsynth_core import read_volume
from medsynth_core.io.pictures import read_picture
from medsynth_core.structure.fusion import fuse_noise
from medsynth_core.structure.lesions import is_inside, place_lesion
from medsynth_core.structure.settings import preset
from medsynth_core.structure.volume_maps import Structure, structure_of

# The preset of each image, and how it is read from the sample case or the development data.
FILES: dict[str, tuple[str, str]] = {
    "CT": ("extremity-ct", "ct.nii.gz"),
    "MR": ("extremity-mr", "mr_t1.nii.gz"),
    "X-ray": ("x-ray", "chest-xray/test/NORMAL/IM-0001-0001.jpeg"),
    "X-ray of another patient": ("x-ray", "chest-xray/test/NORMAL/IM-0010-0001.jpeg"),
    "fundus": ("fundus", "fundus-chase/Image_01L.jpg"),
}


@pytest.fixture(params=FILES)
def image(request, sample_case: Path) -> tuple[str, np.ndarray]:
    """The name of a preset, and an image of its kind: a slice, or a picture."""
    name, file = FILES[request.param]
    if file.endswith(".nii.gz"):
        voxels = read_volume(sample_case / file).voxels
        return name, voxels[len(voxels) // 2].astype(np.float64)
    data: Path = request.getfixturevalue("shared_data")
    return name, read_picture(data / file, "green").astype(np.float64)


@pytest.fixture
def found(image) -> Structure:
    name, voxels = image
    return structure_of(voxels, preset(name))


def test_lines_lie_in_the_organ_and_are_a_part_of_it(found):
    assert not (found.lines & found.background).any()
    assert 0.02 < found.lines[~found.background].mean() < 0.5


def test_the_organ_is_brighter_than_the_background_and_mostly_one_part(image, found):
    _, voxels = image
    organ = ~found.background
    assert 0.1 < organ.mean() < 0.99
    assert np.median(voxels[organ]) > np.median(voxels[found.background])
    parts, _ = ndimage.label(organ)
    assert np.bincount(parts.ravel())[1:].max() > 0.7 * organ.sum()


def test_lines_are_where_the_image_changes(image, found):
    _, voxels = image
    change = np.hypot(*(ndimage.sobel(ndimage.gaussian_filter(voxels, 1), axis=axis) for axis in (0, 1)))
    inside = ~found.background
    assert np.median(change[found.lines]) > 1.5 * np.median(change[inside & ~found.lines])


def test_noise_fills_the_organ_and_nothing_else(found):
    fused = fuse_noise(found.lines, found.background, np.random.default_rng(0))
    free = ~found.lines & ~found.background
    assert (fused[found.lines] == 1).all() and (fused[found.background] == 0).all()
    assert fused[free].min() >= 0.5 and fused[free].max() <= 0.6 and fused[free].std() > 0.02


def blob(shape: tuple[int, ...], place: Callable[[int], int]) -> np.ndarray:
    """Return a round lesion with a brighter middle."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    radius = np.hypot(rows - place(shape[0]), columns - place(shape[1]))
    return (radius < 6).astype(np.uint8) + (radius < 3)


@pytest.mark.parametrize("place", [lambda n: n // 2, lambda n: 8], ids=["middle", "corner"])
def test_lesions_are_placed_inside_the_organ(found, place):
    random = np.random.default_rng(1)
    labels = [blob(found.background.shape, place)]
    for _ in range(5):
        placed = place_lesion(labels, found.background, random)
        assert is_inside(placed, found.background) and set(np.unique(placed)) <= {0, 1, 2}
        assert 30 < (placed > 0).sum() < 300


def test_the_edges_of_a_lesion_are_left_out_and_no_others(image, found):
    name, voxels = image
    random = np.random.default_rng(2)
    lesion = place_lesion([blob(voxels.shape, lambda n: n // 2)], found.background, random)
    without = structure_of(voxels, preset(name), lesion=lesion).lines
    near = ndimage.binary_dilation(lesion != 0, np.ones((3, 3)), iterations=2)
    assert not without[near].any() and np.array_equal(without[~near], found.lines[~near])
