"""The systems of the publications train, each with its own losses and preparation."""

import csv

import numpy as np
import pytest
import torch
from builders import batch_of, phantom_ct, tiny_recipe, write_manifest

from medsynth_core import MedSynthError, synthesize, train
from medsynth_core.recipes.recipe import read_recipe
from medsynth_core.systems.dsggan import DSGGANSystem
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system

CPU = torch.device("cpu")
GREY = {"kind": "percentiles", "lower": 0.0, "upper": 100.0, "top": 255.0}
DSGGAN = {
    "system": "dsggan",
    "network": {"name": "dsggan", "options": {"channels": [4, 6, 8, 8, 8, 8]}},
    "discriminator": {"name": "patchgan2d", "options": {"in_channels": 6, "channels": 4, "layers": 1}},
    "loss": {"mse": 10.0, "ssim": 1.0, "gradient": 1.0, "adversarial": 0.1},
    "augmentation": {"crop": 64},
}


def system(**changes):
    recipe = tiny_recipe(**changes)
    return create_system(recipe.system, recipe, Engine(CPU, recipe))


def batch():
    image = torch.nn.functional.avg_pool2d(
        torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), 5, stride=1, padding=2
    )
    return image, image.abs() - 0.5


def test_dsggan_judges_either_stage_by_its_own_losses():
    made = system(**DSGGAN)
    assert isinstance(made, DSGGANSystem)
    image, target = batch()
    losses = made.step(batch_of(image, target))
    assert {"structure", "gradient", "adversarial", "discriminator"} <= set(losses) and "ssim" not in losses
    expected = 10 * losses["mse"] + losses["gradient"] + losses["structure"] + 0.1 * losses["adversarial"]
    assert losses["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_dsggan_learns():
    made = system(**DSGGAN)
    first = made.step(batch_of(*batch()))
    for _ in range(40):
        last = made.step(batch_of(*batch()))
    assert last["mse"] < 0.7 * first["mse"] and last["structure"] < 0.8 * first["structure"]


def test_dsggan_needs_a_network_with_stages():
    with pytest.raises(MedSynthError, match="needs a network with two stages"):
        system(**{**DSGGAN, "network": {"name": "unet-ctmr"}, "discriminator": None, "loss": {"mse": 1.0}})


@pytest.mark.slow
def test_the_u_net_of_dong_et_al_gives_grey_levels_on_the_grid_of_the_ct(tmp_path):
    published = read_recipe("unet-ctmr-published")
    grey = published.contract.model_dump(mode="json")
    recipe = tiny_recipe(
        name="grey",
        contract={**grey, "outputs": {"pet": grey["outputs"]["mr_t1"]}, "matrix": None, "body_margin": 2.0},
        network={"name": "unet-ctmr", "options": {"channels": [8, 16, 16]}},
        loss={"mse": 1.0},
        optimiser=published.optimiser.model_dump() | {"learning_rate": 0.003},
        augmentation={"crop": 44},
        epochs=12,
    )
    assert recipe.contract.output.intensity == recipe.contract.input.intensity
    manifest = write_manifest(tmp_path)
    package = train(recipe, manifest, tmp_path / "run", device="cpu")
    rows = list(csv.DictReader((tmp_path / "run" / "metrics.csv").open()))
    assert float(rows[-1]["val_mae"]) < 0.6 * float(rows[0]["val_mae"])
    assert float(rows[3]["learning_rate"]) == pytest.approx(0.003 * 0.95**3)
    ct = phantom_ct(seed=9)
    made = synthesize(ct, package, device="cpu")
    assert made.shape == ct.shape and np.array_equal(made.ijk_to_ras, ct.ijk_to_ras)
    assert made.voxels.min() >= 0 and 100 < made.voxels.max() <= 255 and made.unit == "1"


def test_perceptual_loss_takes_part_with_a_local_file(tmp_path):
    from medsynth_core.losses.perceptual import NUMBERS, _vgg16

    torch.manual_seed(0)
    features = _vgg16(max(NUMBERS.values()))
    state = {f"features.{name}": value for name, value in features.state_dict().items()}
    torch.save(state, tmp_path / "vgg16.pth")
    weights = {"l1": 1.0, "perceptual": 0.5, "perceptual_weights": str(tmp_path / "vgg16.pth")}
    made = system(loss=weights, augmentation={"crop": 64})
    losses = made.step(batch_of(*batch()))
    assert losses["perceptual"] > 0
    assert losses["loss"] == pytest.approx(losses["l1"] + 0.5 * losses["perceptual"], rel=1e-5)
    with pytest.raises(MedSynthError):
        system(loss={**weights, "perceptual_weights": str(tmp_path / "none.pth")})
