"""The methods that are compared on CT, PET and MR of sarcomas, as changes to the recipe of the bundled generator.

The ablations are those of Table 1 of Qu's thesis, each with what the one before has:

A: noise instead of a structure map, and no loss of lesions. B: structure maps and the loss of lesions, with lesions
anywhere. C: lesions inside the organ, without their loss. D: noise in the structure map (equation 12). E: the
registration loss. F: the loss of lesions.
"""

from __future__ import annotations

from typing import Any

from medsynth_core.experiments.structure_generation.rivals import (
    FROM_MAPS,
    content_of,
    experiment_recipe,
    from_maps,
    from_noise,
)
from medsynth_core.recipes.recipe import Recipe

BUNDLED = "multimodal-sts"
# Epochs in which networks that are not the generator learn, in which it learns from images and their own maps, and in
# which it learns against the discriminator.
PREPARE, PRETRAIN, ADVERSARIAL = 2, 2, 6

ABLATIONS: dict[str, tuple[str, ...]] = {
    "ablation-a": (),
    "ablation-b": ("maps", "processor"),
    "ablation-c": ("maps", "fit_lesions"),
    "ablation-d": ("maps", "fit_lesions", "fuse"),
    "ablation-e": ("maps", "fit_lesions", "fuse", "translator"),
    "ablation-f": ("maps", "fit_lesions", "fuse", "translator", "processor"),
}
WITH_PAIRS = "with-pairs"
RIVALS = FROM_MAPS
# Generators from noise alone, which draw all modalities as the channels of one image.
NOISE = ("dcgan", "wgan", "wgan-gp", "pggan")


def shared_recipe() -> Recipe:
    """Return the recipe of the bundled generator."""
    return experiment_recipe(BUNDLED)


def recipes() -> dict[str, Recipe]:
    """Return the recipe of each method that is trained for the tables, by name."""
    shared = content_of(shared_recipe())
    modalities = len(shared["contract"]["outputs"])
    found = {name: {**shared, **_ablation(parts, shared)} for name, parts in ABLATIONS.items()}
    found[WITH_PAIRS] = _with_pairs(found["ablation-f"], modalities)
    budget = {**shared, "prepare_epochs": 0, "epochs": _as_long(PRETRAIN + ADVERSARIAL, modalities)}
    for kind in RIVALS:
        for role in shared["contract"]["outputs"]:
            found[f"{kind}-{role.replace('_', '-')}"] = from_maps(kind, role, budget)
    found |= {name: from_noise(name, shared) for name in NOISE}
    return {name: Recipe.model_validate({**content, "name": name}) for name, content in found.items()}


def _as_long(epochs: int, modalities: int) -> int:
    """Return the epochs that take as many steps where an epoch has the slices of all cases.

    Without pairs each case gives one modality, so that an epoch has the slices of a part of the cases only.
    """
    return max(1, round(epochs / modalities))


def _with_pairs(recipe: dict[str, Any], modalities: int) -> dict[str, Any]:
    prepare, pretrain = (_as_long(recipe[key], modalities) for key in ("prepare_epochs", "pretrain_epochs"))
    adversarial = _as_long(ADVERSARIAL, modalities)
    phases = {"prepare_epochs": prepare, "pretrain_epochs": pretrain, "epochs": prepare + pretrain + adversarial}
    return {**recipe, "registered": True, **phases}


def _ablation(parts: tuple[str, ...], shared: dict[str, Any]) -> dict[str, Any]:
    changes = {key: key in parts for key in ("maps", "fuse", "fit_lesions")}
    networks = {key: shared[key] if key in parts else None for key in ("translator", "processor")}
    prepare = PREPARE if any(networks.values()) else 0
    # Without a map there is nothing of an image to learn from before the discriminator is there.
    pretrain = PRETRAIN if changes["maps"] else 0
    generator = PRETRAIN + ADVERSARIAL
    return {
        **changes,
        **networks,
        "reconstruct": shared["reconstruct"] and changes["maps"],
        "prepare_epochs": prepare,
        "pretrain_epochs": pretrain,
        "epochs": prepare + generator,
    }
