"""The adversarial losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from monai.losses import PatchAdversarialLoss

from medsynth_core.losses.adversarial import Adversarial

FAKE, REAL = torch.tensor([[-2.0, 0.5]]), torch.tensor([[3.0, 0.0]])


def log_sigmoid(logit: float) -> float:
    return -math.log(1 + math.exp(-logit))


EXPECTED = {
    "least_squares": ((9 + 0.25) / 2, 0.5 * ((4 + 0.25) / 2 + (4 + 1) / 2)),
    "logits": (
        -(log_sigmoid(-2) + log_sigmoid(0.5)) / 2,
        0.5 * (-(log_sigmoid(2) + log_sigmoid(-0.5)) / 2 - (log_sigmoid(3) + log_sigmoid(0)) / 2),
    ),
    "hinge": ((2 - 0.5) / 2, 0.5 * ((0 + 1.5) / 2 + (0 + 1) / 2)),
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_worked_examples(kind):
    generator, discriminator = EXPECTED[kind]
    loss = Adversarial(kind)
    assert float(loss.generator(FAKE)) == pytest.approx(generator)
    assert float(loss.discriminator(FAKE, REAL)) == pytest.approx(discriminator)


def test_least_squares_is_bit_equal_to_monai_without_squashing():
    random = torch.Generator().manual_seed(0)
    fake, real = torch.randn(2, 3, 1, 7, 6, generator=random)
    monai = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)
    both = 0.5 * (
        monai(fake, target_is_real=False, for_discriminator=True)
        + monai(real, target_is_real=True, for_discriminator=True)
    )
    loss = Adversarial("least_squares")
    assert torch.equal(loss.discriminator(fake, real), both)
    assert torch.equal(loss.generator(fake), monai(fake, target_is_real=True, for_discriminator=False))


@pytest.mark.parametrize("kind", EXPECTED)
def test_each_side_pulls_its_own_way(kind):
    fake, real = FAKE.clone().requires_grad_(), REAL.clone().requires_grad_()
    loss = Adversarial(kind)
    (upwards,) = torch.autograd.grad(loss.generator(fake), fake)
    assert upwards[0, 0] < 0  # descending raises the logit of a fake that was found out
    down, up = torch.autograd.grad(loss.discriminator(fake, real), (fake, real))
    assert down[0, 1] > 0  # lowers that of a fake that passed for real
    assert up[0, 1] < 0  # and raises that of a doubted real


def test_logits_far_from_zero_keep_their_gradient():
    fake = torch.tensor([-200.0], requires_grad=True)
    loss = Adversarial("logits").generator(fake)
    loss.backward()
    assert loss.item() == pytest.approx(200)
    assert float(fake.grad) == pytest.approx(-1)


def test_hinge_leaves_alone_what_is_beyond_the_margin():
    fake, real = torch.tensor([-1.5], requires_grad=True), torch.tensor([1.5], requires_grad=True)
    loss = Adversarial("hinge").discriminator(fake, real)
    loss.backward()
    assert loss.item() == float(fake.grad) == float(real.grad) == 0


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="least_squares, logits, hinge"):
        Adversarial("wasserstein")
