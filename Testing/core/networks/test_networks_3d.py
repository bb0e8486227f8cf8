"""The networks of CG-3DSRGAN and its baselines behave as published, on volumes of any size."""

import pytest
import torch

from medsynth_core import create_network


def network(name: str, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return create_network(name, **options).eval()


@pytest.mark.parametrize("name", ["unet3d", "mlnet3d", "cg3dsrgan", "resnet3d"])
@pytest.mark.parametrize("size", [(16, 32, 32), (7, 21, 18), (1, 9, 50)])
def test_a_volume_of_any_size_keeps_it(name, size):
    assert network(name, channels=4)(torch.randn(2, 1, *size)).shape == (2, 1, *size)


@pytest.mark.parametrize("name", ["unet3d", "mlnet3d", "contextual3d", "cg3dsrgan"])
def test_a_residual_network_begins_as_doing_nothing(name):
    image = torch.randn(1, 1, 16, 24, 24)
    assert torch.equal(network(name, channels=4, residual=True)(image), image)
    assert not torch.allclose(network(name, channels=4)(image), image, atol=0.1)


def test_the_head_looks_at_the_same_features_and_changes_no_image():
    image = torch.randn(3, 1, 16, 32, 32)
    made, logits = network("mlnet3d", channels=4, classes=5).with_class(image)
    assert torch.equal(made, network("mlnet3d", channels=4, classes=5)(image)) and logits.shape == (3, 5)


def noisy(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return images of the same brightness with little and with much noise, by turns, and which is which."""
    dose = torch.arange(count) % 2
    spread = torch.where(dose == 0, 0.1, 0.3).view(-1, 1, 1, 1, 1)
    return (1 + spread * torch.randn(count, 1, 8, 16, 16)).clamp_min(0), dose


@pytest.mark.slow
def test_the_head_learns_to_tell_noise_apart():
    net = network("mlnet3d", channels=4, classes=2).train()
    optimiser = torch.optim.Adam(net.parameters(), lr=0.003)
    for _ in range(40):
        image, dose = noisy(8)
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net.with_class(image)[1], dose).backward()
        optimiser.step()
    image, dose = noisy(16)
    assert torch.equal(net.with_class(image)[1].argmax(dim=1), dose)


def test_the_whole_is_contextual_net_behind_ml_net():
    whole, image = network("cg3dsrgan", channels=4, context_channels=4), torch.randn(1, 1, 16, 16, 16)
    assert torch.equal(whole(image), whole.refine(whole.coarse(image)))
    assert torch.equal(whole.with_class(image)[0], whole(image))


def test_contextual_net_sees_as_far_as_it_says():
    refine = network("contextual3d", channels=4)
    image = torch.randn(1, 1, 31, 16, 16)
    changed = image.clone()
    changed[:, :, 15] += 1
    moved = (refine(changed) - refine(image)).abs().amax(dim=(0, 1, 3, 4)) > 0
    assert moved[15 - refine.halo] and moved[15 + refine.halo]
    assert not moved[: 15 - refine.halo].any() and not moved[15 + refine.halo + 1 :].any()


def test_the_discriminator_takes_slabs_of_sixteen_slices():
    assert network("patchgan3d", channels=4)(torch.randn(1, 2, 16, 48, 48)).shape[:2] == (1, 1)
