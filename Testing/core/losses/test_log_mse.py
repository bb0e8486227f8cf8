"""The logarithm of the squared error equals PSNR up to a factor, and each item of a batch counts alike."""

import math

import pytest
import torch

from medsynth_core.losses.log_mse import log_mse

TARGET = torch.rand(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def test_it_is_the_negative_psnr():
    noisy = TARGET + 0.1 * torch.randn(TARGET.shape, generator=torch.Generator().manual_seed(1))
    psnr = [-10 * math.log10(float((a - b).square().mean())) for a, b in zip(noisy, TARGET, strict=True)]
    assert -10 / math.log(10) * float(log_mse(noisy, TARGET)) == pytest.approx(sum(psnr) / 2, abs=0.01)


def test_halving_a_small_error_counts_as_much_as_halving_a_large_one():
    offset = torch.tensor([0.05, 5.0]).view(2, 1, 1, 1, 1)
    halved = [offset * torch.tensor(factor).view(2, 1, 1, 1, 1) for factor in ([0.5, 1.0], [1.0, 0.5])]
    gains = [float(log_mse(TARGET + offset, TARGET) - log_mse(TARGET + less, TARGET)) for less in halved]
    assert gains[0] == pytest.approx(gains[1], rel=0.01) and gains[0] == pytest.approx(math.log(4) / 2, rel=0.01)


def test_what_is_right_already_has_a_finite_gradient():
    made = TARGET.clone().requires_grad_()
    log_mse(made, TARGET).backward()
    assert made.grad is not None and bool(made.grad.isfinite().all())
