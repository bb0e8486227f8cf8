"""Variation and placement of lesion labels."""

import numpy as np
import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.structure.lesions import LabelVariation, filled_boxes, is_inside, place_lesion, vary_label

STILL = LabelVariation(resize=(0, 0), rotate=0.0, flip=False, shift=(0, 0))


def bar(shape=(60, 60), row=20, column=30):
    label = np.zeros(shape, dtype=np.uint8)
    label[..., row : row + 4, column : column + 12] = 2
    label[..., row : row + 2, column : column + 12] = 1
    return label


def disc(radius=25, shape=(60, 60)):
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows - 30) ** 2 + (columns - 30) ** 2 < radius**2


def middle(label):
    found = np.argwhere(label)
    return (found.min(axis=0) + found.max(axis=0)) / 2


def test_nothing_changes_if_nothing_may():
    assert np.array_equal(vary_label(bar(), np.random.default_rng(0), STILL), bar())


def test_a_varied_label_keeps_its_values_and_stays_near_its_place():
    random = np.random.default_rng(1)
    seen = [vary_label(bar(), random) for _ in range(50)]
    for label in seen:
        assert label.dtype == np.uint8 and set(np.unique(label)) == {0, 1, 2}
        assert np.abs(middle(label) - middle(bar())).max() <= 8
        assert 0.6 < (label > 0).sum() / (bar() > 0).sum() < 1.5
    assert len({label.tobytes() for label in seen}) > 45


@pytest.mark.parametrize(
    ("variation", "check"),
    [
        (LabelVariation((0, 0), 0.0, False, (2, 6)), lambda label: abs(middle(label) - middle(bar())).min() >= 2),
        (LabelVariation((0, 0), 0.0, True, (0, 0)), lambda label: (label > 0).sum() == 48),
        (LabelVariation((8, 8), 0.0, False, (0, 0)), lambda label: (label > 0).sum() != 48),
    ],
)
def test_each_kind_of_variation(variation, check):
    random = np.random.default_rng(2)
    assert all(check(vary_label(bar(), random, variation)) for _ in range(20))


def test_a_rotation_turns_the_lesion():
    random = np.random.default_rng(3)
    turned = [vary_label(bar(), random, LabelVariation((0, 0), 180.0, False, (0, 0))) for _ in range(40)]
    heights = [np.ptp(np.argwhere(label)[:, 0]) + 1 for label in turned]
    assert min(heights) <= 5 and max(heights) >= 11


def test_slices_of_a_volume_are_varied_alike():
    label = vary_label(bar((3, 60, 60)), np.random.default_rng(4))
    assert label.any() and np.array_equal(label[0], label[2])


def test_an_empty_label_stays_empty():
    assert not vary_label(np.zeros((9, 9), dtype=int), np.random.default_rng(0)).any()


def test_only_labels_within_the_organ_are_inside():
    assert is_inside(bar(), ~disc()) and not is_inside(bar(row=2), ~disc())
    assert not is_inside(np.zeros((60, 60)), ~disc())
    touching = ~disc()
    touching[20, 30] = True
    assert not is_inside(bar(), touching)


def test_placed_lesions_lie_in_the_organ():
    random = np.random.default_rng(5)
    labels = [bar(), bar(row=0, column=0), bar(row=50, column=40)]
    placed = [place_lesion(labels, ~disc(), random) for _ in range(60)]
    assert all(is_inside(label, ~disc()) for label in placed)
    assert len({tuple(middle(label)) for label in placed}) > 20


def test_a_lesion_whose_place_is_outside_is_moved_to_any_place_inside():
    random = np.random.default_rng(6)
    placed = [place_lesion([bar(row=1, column=1)], ~disc(), random, STILL) for _ in range(40)]
    assert all(is_inside(label, ~disc()) and (label > 0).sum() == 48 for label in placed)
    rows = [middle(label)[0] for label in placed]
    assert min(rows) < 20 and max(rows) > 40


def test_in_three_dimensions():
    background = np.broadcast_to(~disc(), (6, 60, 60))
    label = bar((6, 60, 60))
    label[[0, 5]] = 0
    placed = place_lesion([label], background, np.random.default_rng(7))
    assert placed.shape == label.shape and is_inside(placed, background)


def test_a_lesion_larger_than_the_organ_is_refused():
    with pytest.raises(MedSynthError, match="fits into the organ"):
        place_lesion([bar()], ~disc(5), np.random.default_rng(0))


def test_labels_without_lesions_or_of_another_grid_are_refused():
    with pytest.raises(MedSynthError, match="None of the lesion labels"):
        place_lesion([np.zeros((60, 60))], ~disc(), np.random.default_rng(0))
    with pytest.raises(MedSynthError, match="must have the shape"):
        place_lesion([bar((50, 50))], ~disc(), np.random.default_rng(0))


@pytest.mark.parametrize("values", [{"resize": (8, 2)}, {"shift": (-1, 3)}, {"rotate": 270.0}])
def test_variations_outside_their_range_are_refused(values):
    with pytest.raises(MedSynthError, match="lesion labels is"):
        LabelVariation(**values)


def test_labels_of_few_pixels_are_varied_too():
    random, label = np.random.default_rng(4), np.eye(8, dtype=np.uint8)
    assert all(vary_label(label, random).shape == (8, 8) for _ in range(100))


def test_lesions_drawn_as_boxes_fill_their_extent_slice_by_slice():
    label = np.zeros((2, 20, 20), np.uint8)
    y, x = np.indices((20, 20))
    label[0][np.hypot(y - 6, x - 6) < 4] = 1
    label[0, 14:18, 14] = 2
    found = filled_boxes(label)
    expected = np.zeros_like(label)
    expected[0, 3:10, 3:10], expected[0, 14:18, 14] = 1, 2
    assert np.array_equal(found, expected) and found.dtype == label.dtype


def test_a_lesion_is_not_cut_off_at_the_border_of_the_image():
    label = np.zeros((64, 64), np.uint8)
    label[2:12, 2:12] = 1
    organ_everywhere = np.zeros((64, 64), bool)
    in_the_middle = np.roll(label, 24, axis=(0, 1))
    areas = [
        [int(place_lesion([one], organ_everywhere, np.random.default_rng(seed)).sum()) for seed in range(60)]
        for one in (label, in_the_middle)
    ]
    # Somewhat smaller ones fit more often at their own place.
    assert min(areas[0]) >= 60 and np.median(areas[0]) == pytest.approx(np.median(areas[1]), rel=0.1)
    stack = np.zeros((3, 64, 64), np.uint8)
    stack[1] = label
    placed = [place_lesion([stack], np.zeros(stack.shape), np.random.default_rng(seed)) for seed in range(20)]
    assert all(one.shape == stack.shape and 60 <= one[1].sum() == one.sum() for one in placed)
