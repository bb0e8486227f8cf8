"""Images from noise: the losses of DCGAN, ACGAN, WGAN, WGAN-GP and PGGAN, and trainings from images to packages."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from builders import CT_SIDE
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, binary_cross_entropy_with_logits, cross_entropy, interpolate
from unconditional_recipes import CONTRACT, GENERATOR, JUDGE, METHODS, SIZE, batch, recipe, system

from medsynth_core import MedSynthError
from medsynth_core.evaluation.features import fid
from medsynth_core.losses.wasserstein import gradient_penalty
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.systems.base import Tally
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.unconditional import UnconditionalSystem, drawn_images, level_at

# Beyond what a hyperbolic tangent draws.
WIDE_SIDE = {**CT_SIDE, "intensity": {"kind": "curve", "points": [[-1000, -1.5], [1000, 1.5]]}}


def piece(made: UnconditionalSystem) -> Batch:
    """Return a batch with its noise, of networks that normalise as in use so that they can be asked twice."""
    for network in made.networks.values():
        network.eval()
    return made._with_noise(batch())


def says(logits: Tensor, real: bool) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def test_dcgan_has_the_non_saturating_cross_entropy():
    made = system()
    given = piece(made)
    g, d = made.networks["generator"], made.networks["discriminator"]
    with torch.no_grad():
        wanted = says(d(g(given.inputs["judged"])), False) + says(d(given.target), True)
        persuaded = says(d(g(given.inputs["drawn"])), True)
    total, found = made._judging(given)
    torch.testing.assert_close(total, wanted)
    assert found.keys() == {"discriminator"}
    total, found = made._drawing(given)
    torch.testing.assert_close(total, persuaded)
    assert found.keys() == {"loss", "adversarial"}


def test_acgan_adds_the_cross_entropy_of_the_class():
    made = system("acgan")
    given = piece(made)
    g, d, label = made.networks["generator"], made.networks["discriminator"], given.labels["class"]
    with torch.no_grad():
        fake, real = d(g(given.inputs["judged"], label)), d(given.target)
        drawn = d(g(given.inputs["drawn"], label))
        judged = says(fake[0], False) + says(real[0], True)
        of_class = cross_entropy(fake[1], label) + cross_entropy(real[1], label)
    total, found = made._judging(given)
    torch.testing.assert_close(total, judged + 0.5 * of_class)
    torch.testing.assert_close(found["discriminator_label"].detach(), of_class)
    total, found = made._drawing(given)
    torch.testing.assert_close(total.detach(), says(drawn[0], True) + 0.5 * cross_entropy(drawn[1], label))
    # The class is put behind the code as a one-hot vector.
    with torch.no_grad():
        behind = torch.cat([given.inputs["drawn"], torch.eye(3)[label]], dim=1)
        torch.testing.assert_close(g.net(behind[:, :, None, None]), g(given.inputs["drawn"], label))


@pytest.mark.parametrize("method", ["wgan", "wgan-gp", "pggan"])
def test_a_critic_estimates_the_wasserstein_distance(method):
    made = system(method)
    given = piece(made)
    g, d = made.networks["generator"], made.networks["discriminator"]
    with torch.no_grad():
        fake, real = g(given.inputs["judged"]), given.target
        distance = d(fake).mean() - d(real).mean()
        persuaded = -d(g(given.inputs["drawn"])).mean()
        drift = d(real).square().mean()
    total, found = made._judging(Batch(given.inputs, given.targets))
    torch.testing.assert_close(found["discriminator"].detach(), distance)
    torch.testing.assert_close(made._drawing(given)[0].detach(), persuaded)
    expected = distance
    if method != "wgan":
        mixed = fake + given.inputs["mixing"] * (real - fake)
        expected = expected + 10 * gradient_penalty(d, mixed).detach()
        assert found["penalty"] > 0
    if method == "pggan":
        torch.testing.assert_close(found["drift"].detach(), drift)
        expected = expected + 0.001 * drift
    torch.testing.assert_close(total.detach(), expected)


def changed(before: dict[str, Any], made: UnconditionalSystem) -> set[str]:
    return {
        name
        for name, network in made.networks.items()
        if any(not torch.equal(old, new) for old, new in zip(before[name], network.parameters(), strict=True))
    }


def weights_of(made: UnconditionalSystem) -> dict[str, list[Tensor]]:
    return {name: [w.detach().clone() for w in network.parameters()] for name, network in made.networks.items()}


@pytest.mark.parametrize("method", METHODS)
def test_each_loss_has_gradients_of_its_own_network_alone(method):
    made = system(method)
    given = made._with_noise(batch())
    for name, losses in (("discriminator", made._judging), ("generator", made._drawing)):
        for network in made.networks.values():
            network.zero_grad(set_to_none=True)
        other = made.networks["generator" if name == "discriminator" else "discriminator"]
        other.requires_grad_(False)
        if method == "pggan":
            for network in made.networks.values():
                network.grow(2.0)
        losses(Batch(given.inputs, {"ct": given.target}, given.labels))[0].backward()
        other.requires_grad_(True)
        assert all(value.grad is None for value in other.parameters())
        assert any(value.grad is not None and value.grad.any() for value in made.networks[name].parameters())


@pytest.mark.parametrize(("method", "every"), [("dcgan", 1), ("wgan", 5), ("wgan-gp", 5)])
def test_the_critic_learns_from_more_batches_than_the_generator(method, every):
    made, latest = system(method), 0.0
    for number in range(7):
        before = weights_of(made)
        losses = made.step(batch(seed=number))
        both = number % every == 0
        assert changed(before, made) == ({"generator", "discriminator"} if both else {"discriminator"})
        if not both:
            assert losses["loss"] == latest
        latest = losses["loss"]
        assert np.isfinite(list(losses.values())).all()


def test_only_the_weights_of_the_critic_of_a_wgan_are_clipped():
    made = system("wgan", optimiser={"algorithm": "rmsprop", "learning_rate": 0.5})
    made.step(batch())
    largest = {
        name: max(float(weight.detach().abs().max()) for weight in net.parameters())
        for name, net in made.networks.items()
    }
    assert largest["discriminator"] == pytest.approx(0.01) and largest["generator"] > 0.1
    free = system("wgan-gp", optimiser={"algorithm": "adam", "learning_rate": 0.5})
    free.step(batch())
    assert max(float(weight.detach().abs().max()) for weight in free.networks["discriminator"].parameters()) > 0.1


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"pggan"}))
def test_a_batch_in_parts_has_the_gradients_of_the_whole(method):
    """PGGAN's critic sees the spread of the images of a part."""
    made = system(method)
    given = piece(made)
    for name, losses in (("discriminator", made._judging), ("generator", made._drawing)):
        found = []
        made._descend = lambda _: None  # type: ignore[method-assign]
        for parts in (1, 3):
            tally = Tally()
            made._update(name, list(given.split(parts)), losses, tally)
            gradients = [value.grad.clone() for value in made.networks[name].parameters() if value.grad is not None]
            found.append((tally.means(made.engine), gradients))
        assert found[1][0] == pytest.approx(found[0][0], rel=1e-4)
        for one, other in zip(found[0][1], found[1][1], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_noise_does_not_depend_on_the_parts():
    made = system("wgan-gp")
    torch.manual_seed(1)
    whole = made._with_noise(batch())
    again = [some for some, _ in whole.split(2)]
    for name, drawn in whole.inputs.items():
        assert torch.equal(torch.cat([some.inputs[name] for some in again]), drawn)
    assert not torch.equal(whole.inputs["judged"], whole.inputs["drawn"])
    assert whole.inputs["mixing"].min() >= 0 and whole.inputs["mixing"].max() <= 1


def test_a_step_can_be_repeated_after_memory_ran_out():
    made = system("wgan-gp")
    backward, calls = made.engine.backward, []

    def fails(loss: Tensor) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("out of memory")
        backward(loss)

    made.engine.backward = fails  # type: ignore[method-assign]
    with pytest.raises(torch.OutOfMemoryError):
        made.step(batch())
    made.engine.backward = backward  # type: ignore[method-assign]
    before = weights_of(made)
    made.step(batch(), 2)
    # Still the first step, in which the generator learns too.
    assert changed(before, made) == {"generator", "discriminator"} and made.state()["steps"] == 1
    assert all(value.requires_grad for net in made.networks.values() for value in net.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_a_checkpoint_continues_with_the_same_numbers(method):
    straight, resumed = system(method), system(method)
    for one in (straight, resumed):
        one.epoch_steps = 2
    torch.manual_seed(0)
    for number in range(4):
        straight.step(batch(seed=number))
    resumed.load_state(copy.deepcopy(straight.state()))
    random = torch.get_rng_state()
    for number in range(4, 7):
        straight_losses = straight.step(batch(seed=number))
    torch.set_rng_state(random)
    for number in range(4, 7):
        resumed_losses = resumed.step(batch(seed=number))
    assert resumed_losses == straight_losses
    for name, network in straight.networks.items():
        other = resumed.networks[name].state_dict()
        assert all(torch.equal(value, other[key]) for key, value in network.state_dict().items()), name


@pytest.mark.parametrize(
    ("epochs", "level"),
    [(0, 0), (2.9, 0), (3, 0), (3.5, 0.25), (4, 0.5), (5, 1), (7.9, 1), (8, 1), (9, 1.5), (10, 2), (99, 2)],
)
def test_a_level_is_stable_before_the_next_one_fades_in(epochs, level):
    assert level_at(epochs, stable=3, fade=2, levels=2) == pytest.approx(level)
    assert level_at(epochs, stable=0, fade=4, levels=2) == pytest.approx(min(epochs / 4, 2))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_a_level_that_fades_in_is_mixed_with_the_former_one(alpha):
    """Real and synthetic images alike."""
    made = system("pggan", stable_epochs=1, fade_epochs=2, epochs=7)
    made.epoch_steps, made._steps = 2, int(2 * (1 + 2 * alpha))  # one stable epoch of two steps, then two that fade
    g, d = (made._grown(network) for network in made.networks.values())
    assert g.level == d.level == pytest.approx(alpha)
    code, image = torch.randn(3, 5), torch.rand(3, 1, SIZE, SIZE)
    small, large = avg_pool2d(image, 4), avg_pool2d(image, 2)
    with torch.no_grad():
        found = g(code)
        g.grow(0.0)
        before = g(code)
        g.grow(1.0)
        after = g(code)
    assert before.shape[-1] == small.shape[-1] == 4 and after.shape[-1] == large.shape[-1] == 8
    if not alpha:
        assert torch.equal(found, before) and torch.equal(made._shown(image), small)
        return
    torch.testing.assert_close(found, (1 - alpha) * interpolate(before, scale_factor=2) + alpha * after)
    expected = (1 - alpha) * interpolate(small, scale_factor=2) + alpha * large
    torch.testing.assert_close(made._shown(image), expected)


def test_networks_grow_with_the_steps_and_are_complete_at_the_whole_size():
    made = system("pggan")
    made.epoch_steps = 2
    average = copy.deepcopy(made.generator)
    seen = []
    for number in range(10):
        seen.append(made._level(2))
        assert made.complete == (number >= 8)
        made.step(batch(seed=number))
    assert seen == [0, 0, 0, 0.5, 1, 1, 1, 1.5, 2, 2] and made.complete
    made._steps = 3
    assert made.validated_part(average).level == 0.5 == average.level
    assert system().complete and system("pggan", fade_epochs=0, stable_epochs=0).complete


def test_a_generator_learns_the_images():
    torch.manual_seed(0)
    optimiser = {"algorithm": "adam", "learning_rate": 0.01, "betas": [0.0, 0.9]}
    made = system("wgan-gp", critic_steps=2, optimiser=optimiser)
    real = batch(64)

    def distance() -> float:
        case = TrainingCase("P", {}, np.ones((64, SIZE, SIZE), bool), {"ct": real.target[:, 0].numpy()}, {"class": 0})
        found = made.validate_set(made.settings, [case], Shown(copy.deepcopy(made.generator).eval()))
        return found["image_distance"]

    first = distance()
    for _ in range(75):
        made.step(Batch({}, {"ct": real.target[torch.randperm(64)[:16]]}, {"class": torch.zeros(16).long()}))
    assert distance() < 0.5 * first


class Shown:
    """A candidate with a network alone."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def images(self, case: TrainingCase) -> dict[str, np.ndarray]:
        raise AssertionError("an image from noise belongs to no case")


class Constant(nn.Module):
    """A generator of the images that it is given, one after the other."""

    size, chosen = SIZE, 0

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images, self.next = nn.Parameter(images), 0

    def forward(self, code: Tensor) -> Tensor:
        self.next += len(code)
        return self.images[self.next - len(code) : self.next]


def case_of(images: np.ndarray) -> TrainingCase:
    return TrainingCase("P", {}, np.ones(images.shape, bool), {"ct": images.astype(np.float32)})


def test_the_fid_is_that_of_the_images_from_noise():
    images = batch(20).target[:, 0].numpy()
    blurred = gaussian_filter(images, (0, 1, 1)).astype(np.float32)
    shown = Shown(Constant(torch.from_numpy(blurred[:, None])))
    found = UnconditionalSystem.validate_set(recipe(choose_by="fid"), [case_of(images)], shown)
    assert found["fid"] == pytest.approx(fid(images, blurred).value, rel=1e-6) and found["fid"] > 0
    assert "fid" not in UnconditionalSystem.validate_set(
        recipe(), [case_of(images)], Shown(Constant(torch.from_numpy(blurred[:, None])))
    )


def test_the_distance_of_images_is_that_of_their_fields():
    images = batch(20).target[:, 0].numpy()
    settings = recipe()

    def distance(real: np.ndarray, made: np.ndarray) -> dict[str, float]:
        return UnconditionalSystem.validate_set(
            settings, [case_of(real[:5]), case_of(real[5:])], Shown(Constant(torch.from_numpy(made[:, None])))
        )

    assert distance(images, images)["image_distance"] == pytest.approx(0, abs=1e-6)
    # A shift of all values by the mean spread of a field: each of the 64 features adds the square of its shift.
    fields = images.reshape(20, 8, 2, 8, 2).mean(axis=(2, 4)).reshape(20, 64)
    expected = float(np.sum((0.3 / fields.std(axis=0)) ** 2))
    assert distance(images, images + np.float32(0.3))["image_distance"] == pytest.approx(expected, rel=1e-3)
    # Larger and smaller images are in the middle of a frame of air.
    inner = np.full((20, SIZE, SIZE), -1, np.float32)
    inner[:, 2:14, 3:13] = images[:, 2:14, 3:13]
    assert distance(images[:, 2:14, 3:13], inner)["image_distance"] == pytest.approx(0, abs=1e-6)
    assert UnconditionalSystem.validate_set(settings, [case_of(images[:1])], Shown(nn.Identity())) == {}


def test_images_from_noise_depend_on_seed_and_number_alone():
    made = system("acgan")
    network, labels = made.generator.eval(), [0, 1, 2] * 7
    drawn = np.concatenate([part[0] for part in drawn_images(network, 5, labels, seed=0)])
    fewer = np.concatenate([part[0] for part in drawn_images(network, 5, labels[:3], seed=0)])
    assert drawn.shape == (21, SIZE, SIZE) and np.allclose(drawn[:3], fewer, atol=1e-6)
    others = np.concatenate([part[0] for part in drawn_images(network, 5, [0] * 21, seed=0)])
    assert np.allclose(others[0], drawn[0], atol=1e-6) and not np.allclose(others[1], drawn[1], atol=1e-3)
    growing = system("pggan").generator
    growing.grow(0.0)
    (part,) = drawn_images(growing, 5, [0, 0], seed=0)
    assert part[0].shape == (2, SIZE, SIZE) and np.array_equal(part[0][:, :4, :4], np.tile(part[0][:, :1, :1], (4, 4)))


@pytest.mark.parametrize(
    ("method", "changes", "words"),
    [
        ("dcgan", {"network": {"name": "dcgan", "options": {**GENERATOR, "size": 32}}}, "generator .* needs size: 16"),
        ("dcgan", {"network": {"name": "dcgan", "options": {**GENERATOR, "latent": 6}}}, "needs latent: 5"),
        ("dcgan", {"network": {"name": "dcgan", "options": {**GENERATOR, "out_channels": 3}}}, "needs out_channels: 1"),
        ("dcgan", {"network": {"name": "unet-gan"}}, "generator .* needs size: 16"),
        (
            "dcgan",
            {"discriminator": {"name": "dcgan-discriminator", "options": {**JUDGE, "in_channels": 3}}},
            "discriminator .* needs in_channels: 1",
        ),
        ("acgan", {"network": {"name": "dcgan", "options": GENERATOR}}, "generator .* needs classes: 3"),
        (
            "acgan",
            {"discriminator": {"name": "acgan-discriminator", "options": {**JUDGE, "classes": 2}}},
            "discriminator .* needs classes: 3",
        ),
        ("acgan", {"objective": "gan", "classes": []}, "generator .* needs classes: 0"),
        (
            "wgan-gp",
            {"discriminator": {"name": "dcgan-discriminator", "options": JUDGE}},
            "set discriminator.options.normalisation: none",
        ),
        (
            "dcgan",
            {"contract": {**CONTRACT, "outputs": {"ct": WIDE_SIDE}}},
            "values from -1.5 to 1.5, but its generator draws -1 to 1",
        ),
        ("dcgan", {"fade_epochs": 1, "epochs": 9}, "does not grow; leave out fade_epochs"),
        ("pggan", {"epochs": 4}, "have grown after 4 epochs"),
    ],
)
def test_networks_that_do_not_fit_are_refused(method, changes, words):
    with pytest.raises(MedSynthError, match=words):
        system(method, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective": "acgan"}, "objective: acgan and classes, at least two, must be given together"),
        ({"classes": ["a", "b"]}, "objective: acgan and classes"),
        ({"objective": "acgan", "classes": ["a", "b", "a"]}, "list each class once"),
        ({"objective": "acgan", "classes": ["a", " b"]}, "without spaces at its ends"),
        ({"objective": "wgan"}, "objective: wgan and clip above 0 must be given together"),
        ({"clip": 0.01}, "objective: wgan and clip above 0 must be given together"),
        ({"loss": {"drift": 0.1}}, "loss.drift is for the scores of a critic"),
        ({"stable_epochs": 2}, "stable_epochs has an effect only with fade_epochs"),
        ({"choose_by": "mae"}, "validation does not report 'mae'; choose one of fid, image_distance"),
    ],
)
def test_recipes_that_cannot_train_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        recipe(**changes)


def test_it_draws_slices_from_noise_alone():
    for changes in ({"noise": 0, "inputs": {"map": CT_SIDE}}, {"inputs": {"map": CT_SIDE}}, {"matrix": [3, 16, 16]}):
        with pytest.raises(ValueError, match="draws slices from noise alone"):
            recipe(contract={**CONTRACT, **changes})
