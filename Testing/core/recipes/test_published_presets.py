"""Presets that follow a publication have its settings, and their first lines name every departure."""

from __future__ import annotations

import pytest

from medsynth_core.recipes.presets import preset_file
from medsynth_core.recipes.recipe import read_recipe

DENG = ("cascade-published", "cascade-wide-published", "cas-unet-published")
XUE = ("cg3dsrgan-published", "cgan3d", "unet3d")
PIX2PIX = ("pix2pix", "cyclegan")


@pytest.mark.parametrize("name", DENG)
def test_the_cascades_of_deng_et_al(name):
    recipe = read_recipe(name)
    assert recipe.loss.mse == 100 and recipe.loss.adversarial == 1 and recipe.loss.l1 == 0
    assert recipe.optimiser.learning_rate == 1e-3 and recipe.optimiser.schedule == "constant"
    assert recipe.optimiser.betas == (0.5, 0.999) and recipe.initialisation == "normal" and recipe.epochs == 200
    assert not recipe.augmentation.flip


@pytest.mark.parametrize("name", PIX2PIX)
def test_the_reference_systems_start_and_mirror_as_published(name):
    recipe = read_recipe(name)
    assert recipe.initialisation == "normal" and recipe.augmentation.flip and recipe.augmentation.shift_pixels == 15
    assert recipe.optimiser.learning_rate == 2e-4 and recipe.optimiser.betas == (0.5, 0.999)
    assert (recipe.optimiser.schedule, recipe.optimiser.hold, recipe.epochs) == ("linear", 0.5, 200)
    assert recipe.batch_size == 1


def test_the_losses_of_the_reference_systems():
    pix2pix, cyclegan = (read_recipe(name) for name in PIX2PIX)
    assert (pix2pix.loss.l1, pix2pix.loss.adversarial, pix2pix.loss.adversarial_kind) == (100, 1, "logits")
    assert (cyclegan.loss.cycle, cyclegan.loss.identity, cyclegan.loss.adversarial) == (10, 0.5, 1)
    assert cyclegan.loss.adversarial_kind == "least_squares" and cyclegan.image_pool == 50


@pytest.mark.parametrize("name", [*XUE, "cyclegan3d"])
def test_the_training_of_xue_et_al(name):
    recipe = read_recipe(name)
    optimiser = recipe.optimiser
    assert (optimiser.algorithm, optimiser.weight_decay, optimiser.betas) == ("adam", 1e-5, (0.5, 0.999))
    assert (optimiser.schedule, optimiser.factor, optimiser.patience) == ("plateau", 0.1, 5)
    assert (optimiser.learning_rate, optimiser.stop_below) == (2e-4, 2e-6)
    assert (recipe.epochs, recipe.batch_size, recipe.choose_by) == (100, 4, "nrmse_minmax")
    assert not recipe.augmentation.flip and recipe.initialisation == ("normal" if name == "cyclegan3d" else "torch")


@pytest.mark.parametrize("name", XUE)
def test_the_l1_of_xue_et_al_is_measured_in_suv(name):
    loss = read_recipe(name).loss
    assert loss.l1 == 300 and loss.unit == "image"


def test_the_weights_of_cg3dsrgan():
    loss = read_recipe("cg3dsrgan-published").loss
    assert (loss.l1, loss.dose_class, loss.perceptual, loss.adversarial) == (300, 10, 10, 1)


def test_the_u_net_of_dong_et_al():
    recipe = read_recipe("unet-ctmr-published")
    assert recipe.loss.mse == 1 and recipe.batch_size == 16 and not recipe.augmentation.flip
    assert recipe.optimiser.schedule == "exponential" and recipe.optimiser.weight_decay == 0


@pytest.mark.parametrize("name", [*DENG, *PIX2PIX, *XUE[:2], "cyclegan3d", "unet-ctmr-published"])
def test_the_first_lines_name_the_departures(name):
    head = preset_file(name).read_text(encoding="utf-8").partition("\nformat:")[0]
    assert all(line.startswith("#") for line in head.splitlines()) and "Departures" in head


@pytest.mark.parametrize("name", ["ct-to-pet", "ct-to-mr", "low-dose-pet"])
def test_the_bundled_models_are_trained_as_before(name):
    recipe = read_recipe(name)
    assert (recipe.initialisation, recipe.optimiser.algorithm, recipe.loss.unit) == ("torch", "adamw", "network")
