"""The losses of a critic: its estimate of the distance, and the penalty of its gradient."""

from __future__ import annotations

import pytest
import torch

from medsynth_core.losses.wasserstein import critic_loss, gradient_penalty


def test_the_penalty_of_a_linear_critic_is_that_of_its_weights():
    weights = torch.tensor([[3.0, 4.0], [0.0, 0.0]], requires_grad=True)  # of norm 5
    images = torch.randn(6, 1, 2, 2)
    penalty = gradient_penalty(lambda image: (image * weights).sum(dim=(1, 2, 3)), images)
    assert penalty.item() == pytest.approx(16.0)
    penalty.backward()
    # d (‖w‖ − 1)² / dw = 2 (‖w‖ − 1) w / ‖w‖
    torch.testing.assert_close(weights.grad, 2 * 4 / 5 * weights.detach())
    assert not images.requires_grad


def test_a_critic_that_does_not_look_has_a_penalty_of_1():
    penalty = gradient_penalty(lambda image: 0 * image.sum(dim=(1, 2, 3)) + 7, torch.randn(3, 2, 4, 4))
    assert penalty.item() == 1.0


def test_a_critic_lowers_the_scores_of_synthetic_images_and_raises_those_of_real_ones():
    fake, real = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([5.0], requires_grad=True)
    loss = critic_loss(fake, real)
    assert loss.item() == -3.0
    loss.backward()
    assert fake.grad.tolist() == [0.5, 0.5] and real.grad.tolist() == [-1.0]
