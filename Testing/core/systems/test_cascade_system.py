"""The cascade learns with the losses of its recipe, and can go on from a state."""

import pytest
import torch
from builders import TINY_NETWORK, tiny_recipe

from medsynth_core import create_network
from medsynth_core.systems.cascade import CascadeSystem

GAN = {"loss": {"mse": 100.0, "adversarial": 1.0}, "discriminator": {"name": "patchgan2d", "options": {}}}


def system(**changes: object) -> CascadeSystem:
    torch.manual_seed(0)
    recipe = tiny_recipe(**changes)
    generator = create_network(TINY_NETWORK["name"], **TINY_NETWORK["options"])
    discriminator = create_network("patchgan2d", in_channels=6, channels=4, layers=1) if recipe.discriminator else None
    return CascadeSystem(generator, discriminator, recipe)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return image, image.abs()


@pytest.mark.parametrize("changes", [{}, {"loss": {"mse": 1.0}}, GAN])
def test_training_lowers_the_loss_to_the_target(changes):
    trained = system(**changes)
    first = trained.step(*batch())
    for _ in range(60):
        last = trained.step(*batch())
    assert last["l1"] < 0.7 * first["l1"]


def test_the_adversarial_loss_is_the_least_squares_one_of_equal_logits():
    trained = system(**GAN)
    with torch.no_grad():
        for parameter in trained.discriminator.parameters():
            parameter.zero_()
    losses = trained.step(*batch())
    # Logits of 0: the discriminator's errors are 0 for the fake and 1 for the real, halved; the generator's is 1,
    # seen after the discriminator's first step.
    assert losses["discriminator"] == pytest.approx(0.5)
    assert losses["adversarial"] == pytest.approx(1.0, abs=0.1)
    assert losses["loss"] == pytest.approx(100 * losses["mse"] + losses["adversarial"], rel=1e-4)


def test_the_generator_step_leaves_the_discriminator_alone():
    trained = system(**GAN)
    trained.optimisers["discriminator"].param_groups[0]["lr"] = 0.0
    before = [parameter.clone() for parameter in trained.discriminator.parameters()]
    trained.step(*batch())
    assert all(torch.equal(a, b) for a, b in zip(before, trained.discriminator.parameters(), strict=True))


def test_going_on_from_a_state_is_going_on():
    straight, stopped = system(**GAN), system(**GAN)
    for _ in range(4):
        straight.step(*batch())
    for _ in range(2):
        stopped.step(*batch())
    resumed = system(**GAN)
    resumed.load_state(stopped.state())
    for _ in range(2):
        resumed.step(*batch())
    for name, value in straight.generator.state_dict().items():
        assert torch.equal(value, resumed.generator.state_dict()[name]), name
