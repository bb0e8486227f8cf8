"""The methods of the experiments, as changes to a shared recipe."""

from __future__ import annotations

from typing import Any

from medsynth_core.recipes.recipe import Recipe, read_recipe
from medsynth_core.resources import resource_folder

# The published stages without their two deepest levels, for slices of 64² instead of 256².
WIDE = [64, 128, 256, 512, 512, 512]
COMPACT = [16, 24, 42, 81, 114, 960]
COMPACT_STAGES = (1, 2, 3, 5, 7, 10)


def _network(name: str, channels: list[int], **options: Any) -> dict[str, Any]:
    return {"network": {"name": name, "options": {"channels": channels, **options}}}


# 16 instead of the 64 published channels of ML-Net and the discriminator, for crops of 48² voxels. Residual, because
# after so few epochs other networks reproduce neither the image nor the dose.
ML_NET: dict[str, Any] = {"name": "mlnet3d", "options": {"channels": 16, "classes": 6, "residual": True}}
PAIRED_ADVERSARY = {"name": "patchgan3d", "options": {"channels": 16}}
GUIDED: dict[str, Any] = {"l1": 300.0, "dose_class": 10.0, "unit": "image"}

VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "ct-to-pet-systems": {
        "unet256": _network("unet256", WIDE),
        "cas-unet": _network("cas-unet", WIDE),
        **{f"compact-{n}": _network("cascade-compact", COMPACT, stages=n) for n in COMPACT_STAGES},
        "wide-3": _network("cascade-wide", WIDE, stages=3),
        "dsggan": {
            **_network("dsggan", WIDE),
            "system": "dsggan",
            "loss": {"mse": 100.0, "ssim": 1.0, "gradient": 10.0, "adversarial": 1.0},
        },
        "unet256-resize": _network("unet256", WIDE, upsample="resize"),
    },
    "ct-to-mr-systems": {
        "unet-ctmr": {},
        "pix2pix": {
            **_network("unet256", WIDE, in_channels=1, out_channels=1),
            "discriminator": {"name": "patchgan2d", "options": {"in_channels": 2, "channels": 16}},
            "loss": {"l1": 100.0, "adversarial": 1.0, "adversarial_kind": "logits"},
            "optimiser": {"learning_rate": 0.0005, "betas": [0.5, 0.999]},
        },
    },
    "low-dose-pet": {
        "unet3d": {},
        "cgan3d": {"discriminator": PAIRED_ADVERSARY, "loss": {"l1": 300.0, "adversarial": 1.0, "unit": "image"}},
        "mlnet3d": {"system": "cg3dsrgan", "network": ML_NET, "loss": GUIDED},
        "cg3dgan": {
            "system": "cg3dsrgan",
            "network": ML_NET,
            "discriminator": PAIRED_ADVERSARY,
            "loss": {**GUIDED, "adversarial": 1.0},
            "image_pool": 4,
        },
        "cg3dsrgan": {
            "system": "cg3dsrgan",
            "network": {"name": "cg3dsrgan", "options": {**ML_NET["options"], "context_channels": 16}},
            "discriminator": PAIRED_ADVERSARY,
            "loss": {**GUIDED, "refined_l1": 10.0, "adversarial": 1.0},
            "image_pool": 4,
            "coarse_epochs": 8,
        },
        "cyclegan3d": {
            "system": "cyclegan",
            "network": {"name": "resnet3d", "options": {"channels": 8, "blocks": 4}},
            "discriminator": {"name": "patchgan3d", "options": {"in_channels": 1, "channels": 16}},
            "loss": {"adversarial": 1.0, "cycle": 10.0, "identity": 0.5},
            "image_pool": 50,
            # On a CPU a step takes as long as a hundred of unet3d: six passes with convolutions of 7³ at full size.
            "epochs": 1,
        },
    },
}


# Methods that are trained a second time from another seed, so that the table shows how far chance alone goes.
REPEATED = {
    "ct-to-pet-systems": ("unet256", "cas-unet", "compact-1", "compact-3", "compact-7"),
    "low-dose-pet": ("unet3d", "mlnet3d", "cg3dgan", "cg3dsrgan"),
}
SECOND_SEED = 2


def repeated(name: str) -> str:
    """Return the name of a method that is trained from the second seed."""
    return f"{name}-seed{SECOND_SEED}"


def recipes(experiment: str) -> dict[str, Recipe]:
    """Return the recipe of each method of an experiment: the shared one with the method's changes.

    Repeated methods come last.
    """
    shared = read_recipe(resource_folder() / "Recipes" / "experiments" / f"{experiment}.yaml").model_dump(mode="json")
    variants = dict(VARIANTS[experiment])
    for name in REPEATED.get(experiment, ()):
        variants[repeated(name)] = {**variants[name], "seed": SECOND_SEED}
    return {name: Recipe.model_validate({**shared, **changes, "name": name}) for name, changes in variants.items()}
