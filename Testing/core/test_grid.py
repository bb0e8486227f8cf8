"""Resampling is exact where grids allow a copy, and well-behaved where it interpolates."""

import itertools

import numpy as np
import pytest
from builders import axial_matrix, phantom_ct

from medsynth_core import MedSynthError, Volume
from medsynth_core.grid import Grid, resample, resample_array
from medsynth_core.volume import LPS_TO_RAS

SHAPE = (4, 5, 6)


def voxels(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def rotation(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_all_48_axis_orders_become_lps_and_come_back_bit_for_bit(axes, signs):
    matrix = np.eye(4)
    matrix[:3, :3] = (np.diag(signs) * (0.9, 1.1, 3.0))[:, axes]
    matrix[:3, 3] = (5, -7, 11)
    source = Grid(SHAPE, matrix)
    oriented = source.oriented()
    lps = (LPS_TO_RAS @ oriented.ijk_to_ras)[:3, :3]
    assert np.allclose(lps, np.diag(np.diag(lps))) and (np.diag(lps) > 0).all()
    moved = resample_array(voxels(), source, oriented)
    assert np.array_equal(resample_array(moved, oriented, source), voxels())
    assert moved.sum() == pytest.approx(voxels().sum(), rel=1e-5)


def test_every_voxel_keeps_its_place_when_axes_are_reordered():
    source = Grid(SHAPE, np.array([[0, 0, 3.0, 5], [0.9, 0, 0, -7], [0, -1.1, 0, 2], [0, 0, 0, 1]]))
    target = source.oriented()
    moved = resample_array(voxels(), source, target)
    for k, j, i in ((0, 0, 0), (1, 2, 3), (3, 4, 5)):
        place = source.ijk_to_ras @ (i, j, k, 1)
        i2, j2, k2 = np.rint(np.linalg.inv(target.ijk_to_ras) @ place)[:3].astype(int)
        assert moved[k2, j2, i2] == voxels()[k, j, i]


def test_crop_and_margin_are_copied_and_undone_exactly_inside():
    source = Grid(SHAPE, axial_matrix())
    part = source.part(np.array([2, -3, 1]), np.array([9, 10, 3]))
    moved = resample_array(voxels(), source, part, fill=-1000)
    assert moved.shape == (3, 10, 9) and (moved[:, :3] == -1000).all()
    assert np.array_equal(moved[:, 3:8, :4], voxels()[1:4, :, 2:])
    back = resample_array(moved, part, source, fill=7)
    assert np.array_equal(back[1:4, :, 2:], voxels()[1:4, :, 2:]) and (back[0] == 7).all()


def test_no_overlap_copies_nothing():
    source = Grid(SHAPE, axial_matrix())
    assert (resample_array(voxels(), source, source.part(np.array([50, 0, 0]), np.array([6, 5, 4])), fill=3) == 3).all()


def test_a_linear_ramp_survives_resampling_of_an_oblique_sheared_left_handed_grid():
    matrix = rotation(17) @ np.array([[-0.9, 0, 0.2, 5], [0, -1.1, 0, 9], [0, 0, -2.5, 4], [0, 0, 0, 1]])
    source = Grid((9, 14, 15), matrix)
    target = source.oriented().straightened().with_spacing(np.array([0.8, 0.8, 2.0]))
    k, j, i = np.meshgrid(*[np.arange(n) for n in target.shape], indexing="ij")
    ramp = np.tensordot(target.ijk_to_ras[:3, :3], np.stack([i, j, k]), 1)[1].astype(np.float32)
    back = resample_array(ramp, target, source)
    k, j, i = np.meshgrid(*[np.arange(n) for n in source.shape], indexing="ij")
    places = np.linalg.inv(target.ijk_to_ras) @ source.ijk_to_ras
    expected = np.tensordot((target.ijk_to_ras @ places)[1, :3], np.stack([i, j, k]), 1)
    expected = expected + (target.ijk_to_ras @ places)[1, 3] - target.ijk_to_ras[1, 3]
    assert np.abs(back - expected).max() < 1e-3


def test_a_coarser_grid_averages_instead_of_picking_and_never_overshoots():
    noise = voxels((8, 64, 64))
    source = Grid(noise.shape, axial_matrix((0.5, 0.5, 3)))
    coarse = resample_array(noise, source, source.with_spacing(np.array([2.0, 2.0, 3.0])))
    assert coarse.std() < 0.5 * noise.std()
    assert coarse.min() >= noise.min() and coarse.max() <= noise.max()


@pytest.mark.parametrize("turn", [0, 17])
def test_a_crop_is_sampled_at_the_points_of_the_whole_volume(turn):
    whole = Grid((40, 50, 60), rotation(turn) @ axial_matrix((0.7, 0.7, 2.5)))
    crop = whole.part(np.array([7, 3, 5]), np.array([31, 40, 22]))
    for some in (whole, crop):
        fine, kept = (grid.with_spacing(np.array([2.0, 2.0, 3.27])) for grid in (some, whole))
        apart = np.linalg.inv(kept.ijk_to_ras) @ fine.ijk_to_ras[:, 3]
        assert np.allclose(apart, np.rint(apart), atol=1e-6)
    straight, other = (grid.oriented().straightened() for grid in (whole, crop))
    apart = np.linalg.inv(straight.ijk_to_ras) @ other.ijk_to_ras[:, 3]
    assert np.allclose(apart, np.rint(apart), atol=1e-6)


def test_an_axis_that_has_the_spacing_keeps_its_voxel_centres():
    grid = Grid((40, 50, 60), axial_matrix((0.7, 0.7, 3.27)))
    coarse = grid.with_spacing(np.array([2.0, 2.0, 3.27]))
    assert coarse.shape[0] == 40 and coarse.ijk_to_ras[2, 3] == grid.ijk_to_ras[2, 3]


@pytest.mark.parametrize("shape", [(4, 512, 512), (4, 400, 512), (4, 96, 60), (1, 256, 256)])
def test_a_matrix_holds_the_whole_field_of_view_in_its_middle(shape):
    grid = Grid(shape, axial_matrix((0.9, 0.9, 3)))
    matrix = grid.with_matrix(256, 256)
    assert matrix.shape == (shape[0], 256, 256)
    assert np.allclose(matrix.spacing, [0.9 * max(shape[1:]) / 256] * 2 + [3])
    middles = [some.ijk_to_ras @ [*(some.size - 1) / 2, 1] for some in (grid, matrix)]
    assert np.allclose(*middles)
    if shape[1:] == (256, 256):
        assert np.array_equal(matrix.ijk_to_ras, grid.ijk_to_ras)


def test_spacing_covers_the_box_and_leaves_a_single_slice_alone():
    grid = Grid((1, 100, 101), axial_matrix((0.7, 0.7, 5)))
    coarse = grid.with_spacing(np.array([2.0, 2.0, 3.27]))
    assert coarse.shape[0] == 1 and coarse.spacing[2] == 5
    assert np.allclose(coarse.spacing[:2], 2)
    assert (coarse.size * coarse.spacing >= grid.size * grid.spacing - 1e-9).all()


def test_a_grid_within_a_degree_is_straight_and_a_tilted_one_is_not():
    assert Grid(SHAPE, rotation(0.5) @ axial_matrix()).oriented().straight()
    assert not Grid(SHAPE, rotation(10) @ axial_matrix()).oriented().straight()


def test_resampling_without_overlap_is_refused():
    ct = phantom_ct()
    elsewhere = axial_matrix()
    elsewhere[:3, 3] += 1000
    with pytest.raises(MedSynthError, match="do not overlap"):
        resample(ct, Volume(ct.voxels, elsewhere))


def test_labels_keep_their_values():
    mask = phantom_ct().replace(voxels=(phantom_ct().voxels > 0).astype(np.uint8))
    like = Volume(np.zeros((12, 60, 66)), axial_matrix((0.66, 0.66, 1.5)))
    moved = resample(mask, like, order="nearest")
    assert set(np.unique(moved.voxels)) == {0, 1} and moved.voxels.dtype == np.uint8
