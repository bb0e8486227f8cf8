"""The gradient difference loss against values worked out by hand."""

from __future__ import annotations

import pytest
import torch

from medsynth_core.losses.gradient_difference import gradient_difference


def test_a_worked_example():
    target = torch.tensor([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]])[None, None]
    predicted = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0]])[None, None]
    # Down: |∂target| = 0 1 3, |∂predicted| = 1 2 0, so 1 + 1 + 3 over 3. Across: |∂target| = 1 2 / 0 0,
    # |∂predicted| = 2 2 / 1 0, so 1 + 0 + 1 + 0 over 4.
    assert float(gradient_difference(predicted, target)) == pytest.approx((5 / 3 + 2 / 4) / 2)


def test_three_dimensions_count_the_third_axis():
    target = torch.zeros(1, 1, 2, 2, 2)
    predicted = torch.zeros(1, 1, 2, 2, 2)
    predicted[:, :, 1] = 6.0
    # All four differences between the slices are 6; there are none in the slices.
    assert float(gradient_difference(predicted, target)) == pytest.approx(6 / 3)


@pytest.mark.parametrize("shape", [(2, 3, 7, 5), (2, 1, 4, 6, 5), (1, 1, 1, 6, 5)])
def test_equal_images_offsets_and_flipped_edges_have_zero_loss(shape):
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert float(gradient_difference(image, image)) == 0
    assert float(gradient_difference(image + 2, image)) == pytest.approx(0, abs=1e-6)
    assert float(gradient_difference(-image, image)) == 0


def test_a_thin_axis_does_not_count():
    a, b = torch.rand(2, 1, 1, 6, 5, generator=torch.Generator().manual_seed(0)).unbind()
    slab = gradient_difference(a[None], b[None])
    assert float(slab) == pytest.approx(float(gradient_difference(a, b)))
    point = torch.ones(1, 1, 1, 1, requires_grad=True)
    gradient_difference(point, point.detach() + 1).backward()
    assert float(point.grad) == 0


def test_descending_it_sharpens_a_blurred_edge():
    target = torch.tensor([0.0, 0, 0, 1, 1, 1]).expand(1, 1, 6, 6)
    image = torch.tensor([0.0, 0.1, 0.3, 0.7, 0.9, 1]).repeat(1, 1, 6, 1).requires_grad_()
    optimiser = torch.optim.SGD([image], lr=0.1)
    first = gradient_difference(image, target).item()
    for _ in range(100):
        optimiser.zero_grad()
        gradient_difference(image, target).backward()
        optimiser.step()
    assert gradient_difference(image, target).item() < 0.5 * first


def test_shapes_that_broadcast_are_refused():
    with pytest.raises(ValueError, match="different shapes"):
        gradient_difference(torch.zeros(1, 1, 4, 4), torch.zeros(1, 3, 4, 4))
