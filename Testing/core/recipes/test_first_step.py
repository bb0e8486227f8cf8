"""Every preset as it ships takes a step: its data, frame, networks, losses and optimiser fit each other.

On a GPU with the preset's whole batch. On a CPU with fewer slices; the networks that would take minutes there (3-D, and
CycleGAN's) get smaller patches of the same kind, and cascades that would not fit into 6 GB fewer of their equal stages.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import phantom_body_pet, phantom_ct, phantom_pet
from PIL import Image

from medsynth_core.datasets.manifest import Case
from medsynth_core.io.writing import write_volume
from medsynth_core.modality import PICTURE_MODALITIES
from medsynth_core.networks.registry import count_parameters, create_network
from medsynth_core.preparation.contract import Side
from medsynth_core.progress import Progress
from medsynth_core.recipes.presets import preset_files
from medsynth_core.recipes.recipe import Recipe, read_recipe
from medsynth_core.systems.base import System
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.data_needs import Role
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system
from medsynth_core.training.batches import Batches
from medsynth_core.training.prepared_cases import load_cases
from medsynth_core.volume import Volume

pytestmark = pytest.mark.slow

GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if GPU else "cpu")
# Sides of the patches on a CPU, by the generator; the others get the slices of the preset.
CROPS_ON_CPU = {
    "mlnet3d": 64,
    "cg3dsrgan": 64,
    "unet3d": 64,
    "resnet3d": 32,
    "resnet9": 128,
    "skrgan": 128,
    "unet-gan": 128,
    "pggan": 64,
}
ITEMS_ON_CPU = 2
# Parameters that fit with their gradients and Adam's two moments into 6 GB, beside the discriminator.
MOST_PARAMETERS_ON_CPU = 300e6
# Losses that are reported under the name of their weight.
TERMS = {"l1", "mse", "gradient", "perceptual", "refined_l1", "refined_log_mse", "dose_class", "adversarial", "cycle"}


def volume_for(side: Side) -> Volume:
    """Return a phantom of a side's modality and unit."""
    ct = phantom_ct((4, 180, 200))
    if side.modality == "CT":
        return ct
    if side.modality == "PT":
        return phantom_pet(ct)
    return ct.replace(voxels=np.clip(ct.voxels + 1000, 0, 1400).astype(np.float32), modality="MR", unit=side.unit)


def write_picture(role: Role, folder: Path) -> Path:
    """Write a picture that suits a role: a bright disc with lines, in colour if the role says so."""
    y, x = np.mgrid[-1:1:300j, -1:1:320j]
    disc = np.hypot(y, x) < 0.8
    grey = np.where(disc, 120 + 60 * (np.abs(np.sin(20 * x)) < 0.2), 3).astype(np.uint8)
    shown = np.stack([grey, grey // 2, grey // 4], axis=-1) if role.colours else grey
    Image.fromarray(shown).save(folder / f"{role.name}.png")
    return folder / f"{role.name}.png"


def write_case(recipe: Recipe, folder: Path) -> Case:
    """Write the volumes of a case that suits a recipe."""
    files: dict[str, Path] = {}
    dosed = phantom_body_pet(shape=(20, 32, 36))
    ct = dosed.replace(voxels=np.where(dosed.voxels > 0.3, 40, -1000).astype(np.int16), modality="CT", unit="HU")
    for role in recipe.needs.roles:
        if role.modality in PICTURE_MODALITIES:
            files[role.name] = write_picture(role, folder)
            continue
        sides = {**recipe.contract.outputs, **recipe.contract.inputs}
        if recipe.dose is None and recipe.contract.slab is None:
            volume = volume_for(sides[role.name])
        else:
            volume = ct if role.modality == "CT" else dosed
        files[role.name] = folder / f"{role.name}.nii.gz"
        write_volume(volume, files[role.name])
    return Case(name="P", patient="P", split="train", files=files, label=next(iter(recipe.needs.classes), ""))


def as_it_fits(recipe: Recipe) -> Recipe:
    """Return a recipe as it ships on a GPU, and what a CPU can compute of it in seconds."""
    if GPU:
        return recipe
    content: dict[str, Any] = recipe.model_dump(mode="json")
    crop = CROPS_ON_CPU.get(recipe.network.name, recipe.augmentation.crop)
    content["augmentation"]["crop"] = min(crop, recipe.augmentation.crop)
    if recipe.contract.slab is not None:
        content["contract"]["slab"].pop("plane")
    if recipe.contract.kind == "generation":
        crop = content["augmentation"]["crop"]
        content["contract"]["matrix"] = [crop, crop]
        for network in (content["network"], content["discriminator"]):
            network["options"] |= {"size": crop} if "size" in network["options"] else {}
    content["batch_size"] = min(ITEMS_ON_CPU, recipe.batch_size)
    options = content["network"]["options"]
    with torch.device("meta"):
        size = count_parameters(create_network(recipe.network.name, **recipe.network.options))
    if size > MOST_PARAMETERS_ON_CPU:
        options["stages"] = int(options["stages"] * MOST_PARAMETERS_ON_CPU / size)
    return Recipe.model_validate(content)


def first_batch(recipe: Recipe, system: System[Any], folder: Path) -> Batch:
    """Return the first batch of a training, of as many slices or patches as the recipe says."""
    cases = load_cases([write_case(recipe, folder)], recipe, Progress(), paired=recipe.needs.paired)
    if not recipe.contract.inputs or recipe.needs.by_modality:
        # A picture is a single slice, and a batch has several.
        cases *= recipe.batch_size
    channels = (int(getattr(system.generator, "in_channels", 0)), int(system.generator.out_channels))  # type: ignore[arg-type]
    batches = Batches(cases, recipe, channels)
    return next(iter(batches.epoch(0)))


@pytest.mark.parametrize("name", preset_files())
def test_a_preset_takes_a_step_as_it_ships(name, tmp_path):
    shipped = read_recipe(name)
    recipe = as_it_fits(shipped)
    system = create_system(recipe.system, recipe, Engine(DEVICE, recipe))
    system.begin_epoch(getattr(recipe, "coarse_epochs", 0))
    batch = first_batch(recipe, system, tmp_path)
    crop = recipe.augmentation.crop
    assert {image.shape[-2:] for image in (*batch.inputs.values(), *batch.targets.values())} == {(crop, crop)}
    grows = bool(getattr(recipe, "fade_epochs", 0))
    if grows:  # the last epoch, in which the images have their whole size
        system.load_state({**system.state(), "steps": recipe.epochs - 1})
    before = {name: [p.detach().clone() for p in net.parameters()] for name, net in system.networks.items()}
    losses = system.step(batch.to(DEVICE), len(batch) if recipe.contract.slab else 1)
    assert losses and all(math.isfinite(value) for value in losses.values())
    # Those that the preset states: defaults may be of losses that it has no networks for.
    weights = shipped.loss.model_dump(exclude_unset=True)
    assert {term for term in TERMS if weights.get(term)} <= set(losses)
    for part, network in system.networks.items():
        moved = [not torch.equal(a, b) for a, b in zip(before[part], network.parameters(), strict=True)]
        # The last layer of a residual network starts at 0, so that in the first step no gradient passes it.
        waits = part == "generator" and recipe.network.options.get("residual")
        # One that has grown makes no use of the layers for smaller images.
        least = 2 if waits else (0.7 if grows else 0.9) * len(moved)
        assert sum(moved) > least, part
    if shipped.optimiser.warmup_steps == 0:
        pairs = zip(before["generator"], system.generator.parameters(), strict=True)
        largest = max(float((a - b.detach()).abs().max()) for a, b in pairs)
        # RMSprop divides a gradient by the root of a hundredth of its square in the first step.
        factor = 10 if recipe.optimiser.algorithm == "rmsprop" else 1
        assert largest == pytest.approx(factor * recipe.optimiser.learning_rate, rel=0.05)
