"""Losses of a critic, whose scores estimate the Wasserstein distance of real and synthetic images (WGAN, WGAN-GP)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def critic_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Return what a critic minimises, a scalar: mean score of synthetic minus mean score of real images.

    Its negative estimates the Wasserstein distance, up to a factor (Arjovsky et al. 2017).

    Args:
        fake: scores of synthetic images, of any shape.
        real: scores of real images, of any shape.
    """
    return fake.mean() - real.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the mean of (‖∇D(x)‖₂ − 1)², a scalar that the critic's weights have gradients of (Gulrajani et al. 2017).

    Args:
        critic: (n, …) images to (n) scores.
        images: (n, …) mixtures of a real and a synthetic image each.
    """
    images = images.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()
