"""Each loss applies to the image that the publication says, with the weight of the recipe.

Expected values are computed here from the networks' own images, in the state before the step.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from golden_steps import CASES, batch_for, system_for
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from medsynth_core.losses.gradient_difference import gradient_difference
from medsynth_core.losses.similarity import Dissimilarity
from medsynth_core.systems.base import System
from medsynth_core.systems.batch import Batch


@torch.enable_grad()
def stepped(case: str) -> tuple[System[Any], Batch, dict[str, float]]:
    """Return the networks of a case before a step, its batch, and the losses of the step."""
    system = system_for(case)
    for optimiser in system.optimisers.values():
        # The discriminator that the generator meets is then the one before the step.
        optimiser.param_groups[0]["lr"] = 0.0
    before, batch = system_for(case), batch_for(system, 0)
    for network in before.networks.values():
        network.train()
    return before, batch, system.step(batch, CASES[case][1])


def l1(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().mean())


def mse(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().mean())


@torch.no_grad()
def test_cg3dsrgan_judges_the_coarse_and_the_refined_image():
    system, batch, losses = stepped("cg3dsrgan")
    coarse, logits = system.generator.coarse.with_class(batch.image)
    refined = system.generator.refine(coarse)
    # The recipe measures in SUV, and a network value of 1 is SUV 5.
    expected = {
        "l1": 5 * l1(coarse, batch.target),
        "mse": 25 * mse(coarse, batch.target),
        "refined_l1": 5 * l1(refined, batch.target),
        "refined_log_mse": float((refined - batch.target).square().flatten(1).mean(1).add(1e-6).log().mean()),
        "dose_class": float(cross_entropy(logits, batch.labels["dose"])),
        "adversarial": mse(system.networks["discriminator"](torch.cat([batch.image, refined], 1)), torch.ones(1)),
    }
    assert {name: losses[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    assert losses["refined_l1"] != pytest.approx(losses["l1"], rel=0.1)
    weights = {
        "l1": 30.0,
        "mse": 7.0,
        "dose_class": 3.0,
        "refined_l1": 11.0,
        "refined_log_mse": 0.5,
        "adversarial": 2.0,
    }
    assert losses["loss"] == pytest.approx(sum(weights[name] * expected[name] for name in weights), rel=1e-3)


@torch.no_grad()
def test_the_ablation_without_contextual_net_judges_the_one_image():
    system, batch, losses = stepped("cg3dgan")
    made, _ = system.generator.with_class(batch.image)
    assert [losses["l1"], losses["refined_l1"]] == pytest.approx([l1(made, batch.target)] * 2, rel=1e-4)


@torch.no_grad()
def test_dsggan_judges_structure_and_texture_apart():
    system, batch, losses = stepped("dsggan")
    structure, texture = system.generator.images(batch.image)
    low, high = system.settings.contract.output.intensity.mapped
    unlike = Dissimilarity(low, high)
    first = 0.9 * l1(structure, batch.target) + 10 * mse(structure, batch.target)
    first += 2 * float(unlike(structure, batch.target))
    assert losses["structure"] == pytest.approx(first, rel=1e-3)
    assert losses["l1"] == pytest.approx(l1(texture, batch.target), rel=1e-3)
    second = 0.9 * l1(texture, batch.target) + 10 * mse(texture, batch.target)
    second += 3 * float(gradient_difference(texture, batch.target))
    adversarial = mse(system.networks["discriminator"](torch.cat([batch.image, texture], 1)), torch.ones(1))
    assert losses["adversarial"] == pytest.approx(adversarial, rel=1e-3)
    assert losses["loss"] == pytest.approx(first + second + 0.7 * adversarial, rel=1e-3)


@torch.no_grad()
def test_cyclegan_weights_the_identity_as_a_part_of_the_cycle():
    system, batch, losses = stepped("cyclegan")
    there, back = system.networks["generator"], system.networks["back"]
    image, target = batch.image, batch.target
    cycle = l1(back(there(image)), image) + l1(there(back(target)), target)
    identity = l1(there(target), target) + l1(back(image), image)
    adversarial = mse(system.networks["discriminator"](there(image)), torch.ones(1))
    adversarial += mse(system.networks["discriminator_back"](back(target)), torch.ones(1))
    expected = {"cycle": cycle, "identity": identity, "adversarial": adversarial}
    assert {name: losses[name] for name in expected} == pytest.approx(expected, rel=1e-3)
    assert losses["loss"] == pytest.approx(1.5 * adversarial + 10 * cycle + 0.3 * 10 * identity, rel=1e-3)


@torch.no_grad()
def test_pix2pix_shows_its_discriminator_input_and_image_together():
    system, batch, losses = stepped("pix2pix")
    made = system.generator(batch.image)
    discriminator = system.networks["discriminator"]
    fake, real = (discriminator(torch.cat([batch.image, shown], 1)) for shown in (made, batch.target))
    says = binary_cross_entropy_with_logits
    halved = 0.5 * (says(fake, torch.zeros_like(fake)) + says(real, torch.ones_like(real)))
    assert losses["discriminator"] == pytest.approx(float(halved), rel=1e-3)
    assert losses["adversarial"] == pytest.approx(float(says(fake, torch.ones_like(fake))), rel=1e-3)
    assert losses["loss"] == pytest.approx(10 * l1(made, batch.target) + 0.5 * losses["adversarial"], rel=1e-3)


@torch.no_grad()
def test_deep_supervision_adds_the_mean_of_the_earlier_stages():
    system, batch, losses = stepped("deep supervision")
    *earlier, last = system.generator.images(batch.image)
    mean = sum(mse(image, batch.target) for image in earlier) / 2
    assert len(earlier) == 2 and losses["earlier_stages"] == pytest.approx(mean, rel=1e-4)
    assert losses["loss"] == pytest.approx(mse(last, batch.target) + 0.3 * mean, rel=1e-4)


def test_without_deep_supervision_only_the_last_image_is_judged():
    system, batch, losses = stepped("pixel losses")
    with torch.no_grad():
        last = system.generator(batch.image)
    assert losses["l1"] == pytest.approx(l1(last, batch.target), rel=1e-4) and "earlier_stages" not in losses


@pytest.mark.parametrize("case", ["pix2pix", "cg3dsrgan", "cyclegan", "adversarial in parts"])
def test_the_generator_s_losses_leave_the_discriminator_alone(case):
    """What the discriminator's step gave it as gradients is still there after the generator's."""
    system = system_for(case)
    seen: dict[str, list[Tensor]] = {}
    original = system._descend

    def watched(name: str) -> None:
        original(name)
        if name.startswith("discriminator"):
            # After the step, which clips them.
            seen[name] = [value.grad.clone() for value in system.trained[name].parameters()]

    system._descend = watched  # type: ignore[method-assign]
    system.step(batch_for(system, 0), CASES[case][1])
    for name, gradients in seen.items():
        for then, value in zip(gradients, system.trained[name].parameters(), strict=True):
            assert value.grad is not None and torch.equal(then, value.grad)
    assert seen and all(value.requires_grad for net in system.networks.values() for value in net.parameters())


def test_a_discriminator_is_shown_earlier_images_with_their_own_input():
    system = system_for("adversarial in parts")
    shown: list[Tensor] = []
    pool = system.pool
    system.pool = lambda images: shown.append(pool(images)) or shown[-1]  # type: ignore[assignment,func-returns-value]
    batches = [batch_for(system, number) for number in range(4)]
    for batch in batches:
        system.step(batch, 1)
    inputs = torch.cat([batch.image for batch in batches])
    for image in torch.cat(shown):
        assert any(torch.equal(image[:2], one) for one in inputs)
    assert torch.equal(shown[0][:3, :2], batches[0].image[:3])
    later = torch.cat(shown[1:])[:, :2]
    assert any(torch.equal(one, earlier) for one in later for earlier in batches[0].image)


def test_a_step_can_be_repeated_after_memory_ran_out_in_the_generator_s_part():
    for case in ("pix2pix", "cg3dsrgan", "cyclegan"):
        system = system_for(case)
        batch = batch_for(system, 0)
        backward, calls = system.engine.backward, []

        def fails(loss: Tensor, calls: list[int] = calls, backward: Any = backward) -> None:
            calls.append(1)
            if len(calls) == 2:
                raise torch.OutOfMemoryError("out of memory")
            backward(loss)

        system.engine.backward = fails  # type: ignore[method-assign]
        with pytest.raises(torch.OutOfMemoryError):
            system.step(batch, 1)
        system.engine.backward = backward  # type: ignore[method-assign]
        assert system.step(copy.copy(batch), 2)["loss"] != 0
        assert all(value.requires_grad for net in system.networks.values() for value in net.parameters()), case
