"""Two processes that train together average what they must, and each keeps its own place."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import tiny_recipe
from torch import nn

from medsynth_core.errors import MedSynthError
from medsynth_core.systems.engine import AccelerateEngine, choose_engine

pytest.importorskip("accelerate")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks this process, which is safe on Linux only")

WORLD = 2


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(rank: int, port: int) -> dict[str, str]:
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": WORLD, "LOCAL_WORLD_SIZE": WORLD, "MASTER_PORT": port}
    return {
        **{name: str(value) for name, value in names.items()},
        "MASTER_ADDR": "127.0.0.1",
        "ACCELERATE_USE_CPU": "1",
    }


def two_layers(rank: int) -> nn.Module:
    """Return a network with a gradient of rank + 1 in its first layer and none in its second."""
    network = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False), nn.BatchNorm1d(1))
    network[0].weight.grad = torch.full((2, 2), rank + 1.0)
    network[2].weight.grad = torch.full((1,), 10.0 * (rank + 1))
    network[2].running_mean.fill_(rank)
    network[2].num_batches_tracked.fill_(5 + rank)
    return network


def act(rank: int, port: int, folder: Path) -> None:
    """Be one of the processes, and write what its engine says and does."""
    os.environ.update(environment(rank, port))
    recipe = tiny_recipe(batch_size=4)
    engine = choose_engine(recipe, "cpu")
    network = engine.prepare(two_layers(rank))
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0)
    with torch.no_grad():
        network[0].weight.zero_()
    engine.descend(optimiser, network, 0.0)
    engine.average_buffers(network)
    bare = nn.Linear(1, 1)
    engine.descend(torch.optim.SGD(bare.parameters(), lr=1.0), bare, 0.0)
    found: dict[str, Any] = {
        "kind": type(engine).__name__,
        "place": [engine.rank, engine.world, str(engine.device)],
        "mean": float(engine.mean(torch.tensor(float(rank)))),
        "gathered": engine.gather([f"from {rank}"]),
        "moved": network[0].weight.flatten().tolist(),
        "scale": float(network[2].weight.detach()),
        "without": network[1].weight.grad is None,
        "mean_of_batch": float(network[2].running_mean),
        "batches": int(network[2].num_batches_tracked),
        "synchronised": [type(layer).__name__ for layer in network],
    }
    engine.wait()
    try:
        choose_engine(tiny_recipe(batch_size=3), "cpu")
    except MedSynthError as error:
        found["refused"] = str(error)
    os.environ["WORLD_SIZE"] = "3"
    try:
        AccelerateEngine(recipe, "cpu")
    except MedSynthError as error:
        found["lost"] = str(error)
    (folder / f"{rank}.json").write_text(json.dumps(found))


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> list[dict[str, Any]]:
    folder, port = tmp_path_factory.mktemp("processes"), free_port()
    forks = multiprocessing.get_context("fork")
    processes = [forks.Process(target=act, args=(rank, port, folder)) for rank in range(WORLD)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        if process.is_alive():
            process.kill()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(WORLD)]


def test_each_process_knows_its_place(both):
    assert [one["kind"] for one in both] == ["AccelerateEngine"] * WORLD
    assert [one["place"] for one in both] == [[0, 2, "cpu"], [1, 2, "cpu"]]


def test_values_gradients_and_statistics_are_means_of_both(both):
    for one in both:
        assert one["mean"] == 0.5 and one["gathered"] == ["from 0", "from 1"]
        # Gradients of 1 and 2, and of 10 and 20 for the scale that was 1.
        assert one["moved"] == [-1.5] * 4 and one["scale"] == 1 - 15
        assert one["without"] and one["mean_of_batch"] == 0.5
        assert one["synchronised"] == ["Linear", "Linear", "BatchNorm1d"]
    # Counters are no means.
    assert [one["batches"] for one in both] == [5, 6]


def test_a_batch_that_cannot_be_divided_evenly_is_refused(both):
    assert all("batch of 3 slices cannot be divided evenly between 2 processes" in one["refused"] for one in both)


def test_a_launcher_whose_processes_do_not_find_each_other_is_refused(both):
    """As where several processes want a device that only one can have."""
    assert all("Several processes cannot train together on the device 'cpu'" in one["lost"] for one in both)
