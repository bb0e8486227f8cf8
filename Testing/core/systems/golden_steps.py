"""What every system computes in two steps from fixed weights and a fixed batch, for `test_golden_steps`.

In double precision, because a step of Adam makes a gradient of rounding errors as large as any other, and processors
round differently.

Record again, after a change that is meant to change a training:
``PYTHONPATH=.:Testing/core python Testing/core/systems/golden_steps.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from builders import dose_recipe, tiny_recipe
from fixed_weights import fill, numbers

from medsynth_core.systems.base import System
from medsynth_core.systems.batch import Batch
from medsynth_core.systems.engine import Engine
from medsynth_core.systems.registry import create_system

RECORD = Path(__file__).with_name("golden_steps.json")
NETWORK: dict[str, Any] = {
    "name": "cascade-compact",
    "options": {"stages": 2, "in_channels": 2, "out_channels": 1, "channels": [3, 4, 5], "dropout": 0.0},
}
ADVERSARY = {"name": "patchgan2d", "options": {"in_channels": 3, "channels": 2, "layers": 1}}
RESNET = {"name": "resnet9", "options": {"in_channels": 1, "out_channels": 1, "channels": 2, "blocks": 1}}
DOSE_NETWORK = {"name": "cg3dsrgan", "options": {"channels": 2, "context_channels": 2, "classes": 2}}
DOSE_ADVERSARY = {"name": "patchgan3d", "options": {"channels": 2, "layers": 2}}
GUIDED = {"l1": 30.0, "mse": 7.0, "dose_class": 3.0, "refined_l1": 11.0, "refined_log_mse": 0.5, "adversarial": 2.0}
ADAM = {"learning_rate": 0.01, "betas": [0.5, 0.9], "weight_decay": 0.1}
# By name: changes of the tiny recipe (or, for the system cg3dsrgan, of the tiny recipe for doses), and the parts of
# the batch.
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "pixel losses": ({"network": NETWORK, "loss": {"l1": 0.7, "mse": 1.3, "ssim": 0.5, "gradient": 0.4}}, 1),
    "deep supervision": (
        {
            "network": {**NETWORK, "options": {**NETWORK["options"], "stages": 3}},
            "loss": {"mse": 1.0, "deep_supervision": 0.3},
            "optimiser": ADAM,
        },
        1,
    ),
    "pix2pix": (
        {
            "network": NETWORK,
            "discriminator": ADVERSARY,
            "loss": {"l1": 10.0, "adversarial": 0.5, "adversarial_kind": "logits"},
            "optimiser": {**ADAM, "algorithm": "adam"},
        },
        1,
    ),
    "adversarial in parts": (
        {
            "network": NETWORK,
            "discriminator": ADVERSARY,
            "loss": {"mse": 10.0, "adversarial": 2.0, "deep_supervision": 0.5},
            "optimiser": {"learning_rate": 0.01, "clip_norm": 0.5},
            "image_pool": 3,
        },
        3,
    ),
    "hinge": (
        {
            "network": NETWORK,
            "discriminator": ADVERSARY,
            "loss": {"ssim": 3.0, "adversarial": 2.0, "adversarial_kind": "hinge"},
            "image_pool": 2,
        },
        1,
    ),
    "dsggan": (
        {
            "system": "dsggan",
            "network": {
                "name": "dsggan",
                "options": {"channels": [2, 3, 3, 3, 3, 3], "in_channels": 2, "out_channels": 1},
            },
            "discriminator": ADVERSARY,
            "loss": {"l1": 0.9, "mse": 10.0, "ssim": 2.0, "gradient": 3.0, "adversarial": 0.7},
        },
        1,
    ),
    "cyclegan": (
        {
            "system": "cyclegan",
            "network": RESNET,
            "discriminator": {**ADVERSARY, "options": {"channels": 2, "layers": 1}},
            "loss": {"adversarial": 1.5, "cycle": 10.0, "identity": 0.3},
            "image_pool": 3,
        },
        1,
    ),
    "cyclegan of other channels": (
        {
            "system": "cyclegan",
            "network": {**RESNET, "options": {**RESNET["options"], "in_channels": 2}},
            "discriminator": {**ADVERSARY, "options": {"channels": 2, "layers": 1}},
            "loss": {"adversarial": 1.0, "cycle": 4.0},
        },
        2,
    ),
    "ML-Net alone at first": (
        {"network": DOSE_NETWORK, "discriminator": DOSE_ADVERSARY, "loss": GUIDED, "coarse_epochs": 2},
        1,
    ),
    "cg3dsrgan": (
        {
            "network": DOSE_NETWORK,
            "discriminator": DOSE_ADVERSARY,
            "loss": {**GUIDED, "unit": "image"},
            "image_pool": 3,
        },
        1,
    ),
    "cg3dsrgan in parts": ({"network": DOSE_NETWORK, "discriminator": DOSE_ADVERSARY, "loss": GUIDED}, 2),
    "cg3dsrgan, perceptual": (
        {
            "network": DOSE_NETWORK,
            "loss": {"l1": 3.0, "dose_class": 0.5, "perceptual": 2.0, "perceptual_weights": "random"},
        },
        1,
    ),
    "cg3dgan": (
        {
            "network": {"name": "mlnet3d", "options": {"channels": 2, "classes": 2}},
            "discriminator": DOSE_ADVERSARY,
            "loss": {"l1": 3.0, "dose_class": 0.5, "refined_l1": 2.0, "adversarial": 1.0},
            "coarse_epochs": 0,
        },
        1,
    ),
}


@contextmanager
def double_precision() -> Iterator[None]:
    """Compute in double precision what is made and run inside."""
    single, to_single = torch.get_default_dtype(), torch.Tensor.float
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]  # what systems take out of mixed precision
    try:
        yield
    finally:
        torch.Tensor.float = to_single  # type: ignore[method-assign]
        torch.set_default_dtype(single)


def as_double(batch: Batch) -> Batch:
    """Return a batch whose numbers have double precision, with the same whole numbers."""
    return Batch(*({key: value.double() if value.is_floating_point() else value for key, value in each.items()}
                   for each in (batch.inputs, batch.targets, batch.labels)))  # fmt: skip


def system_for(case: str) -> System[Any]:
    """Return the system of a case with weights by the rule, at the start of its second epoch."""
    changes, _ = CASES[case]
    dosed = "classes" in changes["network"]["options"]
    recipe = (dose_recipe if dosed else tiny_recipe)(**changes)
    made = create_system(recipe.system, recipe, Engine(torch.device("cpu"), recipe))
    for name, network in made.networks.items():
        fill(network, name)
    made.begin_epoch(1)
    return made


def batch_for(made: System[Any], number: int) -> Batch:
    """Return a batch of images that suit the system's networks, with a dose class each."""
    generator = made.generator
    size = (
        (4, 8, 16, 16)
        if getattr(generator, "spatial_dims", 2) == 3
        else (4, 2 * generator.multiple_of, max(32, generator.multiple_of))
    )
    taken, given = int(generator.in_channels), int(generator.out_channels)  # type: ignore[arg-type]
    image = numbers((size[0], taken, *size[1:]), f"image {number}")
    target = 0.5 * numbers((size[0], given, *size[1:]), f"target {number}") + 0.3 * image[:, :1]
    labels = {"dose": torch.tensor([0, 1, 1, 0])}
    return Batch({"a": image}, {"b": target}, labels)


def made(case: str) -> dict[str, Any]:
    """Return what two steps of a case compute, as `two_steps`."""
    with double_precision():
        system = system_for(case)
        return two_steps(system, [batch_for(system, number) for number in (0, 1)], CASES[case][1])


def two_steps(system: System[Any], batches: list[Batch], parts: int) -> dict[str, Any]:
    """Return the losses of two steps, the gradients of the first one, and how large those of the second one are."""
    batches = [as_double(batch) for batch in batches]
    first = system.step(batches[0], parts)
    gradients = {
        f"{name}.{key}": _rounded(float(value.grad.double().norm()))
        for name, network in system.networks.items()
        for key, value in network.named_parameters()
        if value.grad is not None
    }
    second = system.step(batches[1], parts)
    norms = {
        name: _rounded(float(torch.cat([value.grad.flatten() for value in network.parameters()
                                        if value.grad is not None] or [torch.zeros(1)]).norm()))
        for name, network in system.networks.items()
    }  # fmt: skip
    losses = [{name: _rounded(value) for name, value in each.items()} for each in (first, second)]
    return {"losses": losses, "gradients": gradients, "second": norms, "complete": system.complete}


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def write_record(found: dict[str, dict[str, Any]], path: Path) -> None:
    """Write what cases compute, a line each."""
    text = ",\n".join(f" {json.dumps(case)}: {json.dumps(values)}" for case, values in found.items())
    path.write_text(f"{{\n{text}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    write_record({case: made(case) for case in CASES}, RECORD)
