"""What all systems share: optimisers, learning rates, states, validation, and the unit of pixel losses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from builders import CT_SIDE, SUV_SIDE, batch_of, dose_recipe, tiny_recipe
from torch import nn

from medsynth_core import MedSynthError
from medsynth_core.metrics.registry import METRICS
from medsynth_core.preparation.contract import Side
from medsynth_core.preparation.intensity import Linear
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.base import REPORTED, System, image_scores
from medsynth_core.systems.engine import Engine, choose_engine
from medsynth_core.systems.objective import Objective
from medsynth_core.systems.paired import PairedSystem
from medsynth_core.systems.pool import ImagePool
from medsynth_core.systems.registry import SYSTEMS, create_system
from medsynth_core.systems.settings import PixelLoss

CPU = torch.device("cpu")
ADVERSARY = {"name": "patchgan2d", "options": {"in_channels": 6, "channels": 2, "layers": 1}}
GAN: dict[str, Any] = {"loss": {"mse": 100.0, "adversarial": 1.0}, "discriminator": ADVERSARY}


def system(**changes: Any) -> System[Any]:
    recipe = tiny_recipe(**changes)
    return create_system(recipe.system, recipe, Engine(CPU, recipe))


def batch(size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    image = torch.randn(size, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return image, image.abs()


@pytest.mark.parametrize(("algorithm", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_every_network_has_the_optimiser_of_the_recipe(algorithm, kind):
    settings = {"algorithm": algorithm, "learning_rate": 2e-4, "betas": [0.5, 0.999], "weight_decay": 1e-5}
    made = system(**GAN, optimiser=settings)
    assert set(made.optimisers) == {"generator", "discriminator"}
    for name, optimiser in made.optimisers.items():
        assert type(optimiser) is kind and optimiser.defaults["lr"] == 2e-4
        assert optimiser.defaults["betas"] == (0.5, 0.999) and optimiser.defaults["weight_decay"] == 1e-5
        # One kernel for all weights, where there is one.
        assert optimiser.defaults["fused"] is True
        (group,) = optimiser.param_groups
        assert {id(value) for value in group["params"]} == {id(value) for value in made.networks[name].parameters()}


def test_rmsprop_has_no_running_mean_of_gradients():
    made = system(optimiser={"algorithm": "rmsprop", "learning_rate": 5e-5, "weight_decay": 1e-5})
    (optimiser,) = made.optimisers.values()
    assert type(optimiser) is torch.optim.RMSprop and optimiser.defaults["momentum"] == 0
    assert optimiser.defaults["lr"] == 5e-5 and optimiser.defaults["weight_decay"] == 1e-5
    before = [value.detach().clone() for value in made.generator.parameters()]
    for value in made.generator.parameters():
        value.grad = torch.ones_like(value)
    made._descend("generator")
    # The mean square of gradients of 1 is 0.01 after the first step.
    for old, new in zip(before, made.generator.parameters(), strict=True):
        torch.testing.assert_close(old - new.detach(), torch.full_like(old, 5e-4), rtol=1e-3, atol=1e-7)
    with pytest.raises(MedSynthError, match="optimiser.betas .* has no effect"):
        tiny_recipe(optimiser={"algorithm": "rmsprop", "betas": [0.5, 0.9]}).check_effect()


def test_l2_regularisation_goes_through_adam_and_the_decay_of_adamw_does_not():
    """With a gradient of 0 Adam with L2 takes a whole step, AdamW shrinks the weights by their share."""
    moved = {}
    for algorithm in ("adam", "adamw"):
        made = system(optimiser={"algorithm": algorithm, "learning_rate": 0.01, "weight_decay": 0.1})
        before = [value.detach().clone() for value in made.generator.parameters()]
        for value in made.generator.parameters():
            value.grad = torch.zeros_like(value)
        made._descend("generator")
        moved[algorithm] = (
            [(old - new).detach() for old, new in zip(before, made.generator.parameters(), strict=True)],
            before,
        )
    for step, old in zip(*moved["adamw"], strict=True):
        torch.testing.assert_close(step, 0.001 * old, rtol=1e-4, atol=1e-7)
    for step, old in zip(*moved["adam"], strict=True):
        torch.testing.assert_close(step, 0.01 * old.sign(), rtol=0.05, atol=1e-5)


def test_the_learning_rate_is_set_for_every_optimiser():
    made = system(**GAN)
    assert made.learning_rate == 0.01
    made.set_learning_rate(0.25)
    assert made.learning_rate == 0.25
    assert [group["lr"] for each in made.optimisers.values() for group in each.param_groups] == [0.25, 0.25]


def test_weights_start_as_pix2pix_starts_them_where_the_recipe_says_so():
    for changes in (GAN, {"system": "cyclegan", "network": {"name": "resnet9", "options": {"channels": 8, "blocks": 1}},
                          "loss": {"cycle": 10.0, "adversarial": 1.0}, "discriminator": ADVERSARY}):  # fmt: skip
        made = system(**changes, initialisation="normal")
        for network in made.networks.values():
            for layer in network.modules():
                if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.weight.numel() > 500:
                    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.2)
                    assert layer.bias is None or not layer.bias.any()
    plain = system(**GAN)
    assert next(plain.generator.parameters()).std().item() > 0.05


def test_gradients_are_clipped_to_the_norm_of_the_recipe():
    made = system(optimiser={"learning_rate": 0.0001, "clip_norm": 0.5})
    for value in made.generator.parameters():
        value.grad = torch.ones_like(value)
    made._descend("generator")
    norm = torch.cat([value.grad.flatten() for value in made.generator.parameters()]).norm()
    assert norm.item() == pytest.approx(0.5, rel=1e-3)
    free = system()
    for value in free.generator.parameters():
        value.grad = torch.ones_like(value)
    free._descend("generator")
    assert all((value.grad == 1).all() for value in free.generator.parameters())


def test_what_systems_say_of_themselves():
    kinds = {
        "synthesis": {"paired", "dsggan", "cyclegan", "cg3dsrgan"},
        "generation": {"structure-vaegan", "multimodal", "unconditional"},
    }
    for kind, names in kinds.items():
        assert {name for name, each in SYSTEMS.items() if each.kinds == (kind,)} == names
    assert len(SYSTEMS) == sum(map(len, kinds.values()))
    made = system()
    assert made.complete and not made.teaches_classes and made.generator is made.networks["generator"]
    assert made.validated_part(made.generator) is made.generator and made.begin_epoch(3) is None
    for weight, teaches in ((0.0, False), (0.5, True)):
        recipe = dose_recipe(loss={"l1": 1.0, "dose_class": weight})
        assert create_system("cg3dsrgan", recipe, Engine(CPU, recipe)).teaches_classes is teaches
    assert PairedSystem.reports("mae") and PairedSystem.reports("psnr")
    assert not PairedSystem.reports("sleep") and not PairedSystem.reports("suvmax_error")
    for name, metric in METRICS.items():
        expected = metric.function is not None and metric.evaluated and metric.region != "lesion"
        assert PairedSystem.reports(name) == expected, name


def test_all_networks_are_in_training_mode_in_a_step():
    made = system(**GAN)
    for network in made.networks.values():
        network.eval()
    made.step(batch_of(*batch()))
    assert all(network.training for network in made.networks.values())


def validated(outputs: dict[str, Any], targets: dict[str, np.ndarray], body: np.ndarray) -> dict[str, float]:
    """Return the scores of images that are the targets raised by 0.1 (network value)."""
    recipe = tiny_recipe(contract={"inputs": {"ct": CT_SIDE}, "outputs": outputs, "spacing": [2.0, 2.0, 3.0]})
    images = {role: recipe.contract.outputs[role].intensity.inverse(target + 0.1) for role, target in targets.items()}
    candidate = SimpleNamespace(images=lambda case: images)
    case = SimpleNamespace(targets=targets, body=body)
    return PairedSystem.validate(recipe, case, candidate)


def test_validation_compares_in_the_unit_of_the_image():
    target = np.random.default_rng(0).uniform(0.2, 1.0, (3, 20, 20)).astype(np.float32)
    body = np.zeros(target.shape, dtype=bool)
    body[:, 5:15, 5:15] = True
    scores = validated({"pet": SUV_SIDE}, {"pet": target}, body)
    assert set(scores) == set(REPORTED) == {"mae", "psnr", "ssim_2d_wang11", "nrmse_minmax"}
    assert scores["mae"] == pytest.approx(0.5, rel=1e-4)
    # The range is that of the mapping: SUV 0 to 20.
    assert scores["psnr"] == pytest.approx(20 * np.log10(20 / 0.5), abs=1e-3)


def test_metrics_in_the_unit_of_the_image_are_measured_in_the_body_and_others_in_whole_slices():
    target = np.zeros((2, 20, 20), dtype=np.float32)
    body = np.zeros(target.shape, dtype=bool)
    body[:, :10] = True
    side = Side.model_validate(SUV_SIDE)
    made = np.where(body, 1.0, 3.0).astype(np.float32)
    scores = image_scores(("mae", "psnr"), made, target, body, side)
    assert scores["mae"] == pytest.approx(1.0) and scores["psnr"] == pytest.approx(20 * np.log10(20 / 5**0.5), abs=1e-3)


def test_an_image_is_compared_with_its_reference_and_not_the_other_way_round():
    side = Side.model_validate(SUV_SIDE)
    target = np.random.default_rng(0).uniform(0.0, 1.0, (2, 20, 20)).astype(np.float32)
    body = np.ones(target.shape, dtype=bool)
    reference = side.intensity.inverse(target)
    found = image_scores(("nrmse_minmax",), 2 * reference, target, body, side)
    # The error is divided by the range of the reference.
    wanted = np.sqrt(np.mean(reference**2)) / np.ptp(reference)
    assert found["nrmse_minmax"] == pytest.approx(wanted, rel=1e-5)


def test_without_an_upper_limit_the_range_is_that_of_the_reference():
    side = Side.model_validate({**SUV_SIDE, "intensity": Linear(divisor=5.0)})
    target = np.linspace(0.0, 2.0, 800, dtype=np.float32).reshape(2, 20, 20)
    body = np.ones(target.shape, dtype=bool)
    scores = image_scores(("psnr",), side.intensity.inverse(target) + 1, target, body, side)
    assert scores["psnr"] == pytest.approx(20.0, abs=0.01)
    empty = image_scores(("psnr",), np.full(target.shape, 0.1, np.float32), np.zeros_like(target), body, side)
    assert empty["psnr"] == pytest.approx(20.0, abs=0.01)


def test_of_several_outputs_the_mean_counts_unless_their_units_differ():
    target = np.random.default_rng(0).uniform(0.2, 1.0, (3, 20, 20)).astype(np.float32)
    body = np.ones(target.shape, dtype=bool)
    wide = {**SUV_SIDE, "intensity": {"kind": "scale", "divisor": 15, "upper": 20}}
    alike = validated({"pet": SUV_SIDE, "late": wide}, {"pet": target, "late": target}, body)
    assert alike["mae"] == pytest.approx((0.5 + 1.5) / 2, rel=1e-3)
    mr = {"modality": "MR", "unit": "1", "intensity": {"kind": "scale", "divisor": 100, "upper": 400}}
    unlike = validated({"pet": SUV_SIDE, "mr": mr}, {"pet": target, "mr": target}, body)
    assert unlike["mae"] == pytest.approx(0.5, rel=1e-3)
    assert unlike["psnr"] == pytest.approx((20 * np.log10(40) + 20 * np.log10(40)) / 2, abs=1e-2)


def terms(divisor: float, unit: str) -> dict[str, float]:
    """Return the losses of a CG-3DSRGAN for the same PET in SUV, given to it as SUV ÷ divisor."""
    side = {"modality": "PT", "unit": "SUVbw", "intensity": {"kind": "linear", "divisor": divisor}}
    contract = dose_recipe().model_dump(mode="json")["contract"] | {"inputs": {"pet": side}, "outputs": {"pet": side}}
    loss = {"l1": 300.0, "mse": 2.0, "dose_class": 10.0, "refined_l1": 7.0, "unit": unit}
    network = {"name": "cg3dsrgan", "options": {"channels": 2, "context_channels": 2, "classes": 2, "residual": True}}
    recipe = dose_recipe(contract=contract, loss=loss, network=network)
    made = create_system("cg3dsrgan", recipe, Engine(CPU, recipe))
    made.begin_epoch(1)
    random = torch.Generator().manual_seed(0)
    low, full = torch.rand(2, 2, 1, 8, 16, 16, generator=random) * 5
    return made.step(batch_of(low / divisor, full / divisor, torch.tensor([0, 1])))


def test_losses_in_the_unit_of_the_image_do_not_depend_on_the_divisor():
    found = {divisor: terms(divisor, "image") for divisor in (1.0, 5.0, 20.0)}
    # A residual network starts as the identity, so that the L1 is the mean difference in SUV.
    random = torch.Generator().manual_seed(0)
    low, full = torch.rand(2, 2, 1, 8, 16, 16, generator=random) * 5
    expected = float((low - full).abs().mean())
    for losses in found.values():
        assert [losses["l1"], losses["refined_l1"]] == pytest.approx([expected, expected], rel=1e-4)
        assert losses["mse"] == pytest.approx(float((low - full).square().mean()), rel=1e-4)
        total = 300 * expected + 2 * losses["mse"] + 10 * losses["dose_class"] + 7 * expected
        assert losses["loss"] == pytest.approx(total, rel=1e-4)
    assert terms(20.0, "network")["l1"] == pytest.approx(expected / 20, rel=1e-4)


def test_each_pixel_loss_is_measured_in_its_unit():
    random = torch.Generator().manual_seed(0)
    predicted, target = torch.rand(2, 2, 1, 16, 16, generator=random)
    loss = PixelLoss(l1=0.5, mse=2.0, ssim=3.0, gradient=4.0)
    plain, scaled = Objective(loss, (0.0, 1.0)), Objective(loss, (0.0, 1.0), unit=20.0)
    one, other = plain(predicted, target), scaled(predicted, target)
    factors = {"l1": 20.0, "mse": 400.0, "ssim": 1.0, "gradient": 20.0}
    for name, factor in factors.items():
        assert float(other[name]) == pytest.approx(factor * float(one[name]), rel=1e-4), name
    assert float(one["l1"]) == pytest.approx(float((predicted - target).abs().mean()))
    weights = {"l1": 0.5, "mse": 2.0, "ssim": 3.0, "gradient": 4.0}
    assert scaled.weights == weights
    assert float(scaled.total(other)) == pytest.approx(sum(weights[name] * float(other[name]) for name in weights))
    some = Objective(loss, (0.0, 1.0), ("l1", "gradient"))
    assert some.weights == {"l1": 0.5, "gradient": 4.0} and set(some(predicted, target)) == {"l1", "mse", "gradient"}


def test_the_range_of_the_image_reaches_the_losses_that_need_it():
    random = torch.Generator().manual_seed(0)
    predicted, target = torch.rand(2, 1, 1, 24, 24, generator=random)
    loss = PixelLoss(ssim=1.0)
    one = Objective(loss, (0.0, 1.0))(predicted, target)["ssim"]
    same = Objective(loss, (100.0, 300.0))(100 + 200 * predicted, 100 + 200 * target)["ssim"]
    other = Objective(loss, (0.0, 4.0))(predicted, target)["ssim"]
    assert float(same) == pytest.approx(float(one), abs=1e-3) and abs(float(other) - float(one)) > 0.05
    assert system().span == (0.0, 4.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({**GAN, "discriminator": {"name": "patchgan2d", "options": {"in_channels": 3}}}, r"together \(6 channels\)"),
        (
            {
                "system": "cyclegan",
                "network": {"name": "resnet9", "options": {"in_channels": 2, "out_channels": 1}},
                "loss": {"cycle": 1.0, "identity": 0.5, "adversarial": 1.0},
                "discriminator": ADVERSARY,
            },
            r"as many output channels \(1\) as input channels \(2\)",
        ),
        (
            {
                "system": "cyclegan",
                "network": {"name": "patchgan2d"},
                "loss": {"cycle": 1.0, "adversarial": 1.0},
                "discriminator": ADVERSARY,
            },
            "does not produce images",
        ),
        ({**GAN, "network": {"name": "patchgan2d"}}, "'patchgan2d' of the recipe does not produce images"),
        ({**GAN, "network": {"name": "dcgan", "options": {"size": 16}}}, "'dcgan' .* does not produce images"),
    ],
)
def test_networks_that_do_not_fit_each_other_are_refused(changes, words):
    with pytest.raises(MedSynthError, match=words):
        system(**changes)


def test_one_process_trains_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    engine = choose_engine(tiny_recipe(), "cpu")
    assert type(engine) is Engine and (engine.rank, engine.world) == (0, 1) and engine.device == CPU
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert type(choose_engine(tiny_recipe(), "cpu")) is Engine
    assert engine.mean(torch.tensor(3.0)) == 3.0 and engine.gather([1, 2]) == [1, 2]
    engine.wait(), engine.average_buffers(nn.BatchNorm2d(2))
    # No scaling of the loss outside of half precision on a GPU.
    assert engine.state() == {} and not engine._scaler.is_enabled()
    engine.load_state(engine.state())


def test_precision_of_the_recipe(monkeypatch):
    monkeypatch.setattr("medsynth_core.systems.engine.computes_bfloat16", lambda device: True)
    for precision, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        engine = Engine(CPU, tiny_recipe(precision=precision))
        with engine.autocast():
            assert nn.functional.linear(torch.ones(1, 2), torch.ones(1, 2)).dtype == dtype
        assert engine.precision == precision and engine.notes() == []
    with pytest.raises(MedSynthError, match="set precision to bfloat16 or float32"):
        Engine(CPU, tiny_recipe(precision="float16"))


def test_a_precision_that_the_device_emulates_is_replaced_and_said(monkeypatch):
    monkeypatch.setattr("medsynth_core.systems.engine.computes_bfloat16", lambda device: False)
    engine = Engine(CPU, tiny_recipe(precision="bfloat16"))
    with engine.autocast():
        assert nn.functional.linear(torch.ones(1, 2), torch.ones(1, 2)).dtype == torch.float32
    assert engine.precision == "float32" and "no instructions for bfloat16" in engine.notes()[0]
    assert Engine(CPU, tiny_recipe()).notes() == []


def test_every_process_has_pools_of_its_own():
    def random(pool: ImagePool) -> object:
        return pool.state()["random"]

    def made(rank: int, recipe: Recipe) -> System[Any]:
        engine = Engine(CPU, recipe)
        engine.rank = rank
        return create_system(recipe.system, recipe, engine)

    dose_gan = {
        "loss": {"l1": 1.0, "adversarial": 1.0},
        "discriminator": {"name": "patchgan3d", "options": {"layers": 1}},
    }
    for recipe in (tiny_recipe(**GAN, image_pool=3, seed=5), dose_recipe(**dose_gan, image_pool=3, seed=5)):
        assert random(made(2, recipe).pool) == random(ImagePool(3, 7))
    network = {"name": "resnet9", "options": {"channels": 2, "blocks": 1}}
    loss = {"cycle": 1.0, "adversarial": 1.0}
    cycle = tiny_recipe(system="cyclegan", network=network, loss=loss, discriminator=ADVERSARY, image_pool=3, seed=5)
    pools = made(2, cycle).pools
    assert [random(pools[name]) for name in ("there", "back")] == [random(ImagePool(3, seed)) for seed in (7, 8)]


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_systems_say_whether_they_keep_something_of_the_cases(name):
    made = SYSTEMS[name]
    assert made.keeps_records == (made.records.__func__ is not System.records.__func__)
