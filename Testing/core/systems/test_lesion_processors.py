"""Losses of segmenter, classifier and detector, as the author's code and as the networks' own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.nn.functional import one_hot

from medsynth_core.losses.boxes import encoded, matched
from medsynth_core.networks.registry import create_network
from medsynth_core.systems.lesion_processors import lesion_loss

SIDE = 64


def labels() -> torch.Tensor:
    """Return a label with a lesion of each of two kinds, and one without any."""
    found = torch.zeros(2, 1, SIDE, SIDE)
    found[0, 0, 8:24, 10:30] = 1
    found[0, 0, 40:56, 36:60] = 2
    return found


def test_a_segmenter_is_compared_class_by_class_with_the_weights_of_the_code():
    network = create_network("lesion-segmenter", channels=2, out_channels=3)
    found = torch.rand(2, 3, SIDE, SIDE)
    wanted = one_hot(labels()[:, 0].long(), 3).movedim(-1, 1)
    each = [((found[:, kind] - wanted[:, kind]) ** 2).mean() for kind in range(3)]
    torch.testing.assert_close(lesion_loss(network, found, labels(), False), 0.5 * each[0] + 5 * each[1] + 25 * each[2])


def test_the_own_loss_of_a_segmenter_is_the_weighted_cross_entropy_of_its_shares():
    network = create_network("lesion-segmenter", channels=2, out_channels=3)
    found = torch.rand(2, 3, SIDE, SIDE) + 0.1
    kinds = labels()[:, 0].long()
    weights = torch.tensor([0.5, 5.0, 25.0])[kinds]
    # Logarithms of shares are logits.
    entropy = functional.cross_entropy(found.log(), kinds, reduction="none")
    torch.testing.assert_close(lesion_loss(network, found, labels(), True), (weights * entropy).mean())
    right = one_hot(kinds, 3).movedim(-1, 1).float()
    assert float(lesion_loss(network, right, labels(), True)) == pytest.approx(0, abs=1e-6)
    # Shares of almost nothing, and shares of nothing, whose logarithm is that of a millionth.
    little, wrong = torch.full((2, 3, SIDE, SIDE), 1e-7), (1 - right) / 2
    for given, share in ((little, 0.1), (wrong, 1e-6)):
        expected = -weights.mean() * math.log(share)
        assert float(lesion_loss(network, given, labels(), True)) == pytest.approx(float(expected), rel=1e-5)


def test_a_classifier_is_compared_with_the_largest_label_of_each_image():
    network = create_network("lesion-classifier", channels=2, classes=3)
    logits = torch.tensor([[0.0, 1.0, 2.0], [3.0, 0.0, -1.0]])
    kinds = torch.tensor([2, 0])
    own, squares = (lesion_loss(network, logits, labels(), own) for own in (True, False))
    torch.testing.assert_close(own, functional.cross_entropy(logits, kinds))
    torch.testing.assert_close(squares, ((logits.softmax(1) - one_hot(kinds, 3)) ** 2).mean())


@pytest.mark.parametrize("own", [True, False])
def test_a_detector_has_its_own_loss_of_the_boxes_of_connected_lesions(own):
    network = create_network("lesion-detector", channels=2, classes=2, size=SIDE)
    defaults = network.default_boxes()
    boxes = torch.tensor([[10, 8, 30, 24], [36, 40, 60, 56]]) / SIDE
    logits = torch.full((2, len(defaults), 3), -20.0)
    logits[..., 0] = 20.0
    offsets = torch.zeros(2, len(defaults), 4)
    wrong = float(lesion_loss(network, (logits, offsets), labels(), own))
    # A detector that finds each lesion at every default box that is near it, with its kind and place.
    kinds, _ = matched(boxes, torch.tensor([1, 2]), defaults)
    for number, kind in enumerate(kinds.tolist()):
        if kind:
            logits[0, number] = -20.0
            logits[0, number, kind] = 20.0
            offsets[0, number] = encoded(boxes[[kind - 1]], defaults[[number]])[0]
    assert set(kinds.tolist()) == {0, 1, 2}
    right = float(lesion_loss(network, (logits, offsets), labels(), own))
    assert right == pytest.approx(0, abs=1e-4) and wrong > 1


def test_gradients_reach_the_image_through_every_processor():
    image = torch.rand(2, 1, SIDE, SIDE, requires_grad=True)
    for name, options in (
        ("lesion-segmenter", {"out_channels": 3}),
        ("lesion-classifier", {"classes": 3, "dropout": 0.0}),
        ("lesion-detector", {"classes": 2, "size": SIDE}),
    ):
        network = create_network(name, channels=2, **options)
        for own in (True, False):
            (gradient,) = torch.autograd.grad(lesion_loss(network, network(image), labels(), own), image)
            assert np.isfinite(gradient.numpy()).all() and gradient.abs().sum() > 0, (name, own)


@pytest.mark.parametrize("own", [False, True])
def test_labels_beyond_the_last_class_are_of_that_class(own):
    label = torch.zeros(2, 1, 32, 32)
    label[1, 0, 10:20, 10:20] = 1
    segmenter = create_network("lesion-segmenter", channels=2, out_channels=2).eval()
    classifier = create_network("lesion-classifier", channels=2, classes=2).eval()
    for network in (segmenter, classifier):
        found = network(torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0)))
        assert torch.equal(lesion_loss(network, found, 3 * label, own), lesion_loss(network, found, label, own))
