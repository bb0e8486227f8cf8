"""The methods that are compared on CT, PET and MR of sarcomas, as changes to the recipe of the bundled generator.

The ablations are those of Table 1 of Qu's thesis, each with what the one before has:

A: noise instead of a structure map, and no loss of lesions. B: structure maps and the loss of lesions, with lesions
anywhere. C: lesions inside the organ, without their loss. D: noise in the structure map (equation 12). E: the
registration loss. F: the loss of lesions.
"""

from __future__ import annotations

from typing import Any

from medsynth_core.recipes.recipe import Recipe, read_recipe
from medsynth_core.resources import resource_folder

BUNDLED = "multimodal-sts"
# Epochs in which networks that are not the generator learn, in which it learns from images and their own maps, and in
# which it learns against the discriminator.
PREPARE, PRETRAIN, ADVERSARIAL = 2, 2, 6
CHANNELS, SIZE = 32, 128
_NONE: dict[str, Any] = {"translator": None, "processor": None, "prepare_epochs": 0}

ABLATIONS: dict[str, tuple[str, ...]] = {
    "ablation-a": (),
    "ablation-b": ("maps", "processor"),
    "ablation-c": ("maps", "fit_lesions"),
    "ablation-d": ("maps", "fit_lesions", "fuse"),
    "ablation-e": ("maps", "fit_lesions", "fuse", "translator"),
    "ablation-f": ("maps", "fit_lesions", "fuse", "translator", "processor"),
}
WITH_PAIRS = "with-pairs"
RIVALS = ("skrgan", "unet-gan")
# Generators from noise alone, which draw all modalities as the channels of one image.
_ADAM = {"algorithm": "adam", "learning_rate": 0.0002, "betas": [0.5, 0.999]}
FROM_NOISE: dict[str, dict[str, Any]] = {
    "dcgan": {"objective": "gan", "optimiser": _ADAM},
    "wgan": {
        "objective": "wgan",
        "critic_steps": 5,
        "clip": 0.01,
        "optimiser": {"algorithm": "rmsprop", "learning_rate": 0.00005},
    },
    "wgan-gp": {
        "objective": "wgan-gp",
        "critic_steps": 5,
        "optimiser": {"algorithm": "adam", "learning_rate": 0.0001, "betas": [0.0, 0.9]},
    },
    "pggan": {
        "objective": "wgan-gp",
        "stable_epochs": 2,
        "fade_epochs": 2,
        "loss": {"penalty": 10.0, "drift": 0.001},
        "optimiser": {"algorithm": "adam", "learning_rate": 0.001, "betas": [0.0, 0.99]},
        "average": 0.999,
    },
}


def shared_recipe() -> Recipe:
    """Return the recipe of the bundled generator."""
    return read_recipe(resource_folder() / "Recipes" / "experiments" / f"{BUNDLED}.yaml")


def recipes() -> dict[str, Recipe]:
    """Return the recipe of each method that is trained for the tables, by name."""
    shared = _without_maps_from_noise()
    found = {name: {**shared, **_ablation(parts, shared)} for name, parts in ABLATIONS.items()}
    found[WITH_PAIRS] = {**found["ablation-f"], "registered": True}
    for kind in RIVALS:
        for role in shared["contract"]["outputs"]:
            found[f"{kind}-{role.replace('_', '-')}"] = _rival(kind, role, shared)
    found |= {name: _from_noise(name, changes, shared) for name, changes in FROM_NOISE.items()}
    return {name: Recipe.model_validate({**content, "name": name}) for name, content in found.items()}


def _without_maps_from_noise() -> dict[str, Any]:
    """Return the shared recipe of a generator that is trained with the maps of images alone."""
    content = shared_recipe().model_dump(mode="json")
    network = {"in_channels": 2, "modalities": 3, "channels": CHANNELS}
    return {
        **content,
        "structure_model": "",
        "drawn_maps": 0.0,
        "network": {"name": "multimodal-generator", "options": network},
        "keep_pictures": False,
    }


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
        "prepare_epochs": prepare,
        "pretrain_epochs": pretrain,
        "epochs": prepare + generator,
    }


def _rival(kind: str, role: str, shared: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe of a generator of one modality, as the thesis implements the rivals of its Table 3 again."""
    contract = shared["contract"]
    told = "structure" if kind == "skrgan" else "noise"
    drawn_from = {told: contract["inputs"]["structure"]}
    loss = {"adversarial": 3.0, "real": 5.0, "fake": 3.0, "reconstruction": 5.0, "background": 0.0}
    return {
        **shared,
        **_NONE,
        "lesion": "",
        "fit_lesions": True,
        "maps": kind == "skrgan",
        "fuse": False,
        "invert": kind == "skrgan",
        "own_maps": kind == "skrgan",
        "contract": {**contract, "inputs": drawn_from, "outputs": {role: contract["outputs"][role]}},
        "structures": {role: shared["structures"][role]},
        "network": {"name": kind, "options": {"channels": CHANNELS}},
        "discriminator": {"name": "multimodal-discriminator", "options": {"channels": CHANNELS, "modalities": 0}},
        "loss": loss,
        "pretrain_epochs": 0,
        "epochs": PRETRAIN + ADVERSARIAL,
    }


def _from_noise(name: str, changes: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe of a generator from noise, which draws from -1 to 1."""
    contract = shared["contract"]
    sides, count = contract["outputs"], len(contract["outputs"])
    outputs = {role: {**side, "intensity": _both_signs(side["intensity"])} for role, side in sides.items()}
    grows = name == "pggan"
    kind = "pggan" if grows else "dcgan"
    critic: dict[str, Any] = {"size": SIZE, "in_channels": count}
    if changes["objective"] == "wgan-gp" and not grows:
        critic["normalisation"] = "none"
    kept = ("format", "about", "seed", "augmentation")
    return {
        **{key: shared[key] for key in kept},
        "system": "unconditional",
        "contract": {**contract, "inputs": {}, "noise": 100, "outputs": outputs},
        "network": {"name": kind, "options": {"size": SIZE, "latent": 100, "out_channels": count}},
        "discriminator": {"name": f"{kind}-discriminator", "options": critic},
        "initialisation": "torch" if grows else "normal",
        "batch_size": 16,
        "epochs": 30,
        "stop_after": 8,
        "choose_by": "fid",
        **changes,
    }


def _both_signs(intensity: dict[str, Any]) -> dict[str, Any]:
    """Return an intensity whose network values are from -1 to 1 instead of from 0 to 1."""
    if intensity["kind"] == "scale":
        return {"kind": "curve", "points": [[0.0, -1.0], [intensity["upper"], 1.0]]}
    return {"kind": "curve", "points": [[value, 2 * mapped - 1] for value, mapped in intensity["points"]]}
