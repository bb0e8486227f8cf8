"""CG-3DSRGAN trains in two stages and names the dose; each part of the publication's ablation can be left out."""

import pytest
import torch
from builders import batch_of, dose_recipe

from medsynth_core import MedSynthError
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system

CPU = torch.device("cpu")
ADVERSARY = {"name": "patchgan3d", "options": {"channels": 4, "layers": 2}}
FULL = {
    "loss": {"l1": 300.0, "dose_class": 10.0, "refined_l1": 10.0, "adversarial": 1.0},
    "discriminator": ADVERSARY,
    "network": {"name": "cg3dsrgan", "options": {"channels": 4, "context_channels": 4, "classes": 2}},
    "image_pool": 4,
}


def system(**changes):
    recipe = dose_recipe(**changes)
    return create_system(recipe.system, recipe, Engine(CPU, recipe))


def batch():
    """Return noisy volumes of two doses, what they should be, and the doses."""
    random = torch.Generator().manual_seed(0)
    target = torch.nn.functional.avg_pool3d(torch.rand(4, 1, 16, 24, 24, generator=random), 5, stride=1, padding=2)
    dose = torch.tensor([0, 1, 0, 1])
    noise = torch.randn(target.shape, generator=random) * (0.02 + 0.2 * dose).view(-1, 1, 1, 1, 1)
    return target + noise, target, dose


def take(made, parts: int = 1) -> dict[str, float]:
    image, target, dose = batch()
    return made.step(batch_of(image, target, dose), parts)


def weights(network) -> list[torch.Tensor]:
    return [value.clone() for value in network.parameters()]


def changed(before: list[torch.Tensor], network) -> bool:
    return any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))


def test_ml_net_learns_alone_at_first_then_all_learn_together():
    made = system(**FULL)
    made.begin_epoch(0)
    coarse, refine, adversary = (weights(part) for part in (
        made.generator.coarse, made.generator.refine, made.networks["discriminator"]))  # fmt: skip
    losses = take(made)
    assert set(losses) == {"loss", "l1", "mse", "dose_class", "dose_accuracy"} and not made.complete
    assert changed(coarse, made.generator.coarse) and not changed(refine, made.generator.refine)
    assert not changed(adversary, made.networks["discriminator"])
    assert made.validated_part(made.generator) is made.generator.coarse
    made.begin_epoch(1)
    losses = take(made)
    assert {"refined_l1", "adversarial", "discriminator"} < set(losses) and made.complete
    assert changed(refine, made.generator.refine) and changed(adversary, made.networks["discriminator"])
    assert made.validated_part(made.generator) is made.generator


@pytest.mark.slow
def test_it_learns_the_image_and_the_dose():
    made = system(**FULL)
    made.begin_epoch(1)
    first = take(made)
    for _ in range(25):
        last = take(made)
    assert last["l1"] < 0.6 * first["l1"] and last["refined_l1"] < first["refined_l1"]
    assert last["dose_accuracy"] == 1.0


def test_the_total_is_the_publications():
    made = system(**FULL)
    made.begin_epoch(1)
    found = take(made)
    expected = 300 * found["l1"] + 10 * found["dose_class"] + 10 * found["refined_l1"] + found["adversarial"]
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_batch_in_parts_has_the_losses_of_the_whole_one():
    # Batch normalisation sees a part only, so the losses agree roughly.
    whole, parted = system(**FULL), system(**FULL)
    for made in (whole, parted):
        made.begin_epoch(1)
    one, two = take(whole), take(parted, parts=2)
    assert set(one) == set(two) and one["refined_l1"] == pytest.approx(two["refined_l1"], rel=0.2)


@pytest.mark.parametrize(
    ("changes", "losses"),
    [
        ({"loss": {"l1": 1.0}, "coarse_epochs": 0}, {"loss", "l1", "mse"}),
        (
            {"loss": {"l1": 1.0, "dose_class": 1.0}, "coarse_epochs": 0},
            {"loss", "l1", "mse", "dose_class", "dose_accuracy"},
        ),
        (
            {
                "loss": {"l1": 1.0, "dose_class": 1.0, "adversarial": 1.0},
                "discriminator": ADVERSARY,
                "coarse_epochs": 0,
            },
            {"loss", "l1", "mse", "dose_class", "dose_accuracy", "adversarial", "discriminator"},
        ),
    ],
)
def test_the_ablation_variants_of_ml_net_can_be_trained(changes, losses):
    made = system(network={"name": "mlnet3d", "options": {"channels": 4, "classes": 2}}, **changes)
    made.begin_epoch(0)
    assert set(take(made)) == losses


def test_ml_net_alone_is_judged_as_itself_in_its_coarse_epochs():
    made = system(network={"name": "mlnet3d", "options": {"channels": 4, "classes": 2}}, coarse_epochs=1)
    for epoch in (0, 1):
        made.begin_epoch(epoch)
        assert made.validated_part(made.generator) is made.generator


def test_the_perceptual_loss_of_a_random_vgg_counts():
    loss = {"l1": 1.0, "perceptual": 10.0, "perceptual_weights": "random"}
    made = system(loss=loss, coarse_epochs=0)
    made.begin_epoch(0)
    found = take(made)
    assert found["perceptual"] > 0 and found["loss"] == pytest.approx(found["l1"] + 10 * found["perceptual"], rel=1e-4)


def test_the_logarithm_of_the_squared_error_counts():
    made = system(loss={"l1": 1.0, "refined_log_mse": 0.5}, coarse_epochs=0)
    made.begin_epoch(0)
    found = take(made)
    assert found["loss"] == pytest.approx(found["l1"] + 0.5 * found["refined_log_mse"], rel=1e-4)


def test_going_on_from_a_state_is_going_on():
    straight, stopped = system(**FULL), system(**FULL)
    for made in (straight, stopped):
        made.begin_epoch(1)
        take(made)
    resumed = system(**FULL)
    resumed.load_state(stopped.state())
    resumed.begin_epoch(1)
    take(straight), take(resumed)
    for name, value in straight.generator.state_dict().items():
        assert torch.equal(value, resumed.generator.state_dict()[name]), name


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"name": "unet3d", "options": {"channels": 4}}}, "needs a network with a dose head"),
        ({"network": {"name": "mlnet3d", "options": {"channels": 4, "classes": 3}}}, "distinguishes 3 doses.*lists 2"),
    ],
)
def test_a_network_that_does_not_know_the_doses_is_refused(changes, words):
    with pytest.raises(MedSynthError, match=words):
        system(**changes)


@pytest.mark.parametrize(("parts", "passes"), [(1, 1), (2, 4)])
def test_images_of_a_whole_batch_are_computed_once_for_both_networks(parts, passes, monkeypatch):
    made = system(**FULL)
    made.begin_epoch(1)
    computed = []
    really = made._images
    monkeypatch.setattr(made, "_images", lambda image: computed.append(len(image)) or really(image))
    take(made, parts)
    assert computed == [4 // parts] * passes
