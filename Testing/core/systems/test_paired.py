"""The paired system trains with the losses of its recipe, in one part or several, and resumes from a state."""

import pytest
import torch
from builders import batch_of, tiny_recipe

from medsynth_core import MedSynthError
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.paired import PairedSystem
from medsynth_core.systems.registry import create_system

DISCRIMINATOR = {"name": "patchgan2d", "options": {"in_channels": 6, "channels": 4, "layers": 1}}
GAN = {"loss": {"mse": 100.0, "adversarial": 1.0}, "discriminator": DISCRIMINATOR}


def system(**changes: object) -> PairedSystem:
    recipe = tiny_recipe(**changes)
    return create_system(recipe.system, recipe, Engine(torch.device("cpu"), recipe))


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return image, image.abs()


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"loss": {"mse": 1.0}}, GAN])
def test_training_lowers_the_loss_to_the_target(changes):
    trained = system(**changes)
    first = trained.step(batch_of(*batch()))
    for _ in range(60):
        last = trained.step(batch_of(*batch()))
    assert last["l1"] < 0.7 * first["l1"]


def test_a_batch_in_parts_gives_the_gradients_of_the_whole():
    whole, parted = (system(loss={"l1": 1.0, "mse": 1.0, "gradient": 1.0}) for _ in range(2))
    for network in (whole.generator, parted.generator):
        # Statistics of a batch are not those of its parts.
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum, layer.track_running_stats = 0.0, True
                layer.train = lambda mode=True, layer=layer: layer
                layer.training = False
    first, second = whole.step(batch_of(*batch())), parted.step(batch_of(*batch()), parts=3)
    assert first == pytest.approx(second, rel=1e-5)
    for a, b in zip(whole.generator.parameters(), parted.generator.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("parts", "passes"), [(1, 1), (2, 4)])
def test_images_of_a_whole_batch_are_computed_once_for_both_networks(parts, passes):
    made = system(**GAN)
    computed = []
    made.generator.register_forward_hook(lambda _, inputs, __: computed.append(len(inputs[0])))
    made.step(batch_of(*batch()), parts)
    assert computed == [4 // parts] * passes


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["logits", "hinge"])
def test_every_adversarial_loss_trains_in_parts_too(kind):
    changes = {**GAN, "loss": {"mse": 100.0, "adversarial": 1.0, "adversarial_kind": kind}}
    trained = system(**changes, image_pool=3)
    first = trained.step(batch_of(*batch()), parts=2)
    for _ in range(40):
        last = trained.step(batch_of(*batch()), parts=2)
    assert last["l1"] < 0.8 * first["l1"]


@pytest.mark.slow
def test_deep_supervision_teaches_the_earlier_stages():
    image, target = batch()
    errors = []
    for weight in (0.0, 1.0):
        trained = system(loss={"l1": 1.0, "deep_supervision": weight})
        for _ in range(60):
            trained.step(batch_of(image, target))
        with torch.no_grad():
            first, _ = trained.generator.images(image)
        errors.append((first - target).abs().mean())
    assert errors[1] < 0.7 * errors[0]


def test_deep_supervision_has_the_gradients_of_every_loss():
    """Of the perceptual loss, the target alone is taken without gradients."""
    network = {"name": "cascade-compact", "options": {"channels": [2, 2, 3], "stages": 2}}
    loss = {"perceptual": 1.0, "perceptual_weights": "random", "deep_supervision": 1.0}
    made = system(network=network, loss=loss)
    image, target = batch()
    images = [(target + shift).requires_grad_() for shift in (0.5, 0.25)]
    made._weighted_losses(images, target)[0].backward()
    assert all(float(image.grad.abs().sum()) > 0 for image in images)


def test_deep_supervision_of_a_network_without_stages_is_refused():
    with pytest.raises(MedSynthError, match="has no stages"):
        system(loss={"l1": 1.0, "deep_supervision": 1.0}, network={"name": "unet-ctmr"})


@pytest.mark.slow
def test_half_precision_computes_and_learns():
    trained = system(precision="bfloat16")
    first = trained.step(batch_of(*batch()))
    for _ in range(60):
        last = trained.step(batch_of(*batch()))
    assert last["l1"] < 0.7 * first["l1"]
    assert all(parameter.dtype == torch.float32 for parameter in trained.generator.parameters())


def test_float16_needs_a_gpu():
    with pytest.raises(MedSynthError, match="bfloat16 or float32"):
        system(precision="float16")


def test_the_adversarial_loss_is_the_least_squares_one_of_equal_logits():
    trained = system(**GAN)
    with torch.no_grad():
        for parameter in trained.discriminator.parameters():
            parameter.zero_()
    losses = trained.step(batch_of(*batch()))
    # Logits of 0: the discriminator's errors are 0 for the fake and 1 for the real, halved; the generator's is 1,
    # seen after the discriminator's first step.
    assert losses["discriminator"] == pytest.approx(0.5)
    assert losses["adversarial"] == pytest.approx(1.0, abs=0.1)
    assert losses["loss"] == pytest.approx(100 * losses["mse"] + losses["adversarial"], rel=1e-4)


def test_the_generator_step_leaves_the_discriminator_alone():
    trained = system(**GAN)
    trained.optimisers["discriminator"].param_groups[0]["lr"] = 0.0
    before = [parameter.clone() for parameter in trained.discriminator.parameters()]
    trained.step(batch_of(*batch()))
    assert all(torch.equal(a, b) for a, b in zip(before, trained.discriminator.parameters(), strict=True))


def test_going_on_from_a_state_is_going_on():
    straight, stopped = system(**GAN), system(**GAN)
    for _ in range(4):
        straight.step(batch_of(*batch()))
    for _ in range(2):
        stopped.step(batch_of(*batch()))
    resumed = system(**GAN)
    resumed.load_state(stopped.state())
    for _ in range(2):
        resumed.step(batch_of(*batch()))
    for name, value in straight.generator.state_dict().items():
        assert torch.equal(value, resumed.generator.state_dict()[name]), name


def test_a_step_can_be_taken_again_after_memory_ran_out_in_its_last_part():
    trained = system(**GAN)
    opinion, seen = trained._opinion, []

    def small(both: torch.Tensor) -> torch.Tensor:
        seen.append(1)
        if len(seen) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return opinion(both)

    trained._opinion = small
    with pytest.raises(torch.OutOfMemoryError):
        trained.step(batch_of(*batch()))
    assert trained.step(batch_of(*batch()), parts=2)["discriminator"] > 0
