"""Every system computes from fixed weights the recorded losses, and which gradients reach which part of a network."""

from __future__ import annotations

import copy
import json
from typing import Any

import golden_generation
import pytest
import torch
from golden_steps import CASES, RECORD, batch_for, made, system_for

from medsynth_core.systems.registry import SYSTEMS

RECORDED: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
GENERATION: dict[str, Any] = json.loads(golden_generation.RECORD.read_text(encoding="utf-8"))


def test_every_system_is_recorded():
    assert set(RECORDED) == set(CASES) and set(GENERATION) == set(golden_generation.recipes())
    found = {recipe.system for recipe, _, _ in golden_generation.recipes().values()}
    found |= {changes.get("system", "cg3dsrgan" if "classes" in changes["network"]["options"] else "paired") for
              changes, _ in CASES.values()}  # fmt: skip
    assert found == set(SYSTEMS)


@pytest.mark.parametrize("case", GENERATION)
def test_losses_and_gradients_of_generators_are_the_recorded_ones(case):
    compare(golden_generation.made(case), GENERATION[case])


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_are_the_recorded_ones(case):
    compare(made(case), RECORDED[case])


def compare(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found["complete"] == expected["complete"]
    # The records have five digits; what is zero but for rounding may be anything as small.
    for one, other in zip(found["losses"], expected["losses"], strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-9)
    assert found["second"] == pytest.approx(expected["second"], rel=1e-4, abs=1e-9)
    largest = max(expected["gradients"].values())
    assert found["gradients"] == pytest.approx(expected["gradients"], rel=1e-4, abs=1e-9 * largest)


def parts_reached(case: str) -> set[str]:
    """Return the parts of a case's networks that get gradients in a step."""
    system = system_for(case)
    system.step(batch_for(system, 0), CASES[case][1])
    return {
        f"{name}.{_part(key)}" if name == "generator" else name
        for name, network in system.networks.items()
        for key, value in network.named_parameters()
        if value.grad is not None and value.grad.abs().max() > 1e-6
    }


def _part(key: str) -> str:
    return ".".join(key.split(".")[: 2 if key.startswith("stages") else 1])


@pytest.mark.parametrize(
    ("case", "parts"),
    [
        ("ML-Net alone at first", {"generator.coarse"}),
        ("cg3dsrgan", {"generator.coarse", "generator.refine", "discriminator"}),
        ("dsggan", {"generator.structure", "generator.texture", "discriminator"}),
        ("cyclegan", {"generator.body", "back", "discriminator", "discriminator_back"}),
        ("pixel losses", {"generator.stages.0", "generator.stages.1"}),
    ],
)
def test_gradients_reach_the_networks_that_are_trained(case, parts):
    assert parts_reached(case) == parts


def test_a_checkpoint_continues_every_system():
    for case in ("pix2pix", "adversarial in parts", "cyclegan", "cg3dsrgan"):
        straight, resumed = system_for(case), system_for(case)
        straight.step(batch_for(straight, 0), CASES[case][1])
        # A copy, as from a file: torch shares the tensors of an optimiser that it restores.
        resumed.load_state(copy.deepcopy(straight.state()))
        one = straight.step(batch_for(straight, 1), CASES[case][1])
        assert resumed.step(batch_for(resumed, 1), CASES[case][1]) == one
        for name, network in straight.networks.items():
            other = resumed.networks[name].state_dict()
            assert all(torch.equal(value, other[key]) for key, value in network.state_dict().items()), name
