"""The weighted cross-entropy of the U-Net."""

import numpy as np
import pytest
import torch
from torch.nn.functional import log_softmax

from medsynth_core.losses.segmentation import border_weights, class_weights, weighted_cross_entropy


def test_rare_classes_weigh_more_and_the_mean_is_1():
    labels = np.zeros((10, 10), int)
    labels[0] = 1
    weights = class_weights(labels, 3)
    assert weights[1] / weights[0] == pytest.approx((0.9 / 0.1) ** 0.5, rel=1e-5)
    assert weights[2] == 0
    assert 0.9 * weights[0] + 0.1 * weights[1] == pytest.approx(1, rel=1e-5)


def test_the_gap_between_two_objects_weighs_most():
    labels = np.zeros((20, 30), int)
    labels[5:15, 5:12], labels[5:15, 15:22] = 1, 2
    found = border_weights(labels)
    assert not found[labels != 0].any()
    # Three pixels lie between them: the middle one is two pixels from both.
    assert found[10, 13] == pytest.approx(10 * np.exp(-((2 + 2) ** 2) / 50), rel=1e-5)
    assert found.max() == pytest.approx(found[10, 13]) and found[0, 29] < 0.5
    assert not border_weights(np.where(labels == 2, 0, labels)).any()


def test_the_loss_is_that_of_the_definition():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn((2, 3, 4, 5), generator=generator), torch.zeros((2, 4, 5), dtype=torch.long)
    labels[0, 1], labels[1, :, 2] = 1, 2
    weights, border = torch.tensor([0.5, 2.0, 3.0]), torch.rand((2, 4, 5), generator=generator)
    entropy = -log_softmax(logits, 1).gather(1, labels[:, None])[:, 0]
    expected = ((weights[labels] + border) * entropy).mean()
    torch.testing.assert_close(weighted_cross_entropy(logits, labels, weights, border), expected)
    torch.testing.assert_close(weighted_cross_entropy(logits, labels, weights), (weights[labels] * entropy).mean())
