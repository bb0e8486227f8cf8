"""Offsets of boxes, the loss of SSD, and the boxes that a detector finds."""

import pytest
import torch
from torch.nn import functional

from medsynth_core.losses.boxes import corners, decoded, detected, encoded, matched, multibox_loss
from medsynth_core.networks.registry import create_network

DEFAULTS = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.5, 0.5, 0.4, 0.2], [0.8, 0.8, 0.3, 0.3], [0.5, 0.2, 0.1, 0.1]])
LESIONS = torch.tensor([[0.31, 0.4, 0.7, 0.6], [0.1, 0.7, 0.3, 0.9]])


def test_offsets_are_those_published_and_lead_back():
    offsets = encoded(LESIONS, DEFAULTS[:2])
    centre, size = torch.tensor([0.505, 0.5]), torch.tensor([0.39, 0.2])
    assert offsets[0].tolist() == pytest.approx(
        [*((centre - 0.2) / 0.2 / 0.1).tolist(), *(torch.log(size / 0.2) / 0.2).tolist()], abs=1e-5
    )
    torch.testing.assert_close(decoded(offsets, DEFAULTS[:2]), LESIONS)


def test_a_default_box_finds_what_it_overlaps_by_half():
    kinds, offsets = matched(LESIONS, torch.tensor([1, 2]), DEFAULTS)
    # The second box overlaps the first lesion; no box overlaps the second lesion by half, but one box must find it.
    assert kinds[1] == 1 and (kinds == 2).sum() == 1 and (kinds == 0).sum() == 2
    torch.testing.assert_close(decoded(offsets, DEFAULTS)[1], LESIONS[0])
    nothing, none = matched(LESIONS[:0], torch.zeros(0, dtype=torch.long), DEFAULTS)
    assert not nothing.any() and not none.any()


def test_the_loss_counts_three_wrong_boxes_for_each_right_one():
    generator = torch.Generator().manual_seed(0)
    logits, offsets = (torch.randn((1, 10, n), generator=generator) for n in (2, 4))
    kinds, wanted = torch.zeros((1, 10), dtype=torch.long), torch.zeros((1, 10, 4))
    kinds[0, 3] = 1
    entropy = -functional.log_softmax(logits, -1)[0]
    wrong = entropy[[0, 1, 2, 4, 5, 6, 7, 8, 9], 0].sort(descending=True).values[:3]
    smooth = functional.smooth_l1_loss(offsets[0, 3], wanted[0, 3], reduction="sum")
    loss = multibox_loss(logits, offsets, kinds, wanted)
    torch.testing.assert_close(loss, smooth + entropy[3, 1] + wrong.sum())
    empty = multibox_loss(logits, offsets, torch.zeros_like(kinds), wanted)
    torch.testing.assert_close(empty, entropy[:, 0].sort(descending=True).values[:3].sum())


def test_of_overlapping_boxes_the_best_is_found():
    defaults = torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.52, 0.5, 0.4, 0.4], [0.1, 0.1, 0.4, 0.4], [0.8, 0.8, 0.1, 0.1]])
    logits = torch.tensor([[0.0, 3.0], [0.0, 4.0], [0.0, 2.0], [3.0, 0.0]])
    boxes, kinds, scores = detected(logits, torch.zeros(4, 4), defaults)
    torch.testing.assert_close(boxes, corners(defaults[1:3]).clamp(0, 1))
    assert kinds.tolist() == [1, 1] and scores.tolist() == pytest.approx(logits[1:3].softmax(1)[:, 1].tolist())
    assert not len(detected(logits, torch.zeros(4, 4), defaults, score=0.999)[0])


def test_boxes_of_several_kinds_come_with_the_most_likely_first():
    # Apart from each other, but for the last two, which are one lesion of two kinds.
    defaults = torch.tensor(
        [[0.1, 0.1, 0.1, 0.1], [0.4, 0.1, 0.1, 0.1], [0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.1, 0.1], [0.11, 0.6, 0.1, 0.1]]
    )
    logits = torch.tensor([[0, 3, 0, 0], [0, 0, 0, 5], [0, 4, 0, 0], [0, 0, 0, 2.5], [0, 2, 0, 0]], dtype=torch.float32)
    boxes, kinds, scores = detected(logits, torch.zeros(5, 4), defaults)
    assert kinds.tolist() == [3, 1, 1, 3, 1]
    torch.testing.assert_close(boxes, corners(defaults[[1, 2, 0, 3, 4]]))
    likely = logits.softmax(1)
    torch.testing.assert_close(
        scores, torch.stack([likely[1, 3], likely[2, 1], likely[0, 1], likely[3, 3], likely[4, 1]])
    )
    boxes, kinds, scores = detected(logits, torch.zeros(5, 4), defaults, most=1)
    assert kinds.tolist() == [3, 1]
    none = detected(logits, torch.zeros(5, 4), defaults, score=0.999)
    assert [tuple(part.shape) for part in none] == [(0, 4), (0,), (0,)] and none[1].dtype == torch.long


def test_a_detector_learns_to_find_a_square():
    """Two images with a bright square in different places, and one without: it is found where it lies."""
    torch.manual_seed(0)
    network = create_network("lesion-detector", channels=4, size=64)
    defaults = network.default_boxes()
    images, places = torch.zeros(3, 1, 64, 64), torch.tensor([[8, 8, 28, 28], [36, 24, 56, 44]]) / 64
    images[0, 0, 8:28, 8:28] = images[1, 0, 24:44, 36:56] = 1.0
    found = [matched(box[None], torch.ones(1, dtype=torch.long), defaults) for box in places]
    found.append(matched(places[:0], torch.zeros(0, dtype=torch.long), defaults))
    kinds, wanted = (torch.stack(parts) for parts in zip(*found, strict=True))
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(150):
        optimiser.zero_grad()
        loss = multibox_loss(*network(images), kinds, wanted)
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        logits, offsets = network.eval()(images)
    for index, place in enumerate(places):
        boxes, _, _ = detected(logits[index], offsets[index], defaults)
        assert len(boxes) and (boxes[0] - place).abs().max() < 0.05
    assert not len(detected(logits[2], offsets[2], defaults)[0])
