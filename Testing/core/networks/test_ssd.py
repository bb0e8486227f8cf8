"""The detector of lesions and its default boxes."""

import pytest
import torch

from medsynth_core.errors import MedSynthError
from medsynth_core.networks.registry import create_network


def detector(**options):
    return create_network("lesion-detector", **{"channels": 2, **options}).eval()


def test_the_published_size_has_the_published_boxes():
    network = detector()
    assert network.sides == [38, 19, 10, 5, 3, 1]
    boxes = network.default_boxes()
    assert boxes.shape == (8732, 4)
    # The sides of the first, second and last map's square boxes, and the longest one of ratio 3.
    assert boxes[0].tolist() == pytest.approx([0.5 / 38, 0.5 / 38, 0.1, 0.1])
    assert boxes[38 * 38 * 4, 2:].tolist() == pytest.approx([0.2, 0.2])
    assert boxes[38 * 38 * 4 + 4, 2:].tolist() == pytest.approx([0.2 * 3**0.5, 0.2 / 3**0.5])
    assert boxes[-4:-2, 2].tolist() == pytest.approx([0.9, (0.9 * 1.075) ** 0.5])


def test_the_default_boxes_are_those_of_liu_et_al():
    """All 8732, written down again: two squares, and for each ratio a wide and a tall box of the same area."""
    boxes = create_network("lesion-detector", channels=2, size=300).default_boxes()
    expected = []
    scales = [0.1, 0.2, 0.375, 0.55, 0.725, 0.9, 1.075]
    for number, (side, ratios) in enumerate(
        zip([38, 19, 10, 5, 3, 1], [[2], [2, 3], [2, 3], [2, 3], [2], [2]], strict=True)
    ):
        scale, following = scales[number : number + 2]
        shapes = [(scale, scale), ((scale * following) ** 0.5,) * 2]
        for ratio in ratios:
            width, height = scale * ratio**0.5, scale / ratio**0.5
            shapes += [(width, height), (height, width)]
        places = [(i, j) for j in range(side) for i in range(side)]
        expected += [((i + 0.5) / side, (j + 0.5) / side, min(w, 1), min(h, 1)) for i, j in places for w, h in shapes]
    torch.testing.assert_close(boxes, torch.tensor(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [64, 100, 128, 224, 256, 300, 512])
def test_every_default_box_has_logits_and_offsets(size):
    network = detector(size=size, classes=2)
    logits, offsets = network(torch.zeros(2, 1, size, size))
    boxes = network.default_boxes()
    assert logits.shape == (2, len(boxes), 3) and offsets.shape == (2, *boxes.shape)
    assert boxes.min() >= 0 and boxes.max() <= 1


def test_boxes_are_in_the_order_of_the_pixels_they_look_at():
    """A bright spot changes most the logits of boxes around it."""
    torch.manual_seed(0)
    network = detector(size=128)
    image = torch.zeros(1, 1, 128, 128)
    image[..., 20:28, 90:98] = 5
    with torch.no_grad():
        change = (network(image)[0] - network(torch.zeros_like(image))[0])[0].abs().sum(dim=1)
    fine = change[: 16 * 16 * 4]
    x, y, *_ = network.default_boxes()[fine.argmax()].tolist()
    assert abs(x - 94 / 128) < 0.25 and abs(y - 24 / 128) < 0.25


def test_images_that_are_too_small_are_refused():
    with pytest.raises(MedSynthError, match="size must be at least 64, not 63"):
        detector(size=63)


@pytest.mark.parametrize("size", range(64, 336, 8))
def test_there_is_a_default_box_for_each_that_is_judged_whatever_the_size(size):
    # 88 to 96 have a map of 6², in the smaller maps of other sizes of which padding begins and ends.
    with torch.device("meta"):
        network = create_network("lesion-detector", channels=2, size=size)
        logits, offsets = network(torch.empty(1, 1, size, size))
    boxes = network.default_boxes()
    assert logits.shape[1] == offsets.shape[1] == len(boxes)
