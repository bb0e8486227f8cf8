"""Where a slice lies in the frame of a 2-D network."""

import numpy as np
import pytest
import torch
from builders import TINY_NETWORK, phantom_ct, tiny_recipe

from medsynth_core.grid import Grid
from medsynth_core.inference.slice_predictor import Predictor
from medsynth_core.networks.registry import create_network
from medsynth_core.preparation.case import prepare, prepare_target
from medsynth_core.preparation.frame import body_boxes, cut_boxes, frame_side, framed, placed, whole_slices
from medsynth_core.recipes.recipe import Augmentation
from medsynth_core.training.augmentation import Augmenter

CPU = torch.device("cpu")
CONTRACT = tiny_recipe().contract


def test_a_box_holds_the_body_of_its_slice_and_the_margin_within_the_slice():
    body = np.zeros((3, 20, 30), dtype=bool)
    body[0, 5:9, 12:20] = True
    body[2, 1, 29] = True
    boxes = body_boxes(body, np.array([2.0, 3.0]))
    assert boxes.tolist() == [[3, 11, 9, 23], [0, 0, 0, 0], [0, 4, 26, 30]]
    assert whole_slices(body.shape).tolist() == [[0, 20, 0, 30]] * 3


def test_boxes_of_a_part_are_relative_to_it_and_vanish_outside():
    boxes = np.array([[3, 11, 9, 23], [0, 4, 26, 30]])
    assert cut_boxes(boxes, (slice(0, 2), slice(5, 20), slice(10, 25))).tolist() == [[0, 6, 0, 13], [0, 0, 0, 0]]


@pytest.mark.parametrize(("size", "trained", "side"), [(50, 96, 96), (97, 96, 128), (130, 0, 160), (64, 0, 64)])
def test_a_frame_is_that_of_the_training_or_the_next_size_that_holds_the_box(size, trained, side):
    assert frame_side(size, trained, 32) == side


@pytest.mark.parametrize("rows", [10, 11, 16, 20, 21])
def test_a_box_is_in_the_middle_of_its_frame(rows):
    inside, taken = placed(np.array([4, 4 + rows, 0, 16]), (16, 16))
    assert inside[0].stop - inside[0].start == taken[0].stop - taken[0].start == min(rows, 16)
    before, after = inside[0].start, 16 - inside[0].stop
    assert 0 <= after - before <= 1
    assert inside[1] == taken[1] == slice(0, 16)


class Seen(torch.nn.Module):
    """Keeps the frames that it is given."""

    in_channels, out_channels, multiple_of = 3, 3, 8

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[torch.Tensor] = []

    def forward(self, image):
        self.frames += list(image.clone())
        return image


@pytest.mark.parametrize("shape", [(6, 40, 44), (6, 41, 43)])
@pytest.mark.parametrize("moves", [{}, {"shift_pixels": 1e-6}])
def test_training_and_inference_show_a_network_the_same_frames(shape, moves):
    """Once by MONAI's transforms, which rotate about the middle of the frame, and once without."""
    prepared = prepare(phantom_ct(shape), CONTRACT)
    seen, empty = Seen(), torch.full((3,), CONTRACT.input.empty)
    Predictor(seen, CONTRACT.model_copy(update={"flip_average": False, "frame": 24}), CPU)(
        prepared.voxels, boxes=prepared.boxes
    )
    augmenter = Augmenter(Augmentation(crop=24, flip=False, **moves), empty, empty)
    voxels = torch.from_numpy(prepared.voxels)
    for k, frame in enumerate(seen.frames):
        top, bottom, left, right = prepared.boxes[k]
        around = voxels[[max(k - 1, 0), k, min(k + 1, len(voxels) - 1)], top:bottom, left:right]
        shown, _ = augmenter.pair(around, around, np.random.default_rng(0))
        assert frame.shape == shown.shape == (3, 24, 24)
        assert torch.allclose(frame, shown, atol=1e-4)


def deep() -> torch.nn.Module:
    """Return a network that halves its frame until one pixel is left, so that it knows where in it the body is."""
    torch.manual_seed(0)
    options = {**TINY_NETWORK["options"], "channels": [4, 6, 8, 8, 8], "in_channels": 3, "out_channels": 3}
    return create_network("cascade-compact", **options).eval()


def predicted(ct, contract):
    prepared = prepare(ct, contract)
    made = Predictor(deep(), contract, CPU)(prepared.voxels, boxes=prepared.boxes)
    made[~prepared.body] = 0
    return prepared.restore(made)


@pytest.mark.parametrize("moved", [(9, 0), (-13, 17), (4, -6)])
def test_a_body_off_the_middle_gives_the_answer_of_one_in_the_middle(moved):
    air = np.full((6, 90, 94), -1000, dtype=np.int16)
    air[:, 25:65, 25:69] = phantom_ct().voxels
    ct = phantom_ct().replace(voxels=air)
    contract = CONTRACT.model_copy(update={"frame": 32, "spacing": None})
    middle = predicted(ct, contract)
    aside = predicted(ct.replace(voxels=np.roll(air, moved, axis=(1, 2))), contract)
    assert np.abs(middle).max() > 0.01
    assert np.array_equal(aside, np.roll(middle, moved, axis=(1, 2)))


def growing_ct(slices: int = 24):
    """Return a CT of a body that becomes wider from slice to slice and moves to the side."""
    k, j, i = np.indices((slices, 60, 70))
    body = ((j - 28 - k / 6) / (8 + k / 2)) ** 2 + ((i - 30 - k / 4) / (10 + k / 2)) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 30, body.shape)
    return phantom_ct().replace(voxels=(np.where(body, 40, -1000) + noise * body).astype(np.int16))


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 3.0), (1.7, 1.7, 4.1), None])
@pytest.mark.parametrize("part", [slice(0, 14), slice(9, 24), slice(5, 17)])
def test_without_other_slices_only_those_at_the_ends_change(spacing, part):
    contract = CONTRACT.model_copy(update={"frame": 32, "spacing": spacing})
    ct = growing_ct()
    matrix = ct.ijk_to_ras.copy()
    matrix[:3, 3] += part.start * matrix[:3, 2]
    whole, alone = predicted(ct, contract), predicted(ct.replace(voxels=ct.voxels[part], ijk_to_ras=matrix), contract)
    # The network sees one slice on either side and predicts one; resampling adds one more.
    ends = 2 if spacing in (None, (2.0, 2.0, 3.0)) else 4
    first, last = (ends if part.start else 0), (ends if part.stop < 24 else 0)
    inner = slice(first, part.stop - part.start - last)
    assert np.abs(whole[part][inner]).max() > 0.01
    assert np.allclose(alone[inner], whole[part][inner], atol=1e-5)


@pytest.mark.parametrize("padding", [-1025, -2000, -3024, -32768])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_padding_below_the_scale_of_ct_changes_nothing(padding, kind):
    ct = phantom_ct()
    j, i = np.indices(ct.shape[1:])
    corner = np.hypot(j - 20, i - 22) > 17
    padded, plain = (ct.replace(voxels=np.where(corner, value, ct.voxels).astype(kind)) for value in (padding, -1024))
    one, other = prepare(padded, CONTRACT), prepare(plain, CONTRACT)
    assert np.array_equal(one.voxels, other.voxels) and np.array_equal(one.body, other.body)
    side = CONTRACT.inputs["ct"]
    assert np.array_equal(prepare_target(padded, other, side), prepare_target(plain, other, side))


def test_a_matrix_resamples_the_field_of_view_and_the_result_comes_back():
    contract = CONTRACT.model_copy(update={"spacing": None, "matrix": (32, 32), "frame": 32})
    ct = phantom_ct((6, 80, 60))
    prepared = prepare(ct, contract)
    assert prepared.voxels.shape == (6, 32, 32) and prepared.boxes is None
    assert np.allclose(prepared.grid.spacing, [2.5, 2.5, 3.0])
    field = Grid.of(ct).size * Grid.of(ct).spacing
    assert (prepared.grid.size * prepared.grid.spacing >= field - 1e-9).all()
    assert prepared.restore(prepared.voxels).shape == ct.shape


def test_slices_are_in_the_middle_of_their_frames():
    slices = np.arange(2 * 3 * 8, dtype=np.float32).reshape(2, 3, 8)
    found = framed(slices, 6, -1.0)
    assert found.shape == (2, 6, 6) and found.dtype == np.float32
    # Three rows in six, the additional empty one at the end; the middle six of eight columns.
    assert np.array_equal(found[:, 1:4], slices[:, :, 1:7])
    assert (found[:, [0, 4, 5]] == -1).all()
