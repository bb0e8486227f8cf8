"""Methods that Qu's generator is compared with, as changes to the recipe of a generator of the same images.

SkrGAN and GAN# (``unet-gan``) are those of Table 3 of Qu's thesis, which implements them again for its own networks;
DCGAN, ACGAN, WGAN, WGAN-GP and PGGAN draw from noise alone.
"""

from __future__ import annotations

from typing import Any

from medsynth_core.recipes.recipe import Recipe, read_recipe
from medsynth_core.resources import resource_folder

CHANNELS = 32
FROM_MAPS = ("skrgan", "unet-gan")
# A growing network of the published width would take days.
NARROW = {"base": 512, "most": 64}
# What a generator has that its rivals have not.
WITHOUT: dict[str, Any] = {
    "translator": None, "processor": None, "prepare_epochs": 0, "lesion": "", "classes": (), "reconstruct": False,
}  # fmt: skip
_ADAM = {"algorithm": "adam", "learning_rate": 0.0002, "betas": [0.5, 0.999]}
FROM_NOISE: dict[str, dict[str, Any]] = {
    "dcgan": {"objective": "gan", "optimiser": _ADAM},
    "acgan": {"objective": "acgan", "optimiser": _ADAM},
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


def experiment_recipe(name: str) -> Recipe:
    """Return a recipe of ``Resources/Recipes/experiments``."""
    return read_recipe(resource_folder() / "Recipes" / "experiments" / f"{name}.yaml")


def content_of(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe of a multi-modal generator as plain data, without the part that draws maps from noise."""
    content = recipe.model_dump(mode="json")
    kept = ("in_channels", "out_channels", "modalities", "channels", "dropout", "output_norm", "modality_scales")
    options = {name: value for name, value in content["network"]["options"].items() if name in kept}
    return {
        **content,
        "structure_model": "",
        "drawn_maps": 0.0,
        "network": {"name": "multimodal-generator", "options": options},
        "keep_pictures": False,
    }


def from_maps(kind: str, role: str, shared: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe, as plain data, of a rival of one modality that draws by the U-Net and knows no labels.

    Args:
        kind: one of `FROM_MAPS`: from structure maps, or from a map of noise.
        role: of the modality.
        shared: recipe of the generator, as `content_of`; the rival has its epochs.
    """
    contract = shared["contract"]
    told = "structure" if kind == "skrgan" else "noise"
    side = contract["outputs"][role]
    drawn, judged = ({"out_channels": 3}, {"in_channels": 3}) if side.get("colours") else ({}, {})
    # As for the generator: its normalisation of the output would be a handicap of the rival alone.
    drawn["output_norm"] = shared["network"]["options"].get("output_norm", True)
    return {
        **shared,
        **WITHOUT,
        "fit_lesions": True,
        "maps": kind == "skrgan",
        "fuse": False,
        "invert": kind == "skrgan",
        "own_maps": kind == "skrgan",
        "contract": {**contract, "inputs": {told: contract["inputs"]["structure"]}, "outputs": {role: side}},
        "structures": {role: shared["structures"][role]},
        "network": {"name": kind, "options": {"channels": CHANNELS, **drawn}},
        "discriminator": {
            "name": "multimodal-discriminator",
            "options": {"channels": CHANNELS, "modalities": 0, **judged},
        },
        "loss": {
            "adversarial": 3.0,
            "real": 5.0,
            "fake": 3.0,
            # As for the generator.
            "reconstruction": shared["loss"]["reconstruction"],
            "background": 0.0,
        },
        "pretrain_epochs": 0,
        "epochs": shared["epochs"] - shared["prepare_epochs"],
    }


def from_noise(name: str, shared: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe, as plain data, of a generator from noise, which draws all images as the channels of one.

    Its network values are from -1 to 1, and its batches of 16.

    Args:
        name: one of `FROM_NOISE`.
        shared: recipe of the generator, as `content_of`.
    """
    contract, changes = shared["contract"], FROM_NOISE[name]
    outputs = {
        role: {**side, "intensity": _both_signs(side["intensity"])} for role, side in contract["outputs"].items()
    }
    contract = {**contract, "inputs": {}, "noise": 100, "outputs": outputs}
    kept = ("format", "about", "seed", "augmentation")
    return {
        **{key: shared[key] for key in kept},
        "system": "unconditional",
        "contract": contract,
        **_networks(name, shared),
        "initialisation": "torch" if name == "pggan" else "normal",
        "batch_size": 16,
        "epochs": 30,
        "stop_after": 8,
        "choose_by": "fid",
        "keep_pictures": False,
        **changes,
    }


def _networks(name: str, shared: dict[str, Any]) -> dict[str, Any]:
    """Return generator and discriminator of a method from noise."""
    kind = name if name in ("pggan", "acgan") else "dcgan"
    size, count = shared["augmentation"]["crop"], _channels(shared)
    drawn: dict[str, Any] = {"size": size, "latent": 100, "out_channels": count}
    judge: dict[str, Any] = {"size": size, "in_channels": count}
    found: dict[str, Any] = {}
    if kind == "acgan":
        drawn["classes"] = judge["classes"] = len(shared["classes"])
        found["classes"] = shared["classes"]
    if name == "wgan-gp":
        judge["normalisation"] = "none"
    if kind == "pggan":
        drawn, judge = {**drawn, **NARROW}, {**judge, **NARROW}
    return {
        **found,
        "network": {"name": kind, "options": drawn},
        "discriminator": {"name": f"{kind}-discriminator", "options": judge},
    }


def _channels(shared: dict[str, Any]) -> int:
    return sum(3 if side.get("colours") else 1 for side in shared["contract"]["outputs"].values())


def _both_signs(intensity: dict[str, Any]) -> dict[str, Any]:
    """Return an intensity whose network values are from -1 to 1 instead of from 0 to 1."""
    if intensity["kind"] == "scale":
        return {"kind": "curve", "points": [[0.0, -1.0], [intensity["upper"], 1.0]]}
    return {"kind": "curve", "points": [[value, 2 * mapped - 1] for value, mapped in intensity["points"]]}
