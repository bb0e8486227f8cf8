"""Structure maps from noise: the losses of equations 6 to 11, and a training from images to a package."""

from __future__ import annotations

import csv
from pathlib import Path

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
from medsynth_core.systems.registry import create_system
from medsynth_core.systems.structure_vaegan import drawn_maps
from medsynth_core.training.structure_targets import structure_case
from medsynth_core.volume import Volume


def test_the_weights_are_those_of_the_authors_code():
    weights = recipe().loss.model_dump()
    assert weights == {
        "mask": 15.0, "squared": 25.0, "absolute": 10.0, "outside": 1.0, "code_adversarial": 1e-3,
        "code_discriminator": 10.0, "map_adversarial": 0.1, "map_discriminator": 25.0, "balance": 1e-4,
        "code_mean": 1e-3, "code_spread": 1e-3, "kl": 0.0,
    }  # fmt: skip


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


def test_maps_from_noise_depend_on_seed_and_number_alone():
    network = system(recipe()).networks["generator"].eval()
    lines, organ = drawn_maps(network, 20, 16, seed=0)
    assert lines.shape == organ.shape == (20, 64, 64) and not (lines & ~organ).any()
    fewer = drawn_maps(network, 3, 16, seed=0)
    assert np.array_equal(fewer[0], lines[:3]) and not np.array_equal(drawn_maps(network, 3, 16, seed=1)[0], fewer[0])


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
        ({"encoder": NetworkSpec(name="structure-encoder", options={**SMALL, "latent": 9})}, "differ in latent"),
        ({"encoder": NetworkSpec(name="structure-encoder", options={**SMALL, "size": 128})}, "differ in size"),
        ({"encoder": NetworkSpec(name="structure-decoder", options=SMALL)}, "cannot be the encoder"),
        ({"network": NetworkSpec(name="structure-decoder", options=SMALL)}, "cannot be the generator"),
    ],
)
def test_networks_that_do_not_fit_are_refused(changes, words):
    settings = recipe().model_copy(update=changes)
    with pytest.raises(MedSynthError, match=words):
        create_system(settings.system, settings, Engine(torch.device("cpu"), settings))


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
    ],
)
def test_recipes_that_cannot_train_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        recipe(**changes)
