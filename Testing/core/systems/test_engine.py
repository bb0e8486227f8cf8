"""Which process reports, and the device of one process of several."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from builders import tiny_recipe

from medsynth_core.systems.engine import AccelerateEngine, is_first_process


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"RANK": "1"}, True),
        ({"RANK": "0", "WORLD_SIZE": "2"}, True),
        ({"RANK": "1", "WORLD_SIZE": "2"}, False),
        ({"WORLD_SIZE": "2"}, True),
        ({"RANK": "", "WORLD_SIZE": "2"}, True),
        ({"RANK": "3", "WORLD_SIZE": ""}, True),
    ],
)
def test_only_the_first_process_reports(monkeypatch, environment, first):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() is first


@pytest.mark.parametrize(("asked", "found", "used"), [("cpu", "cpu:1", "cpu"), ("auto", "meta:1", "meta:1")])
def test_the_device_is_that_of_the_process_and_a_cpu_has_no_number(monkeypatch, asked, found, used):
    """Accelerate's place of a process is given here, so that it can be that of a second device."""
    accelerate = pytest.importorskip("accelerate")
    wanted: list[bool] = []

    def accelerator(cpu: bool) -> SimpleNamespace:
        wanted.append(cpu)
        return SimpleNamespace(device=torch.device(found), process_index=1, num_processes=2)

    monkeypatch.setattr(accelerate, "Accelerator", accelerator)
    monkeypatch.setattr("medsynth_core.systems.engine.choose_device", lambda device: torch.device(used))
    monkeypatch.setenv("WORLD_SIZE", "2")
    engine = AccelerateEngine(tiny_recipe(batch_size=2), asked)
    assert (str(engine.device), engine.rank, engine.world) == (used, 1, 2)
    assert wanted == [asked == "cpu"]
