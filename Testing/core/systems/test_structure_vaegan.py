"""Structure maps from noise: the losses of equations 6 to 11, and a training from images to a package."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from builders import phantom_ct, write_manifest
from multimodal_builders import batch as multimodal_batch
from multimodal_builders import recipe as multimodal_recipe
from multimodal_builders import system as multimodal_system
from structure_builders import SMALL, batch, recipe, system
from torch import nn

from medsynth_core import Cancelled, MedSynthError, train
from medsynth_core.models.card import NetworkSpec
from medsynth_core.models.library import verify_model
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.multimodal import _Piece
from medsynth_core.systems.registry import create_system
from medsynth_core.systems.structure_vaegan import StructureVAEGANSystem, _mask, drawn_maps
from medsynth_core.training.structure_targets import structure_case
from medsynth_core.volume import Volume


def test_the_weights_are_those_of_the_authors_code():
    weights = recipe().loss.model_dump()
    assert weights == {
        "mask": 15.0, "squared": 25.0, "absolute": 10.0, "outside": 1.0, "code_adversarial": 1e-3,
        "code_discriminator": 10.0, "map_adversarial": 0.1, "map_discriminator": 25.0, "balance": 1e-4,
        "code_mean": 1e-3, "code_spread": 1e-3, "kl": 0.0, "cross_entropy": 0.0, "overlap": 0.0,
    }  # fmt: skip
    settings = recipe()
    assert (settings.map_from, settings.kl_from, settings.kl_epochs, settings.kl_start) == (0, 0, 0, 0)
    assert settings.contrast == 0 and not settings.binary_maps
    assert settings.discriminator_rate == settings.mask_share == 1


def test_the_losses_are_those_of_the_equations():
    made, given = system(recipe()), batch()
    for network in made.networks.values():
        network.eval()  # without dropout
    noise = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    found = made._losses(given, noise)
    lines, outside = given.targets["structure"], 1 - given.targets["organ"]
    maps, masks = torch.cat([1 - lines, lines], 1), torch.cat([1 - outside, outside], 1)
    with torch.no_grad():
        generator, encoder = made.networks["generator"], made.networks["encoder"]
        mean, log_variance = encoder(lines)
        f = mean + torch.exp(0.5 * log_variance) * noise
        s_r, s_g = generator.decoder(f), generator.decoder(noise)
        d_z, d_s = made.networks["code_discriminator"], made.networks["map_discriminator"]
        expected = {
            "mask": ((masks - generator.mask(maps)) ** 2).mean(),
            "squared": ((maps - s_r) ** 2).mean(),
            "absolute": (maps - s_r).abs().mean(),
            "outside": ((outside * s_r[:, 1:]) ** 2).mean() + ((generator.mask(s_g)[:, 1:] * s_g[:, 1:]) ** 2).mean(),
            "code_adversarial": ((d_z(f) - 1) ** 2).mean(),
            "map_adversarial": ((d_s(s_g) - 1) ** 2).mean(),
            "balance": (s_r[:, 1].mean() - lines.mean()) ** 2 + (s_g[:, 1].mean() - lines.mean()) ** 2,
            "code_mean": f.mean() ** 2,
            "code_spread": (f.std() - 1) ** 2,
            "kl": 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean(),
        }
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name].detach(), value, msg=name)


def test_a_map_and_its_mask_are_learned():
    torch.manual_seed(0)
    made = system(recipe(optimiser={"learning_rate": 1e-2}))
    losses = [made.step(batch()) for _ in range(60)]
    assert losses[-1]["squared"] < 0.6 * losses[0]["squared"]
    assert losses[-1]["mask"] < 0.25 * losses[0]["mask"]
    assert all(np.isfinite(list(row.values())).all() for row in losses)


def test_a_batch_in_parts_has_the_losses_of_the_whole():
    whole, parts = ([made.step(batch(), count) for made in [system(recipe(seed=1))]] for count in (1, 2))
    assert parts[0]["mask"] == pytest.approx(whole[0]["mask"], rel=0.3)


def test_the_mask_network_learns_from_maps_of_images_alone():
    made, given = system(recipe()), batch()
    losses = made._losses(given, torch.randn(4, 16))
    losses["outside"].backward()
    assert all(weight.grad is None for weight in made.networks["generator"].mask.parameters())
    assert any(weight.grad is not None for weight in made.networks["generator"].decoder.parameters())


def test_cross_entropy_and_overlap_compare_a_map_with_its_reconstruction():
    made = system(recipe(loss={"cross_entropy": 25.0, "overlap": 2.0}))
    lines = torch.zeros(2, 1, 64, 64)
    lines[0, 0, 3:5] = 1
    maps = torch.cat([1 - lines, lines], 1)
    found = made._other_differences(torch.full_like(maps, 0.25).logit(), maps)
    # In every pixel, one channel should be 1 and the other 0. The first map has 128 pixels of lines, the second none.
    assert float(found["cross_entropy"]) == pytest.approx(-0.5 * (np.log(0.25) + np.log(0.75)))
    dice = [(2 * 0.25 * 128 + 1) / (0.25 * 4096 + 128 + 1), 1 / (0.25 * 4096 + 1)]
    assert float(found["overlap"]) == pytest.approx(1 - np.mean(dice))
    perfect = made._other_differences(200 * maps - 100, maps)
    assert float(perfect["cross_entropy"]) == pytest.approx(0) and float(perfect["overlap"]) == pytest.approx(0)
    # A pixel that is certainly wrong still has a gradient.
    wrong = (100 - 200 * maps).requires_grad_()
    (gradient,) = torch.autograd.grad(made._other_differences(wrong, maps)["cross_entropy"], wrong)
    torch.testing.assert_close(gradient, (1 - 2 * maps) / maps.numel())
    torch.manual_seed(0)
    row = made.step(batch())
    weights = {name: weight for name, weight in made.settings.loss if not name.endswith("discriminator")}
    assert row["loss"] == pytest.approx(sum(weight * row[name] for name, weight in weights.items()), rel=1e-4)


@pytest.mark.parametrize(("name", "least"), [("cross_entropy", 0.7), ("overlap", 0.92)])
def test_a_reconstruction_is_learned_by_each_of_them(name, least):
    torch.manual_seed(0)
    loss = {"squared": 1e-3, "absolute": 0.0, name: 50.0}
    made = system(recipe(optimiser={"learning_rate": 1e-2}, loss=loss))
    losses = [made.step(batch()) for _ in range(60)]
    assert losses[-1][name] < least * losses[0][name]


def test_the_weight_of_the_divergence_rises():
    made = system(recipe(loss={"kl": 0.8}, kl_epochs=4, epochs=4))
    weights = []
    for epoch in range(6):
        made.begin_epoch(epoch)
        weights.append(made._kl)
    assert weights == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])
    assert system(recipe(loss={"kl": 0.8}))._kl == 0.8
    made.begin_epoch(0)
    row = made.step(batch())
    shares = {name: weight for name, weight in made.settings.loss if name in row and name != "kl"}
    del shares["code_discriminator"], shares["map_discriminator"]
    rest = sum(weight * row[name] for name, weight in shares.items())
    assert row["loss"] == pytest.approx(rest + 0.2 * row["kl"], rel=1e-4)


def test_the_divergence_may_have_a_share_of_its_weight_at_first():
    made = system(recipe(loss={"kl": 0.8}, kl_start=0.25, kl_from=2, kl_epochs=2, epochs=4))
    weights = []
    for epoch in range(5):
        made.begin_epoch(epoch)
        weights.append(made._kl)
    assert weights == pytest.approx([0.2, 0.2, 0.5, 0.8, 0.8])


@pytest.mark.parametrize(("map_from", "kl_from", "kl_epochs", "first"), [(0, 0, 0, 0), (3, 0, 0, 3), (1, 2, 3, 4)])
def test_only_epochs_with_the_whole_weight_of_all_losses_can_be_published(map_from, kl_from, kl_epochs, first):
    made = system(recipe(loss={"kl": 0.8}, map_from=map_from, kl_from=kl_from, kl_epochs=kl_epochs, epochs=6))
    found = []
    for epoch in range(6):
        made.begin_epoch(epoch)
        found.append(made.complete)
    assert found == [epoch >= first for epoch in range(6)]
    kept = {"map_from": map_from, "kl_from": kl_from, "kl_epochs": kl_epochs}
    assert recipe(**kept, epochs=first + 1).epochs == first + 1
    if first:
        with pytest.raises(ValueError, match="epochs must be more than map_from, and at least kl_from and kl_epochs"):
            recipe(**kept, epochs=first)


@pytest.mark.parametrize("changes", [{}, {"map_from": 1}, {"loss": {"kl": 0.8}, "kl_from": 1, "kl_epochs": 2}])
def test_a_new_system_is_in_its_first_epoch(changes):
    made, begun = system(recipe(**changes, epochs=6)), system(recipe(**changes, epochs=6))
    begun.begin_epoch(0)
    kept = ("_drawing", "_complete", "_kl")
    assert {name: vars(made)[name] for name in kept} == {name: vars(begun)[name] for name in kept}


def test_what_interpolation_leaves_between_is_a_line_only_above_one_half():
    made = system(recipe())
    image = torch.tensor([0.0, 0.5, 0.500001, 1.0]).view(1, 1, 2, 2)
    assert _mask(image).flatten().tolist() == [0, 0, 1, 1]
    piece = _Piece(multimodal_batch(), multimodal_recipe())
    assert set(piece.lines[0].unique().tolist()) == {0, 1}
    halves = Batch({}, {name: torch.full_like(value, 0.5) for name, value in multimodal_batch().targets.items()})
    assert not any(
        some.any() for some in (*_Piece(halves, multimodal_recipe()).lines, *_Piece(halves, multimodal_recipe()).organs)
    )
    generator = made.networks["generator"].eval()
    generator.decoder.forward = lambda code: torch.full((1, 2, 64, 64), 0.5)
    generator.mask.forward = lambda lines: (met.append(lines), torch.full((1, 2, 64, 64), 0.5))[1]
    met: list[torch.Tensor] = []
    lines, organ = generator.draw(torch.zeros(1, 16))
    assert not lines.any() and not organ.any() and not met[0][:, 1].any() and met[0][:, 0].all()


def test_a_decoder_with_contrast_starts_with_background():
    torch.manual_seed(0)
    noise = torch.randn(8, 16)
    grey, certain = (system(recipe(contrast=contrast)).networks["generator"].decoder(noise) for contrast in (0, 2))
    assert abs(grey[:, 1].mean() - 0.5) < 0.05
    assert certain[:, 1].mean() < 0.25 and certain[:, 0].mean() > 0.75
    # The logits of both channels have the mean ±2 and the spread 2 of the normalisation.
    logits = system(recipe(contrast=2)).networks["generator"].decoder.logits(noise)
    torch.testing.assert_close(logits.mean(dim=(0, 2, 3)), torch.tensor([2.0, -2.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(logits.std(dim=(2, 3)).mean(0), torch.tensor([2.0, 2.0]), atol=0.05, rtol=0)


def test_maps_from_noise_come_with_the_epoch_that_is_stated():
    torch.manual_seed(0)
    made = system(recipe(map_from=2, epochs=3))
    judge = [weight.clone() for weight in made.networks["map_discriminator"].parameters()]
    for epoch in (0, 1):
        made.begin_epoch(epoch)
        row = made.step(batch())
        assert row["map_adversarial"] == row["map_discriminator"] == 0 and row["code_discriminator"] > 0
    assert all(map(torch.equal, judge, made.networks["map_discriminator"].parameters()))
    made.begin_epoch(2)
    later = made.step(batch())
    assert later["map_adversarial"] > 0 and later["map_discriminator"] > 0 and later.keys() == row.keys()
    assert not all(map(torch.equal, judge, made.networks["map_discriminator"].parameters()))


def test_binary_maps_are_seen_as_they_are_drawn_with_the_gradient_of_probabilities():
    drawn = torch.rand(3, 2, 64, 64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert system(recipe())._seen(drawn) is drawn
    made = system(recipe(binary_maps=True))
    seen = made._seen(drawn)
    lines = (drawn[:, 1:] > drawn[:, :1]).float()
    assert torch.equal(seen, torch.cat([1 - lines, lines], 1))
    # A pixel that is a line as much as background is background, as where maps are drawn.
    assert torch.equal(made._seen(torch.full((1, 2, 1, 1), 0.5)).flatten(), torch.tensor([1.0, 0.0]))
    half = made._seen(drawn.bfloat16())
    assert ((half == 0) | (half == 1)).all() and torch.equal(half.sum(dim=1), torch.ones_like(half[:, 0]))
    weights = torch.rand(seen.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((weights * seen).sum(), drawn)
    torch.testing.assert_close(gradient, weights)
    met = []
    for name in ("map_discriminator", "generator"):
        network = made.networks[name].mask if name == "generator" else made.networks[name]
        network.register_forward_pre_hook(lambda _, inputs: met.append(inputs[0].detach()))
    made.step(batch())
    assert len(met) == 5  # maps from noise and real ones; real ones for the mask; from noise twice
    assert all(((maps == 0) | (maps == 1)).all() for maps in met)


def test_discriminators_have_a_learning_rate_of_their_own():
    made = system(recipe(optimiser={"learning_rate": 1e-2}, discriminator_rate=0.25))

    def rates():
        return {name: optimiser.param_groups[0]["lr"] for name, optimiser in made.optimisers.items()}

    assert rates() == {"generator": 1e-2, "discriminators": 2.5e-3} and made.learning_rate == 1e-2
    made.set_learning_rate(4e-3)
    assert rates() == {"generator": 4e-3, "discriminators": 1e-3} and made.learning_rate == 4e-3


def test_the_mask_network_learns_from_a_share_of_the_batch():
    made, sizes = system(recipe(mask_share=0.4)), []
    made.networks["generator"].mask.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    found = made._losses(batch(5), torch.randn(5, 16))
    assert sizes == [2, 2]
    outside = 1 - batch(5).targets["organ"][:2]
    lines = batch(5).targets["structure"][:2]
    mask = made.networks["generator"].mask.eval()
    with torch.no_grad():
        whole = ((mask(torch.cat([1 - lines, lines], 1)) - torch.cat([1 - outside, outside], 1)) ** 2).mean()
    # Another dropout, so that they differ a little.
    assert found["mask"].item() == pytest.approx(float(whole), rel=0.2)


def test_maps_from_noise_depend_on_seed_and_number_alone():
    network = system(recipe()).networks["generator"].eval()
    lines, organ = drawn_maps(network, 20, 16, seed=0)
    assert lines.shape == organ.shape == (20, 64, 64) and not (lines & ~organ).any()
    fewer = drawn_maps(network, 3, 16, seed=0)
    assert np.array_equal(fewer[0], lines[:3]) and not np.array_equal(drawn_maps(network, 3, 16, seed=1)[0], fewer[0])


def test_empty_maps_are_farther_from_real_ones_than_others_of_their_kind():
    class Drawn(torch.nn.Module):
        def __init__(self, maps):
            super().__init__()
            self.maps, self.one = maps, torch.nn.Parameter(torch.ones(()))

        def draw(self, code):
            return tuple(torch.roll(image, (1, 2), (2, 3))[: len(code)] for image in self.maps)

    given = batch(16)
    # In few cases, most fields at the edges are empty or full throughout.
    real = {name: image[:, 0].numpy() for name, image in given.targets.items()}
    case = SimpleNamespace(targets=real)
    found = {}
    for name, factor in (("moved", 1.0), ("empty", 0.0)):
        shown = SimpleNamespace(network=Drawn([factor * given.targets[role] for role in ("structure", "organ")]))
        found[name] = StructureVAEGANSystem.validate_set(recipe(), [case], shown)["map_distance"]
    assert 0 < found["moved"] < 0.2 * found["empty"]
    assert StructureVAEGANSystem.validate_set(recipe(), [case], shown).keys() == {"map_distance"}


def limb(seed: int) -> Volume:
    """Return a CT of 64² pixels with a bone, of which no two are alike."""
    volume = phantom_ct((6, 64, 64), seed=seed)
    y, x = np.mgrid[:64, :64]
    bone = (y - 30 - seed) ** 2 + (x - 32) ** 2 < 60
    return volume.replace(voxels=np.where(bone, 700, volume.voxels).astype(np.int16))


@pytest.fixture
def manifest(tmp_path):
    from medsynth_core import write_volume

    path = write_manifest(tmp_path, ("train", "train", "val", "test"))
    for number in range(4):
        write_volume(limb(number), tmp_path / f"ct{number}.nii.gz")
    return path


def test_targets_are_the_maps_of_the_images(manifest):
    from medsynth_core.datasets.manifest import read_manifest
    from medsynth_core.structure.settings import preset
    from medsynth_core.structure.volume_maps import structure_of_volume

    case = read_manifest(manifest, ("ct",))[0]
    found = structure_case(case, recipe().structure, recipe().contract)
    lines, background = structure_of_volume(limb(0), preset("extremity-ct"))
    assert np.array_equal(found.targets["structure"], lines.voxels)
    assert np.array_equal(found.targets["organ"], 1 - background.voxels) and not found.inputs


@pytest.mark.slow
def test_it_trains_from_images_is_published_and_resumes(manifest, tmp_path):
    whole = train(recipe(), manifest, tmp_path / "whole", device="cpu")
    rows = list(csv.DictReader((tmp_path / "whole" / "metrics.csv").open()))
    assert len(rows) == 2 and float(rows[-1]["val_map_distance"]) > 0
    model = verify_model(whole)
    assert set(model.card.metrics) == {"val", "test"} and model.card.metrics["test"]["map_distance"] > 0
    assert model.network()(torch.zeros(1, 16)).shape == (1, 2, 64, 64)
    check_maps_of_a_generator(whole, model.network())

    def stop(_fraction: float, message: str) -> None:
        if message.startswith("Epoch 2"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train(recipe(), manifest, tmp_path / "stopped", device="cpu", progress=stop)
    resumed = train(recipe(), manifest, tmp_path / "stopped", device="cpu", resume=True)
    weights = [(package / "models" / "model.safetensors").read_bytes() for package in (whole, resumed)]
    assert weights[0] == weights[1]


def check_maps_of_a_generator(package: Path, network: nn.Module) -> None:
    """Check that a generator of images takes the trained maps over and leaves them as they are."""
    images = multimodal_recipe(
        contract={**multimodal_recipe().contract.model_dump(mode="json"), "noise": 16, "matrix": [64, 64]},
        network={
            "name": "multimodal-from-noise",
            "options": {**SMALL, "mask_channels": 2, "in_channels": 2, "modalities": 2, "channels": 2},
        },
        structure_model=str(package),
        drawn_maps=0.5,
        augmentation={"crop": 64, "flip": False},
    )
    made = multimodal_system(images)
    made.begin_epoch(2)
    made.step(Batch({}, {name: upsampled(image) for name, image in multimodal_batch().targets.items()}))
    for name, value in made.networks["generator"].maps.state_dict().items():
        assert torch.equal(value, network.state_dict()[name]), name


def upsampled(image: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.interpolate(image, scale_factor=2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"encoder": NetworkSpec(name="structure-encoder", options={**SMALL, "latent": 9})},
            r"differ in latent \(network 16, encoder 9, code_discriminator 16, contract.noise 16\); give all the same",
        ),
        (
            {"encoder": NetworkSpec(name="structure-encoder", options={**SMALL, "size": 128})},
            r"differ in size \(network 64, encoder 128, contract.matrix 64\); give all the same",
        ),
        ({"encoder": NetworkSpec(name="structure-decoder", options=SMALL)}, "cannot be the encoder"),
        ({"network": NetworkSpec(name="structure-decoder", options=SMALL)}, "cannot be the generator"),
        ({"code_discriminator": NetworkSpec(name="patchgan2d")}, "cannot be the code_discriminator"),
    ],
)
def test_networks_that_do_not_fit_are_refused(changes, words):
    settings = recipe().model_copy(update=changes)
    with pytest.raises(MedSynthError, match=words):
        create_system(settings.system, settings, Engine(torch.device("cpu"), settings))


def contract(outputs: tuple[str, ...] = ("structure", "organ"), inputs: tuple[str, ...] = ()) -> dict[str, Any]:
    content = recipe().contract.model_dump(mode="json")
    side = content["outputs"]["structure"]
    return {"contract": {**content, "outputs": dict.fromkeys(outputs, side), "inputs": dict.fromkeys(inputs, side)}}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss": {"mask": 0}}, "loss.mask needs a weight above 0"),
        ({"loss": {"map_adversarial": 0}}, "loss.map_adversarial and loss.map_discriminator must be above 0 together"),
        ({"structure": {"role": "ct", "modality": "CT", "unit": "HU", "preset": "knee"}}, "There is no preset 'knee'"),
        (
            {"structure": {"role": "ct", "modality": "CT", "unit": "HU", "values": {"width": 1}}},
            "have no setting 'width'",
        ),
        ({"choose_by": "mae"}, "validation does not report 'mae'; choose one of map_distance"),
        (contract(outputs=("organ", "structure")), "contract.outputs must be structure and organ"),
        (contract(outputs=("structure",)), "contract.outputs must be structure and organ"),
        (contract(inputs=("label",)), "contract.outputs must be structure and organ, and there are no inputs"),
    ],
)
def test_recipes_that_cannot_train_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        recipe(**changes)
