"""A training that is killed again and again ends with the weights of one that was left alone."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import torch
from builders import tiny_recipe, write_manifest
from safetensors.torch import load_file

from medsynth_core import load_model
from medsynth_core.training.recipe import write_recipe
from medsynth_core.training.watching import RunWatch

KILLS = 10
RECIPE = {
    "epochs": 60,
    # Dropout, a discriminator with its pool, a schedule and an average: all that a checkpoint must hold.
    "network": {
        "name": "cascade-compact",
        "options": {"stages": 2, "in_channels": 3, "out_channels": 3, "channels": [4, 6, 8], "dropout": 0.5},
    },
    "discriminator": {"name": "patchgan2d", "options": {"in_channels": 6, "channels": 4, "layers": 1}},
    "loss": {"l1": 1.0, "adversarial": 0.1},
    "optimiser": {"learning_rate": 0.01, "schedule": "linear"},
    "image_pool": 6,
    "checkpoint_minutes": 1e-6,
    "validation_every": 5,
}


def start(folder, recipe, manifest, resume):
    folder.mkdir(parents=True, exist_ok=True)
    request = folder / "request.json"
    request.write_text(
        json.dumps(
            {"recipe": str(recipe), "data": str(manifest), "output": str(folder), "resume": resume, "device": "cpu"}
        )
    )
    command = [sys.executable, "-m", "medsynth_core.training.background", str(request)]
    # Sums on one thread have one order.
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=True)


def wait_for_checkpoints(folder, process, count):
    """Return when as many checkpoints have been written: no clock says how far a machine has come."""
    file, seen = folder / "checkpoint.pt", None
    while count and process.poll() is None:
        changed = file.stat().st_mtime_ns if file.exists() else None
        count -= changed not in (None, seen)
        seen = changed
        time.sleep(0.001)


def test_ten_kills_change_nothing(tmp_path):
    manifest = write_manifest(tmp_path)
    write_recipe(tiny_recipe(**RECIPE), tmp_path / "recipe.yaml")
    assert start(tmp_path / "whole", tmp_path / "recipe.yaml", manifest, resume=False).wait() == 0
    chance = random.Random(1)
    folder = tmp_path / "killed"
    watch = RunWatch(folder)
    kills = 0
    places = set()
    while kills < KILLS:
        process = start(folder, tmp_path / "recipe.yaml", manifest, resume=watch.can_resume())
        wait_for_checkpoints(folder, process, chance.randint(1, 8))
        time.sleep(chance.uniform(0, 0.02))
        assert process.poll() is None, "the training ended before it could be killed ten times"
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        if watch.can_resume():
            state = torch.load(folder / "checkpoint.pt", weights_only=True)
            places.add((state["epoch"], state["position"]))
        assert not watch.running()
    assert len(places) > 5, "the kills did not come at different places"
    assert start(folder, tmp_path / "recipe.yaml", manifest, resume=True).wait() == 0
    for file in ("best.safetensors", "tiny/models/model.safetensors"):
        whole, killed = load_file(tmp_path / "whole" / file), load_file(folder / file)
        assert all(torch.equal(whole[name], killed[name]) for name in whole)
    whole, killed = (torch.load(tmp_path / n / "checkpoint.pt", weights_only=True) for n in ("whole", "killed"))
    for network in ("generator", "discriminator"):
        for name, value in whole["system"]["networks"][network].items():
            assert torch.equal(value, killed["system"]["networks"][network][name])
    cards = [load_model(tmp_path / name / "tiny").card for name in ("whole", "killed")]
    assert cards[0].training.best_epoch == cards[1].training.best_epoch
