"""A training that is stopped again and again ends with the same weights as one that is not."""

from __future__ import annotations

import signal
import subprocess

import pytest
import torch
from builders import tiny_recipe, write_manifest
from stopping import assert_equal_runs, stop_and_compare

from medsynth_core import Cancelled, train
from medsynth_core.errors import MedSynthError
from medsynth_core.interruption import Terminated
from medsynth_core.training import loop
from medsynth_core.training.run_watch import RunWatch

pytestmark = pytest.mark.slow

# Dropout, a discriminator with its pool, a schedule and an average: all that a checkpoint must hold.
RECIPE = {
    "epochs": 20,
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
KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
# Testing/signals/training.py sends more.
SIGNALS = (KILL, TERM, KILL, INT, KILL, TERM)


def test_kills_and_stops_change_nothing(tmp_path):
    recipe, manifest = tiny_recipe(**RECIPE), write_manifest(tmp_path)
    places = stop_and_compare(tmp_path / "runs", recipe, manifest, SIGNALS, seed=1, warm=True)
    assert places > 3, "the signals did not come at different places"


@pytest.fixture
def manifest(tmp_path):
    return write_manifest(tmp_path, ("train", "val", "val"))


@pytest.fixture
def short():
    """Two epochs of a few batches, validated on two cases each."""
    return tiny_recipe(**{**RECIPE, "epochs": 2, "validation_every": 1, "checkpoint_minutes": 60, "batch_size": 2})


class At:
    """Stops a training at its ``number``-th report, of a batch or of a validation case, by ``stop``."""

    def __init__(self, number, stop):
        self.left, self.stop, self.total = number, stop, 0

    def __call__(self, fraction, message):
        if message.startswith("Epoch"):
            self.total += 1
            self.left -= 1
            if self.left == 0:
                self.stop()


def test_a_stop_at_any_report_changes_nothing(manifest, short, tmp_path):
    """The batches of an epoch and the cases of its validation: at each of them a training can be stopped."""
    every = At(0, None)
    train(short, manifest, tmp_path / "whole", device="cpu", progress=every)
    steps = RunWatch(tmp_path / "whole").events()[0]["steps"]
    assert steps > 1 and every.total == 2 * (steps + 2), "not the batches and cases that this test is about"

    def stop():
        raise Cancelled

    for number in (2, steps + 1, steps + 2, every.total):
        folder = tmp_path / f"stopped-{number}"
        with pytest.raises(Cancelled):
            train(short, manifest, folder, device="cpu", progress=At(number, stop))
        train(short, manifest, folder, device="cpu", resume=True)
        assert_equal_runs(tmp_path / "whole", folder, "tiny")


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
@pytest.mark.parametrize("report", [2, 4])
@pytest.mark.usefixtures("as_the_command_does")
def test_a_signal_stops_after_the_step_with_a_checkpoint(number, raised, report, manifest, short, tmp_path):
    """In the middle of a step a network is half changed: no checkpoint may be written there."""
    folder, handler = tmp_path / "stopped", signal.getsignal(signal.SIGINT)
    with pytest.raises(raised):
        train(short, manifest, folder, device="cpu", progress=At(report, lambda: signal.raise_signal(number)))
    watch = RunWatch(folder)
    assert watch.events()[-1]["event"] == "cancelled" and watch.can_resume() and not watch.running()
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_signal_stops_at_once(manifest, short, tmp_path, monkeypatch):
    def twice(*_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second signal did nothing")

    monkeypatch.setattr(loop.Trainer, "_step", twice)
    with pytest.raises(KeyboardInterrupt):
        train(short, manifest, tmp_path / "stopped", device="cpu")
    state = torch.load(tmp_path / "stopped" / "checkpoint.pt", weights_only=True)
    assert (state["epoch"], state["position"], state["step"]) == (0, 0, 0), "before the step that was torn apart"


def test_what_a_killed_training_left_is_removed_by_the_next(manifest, short, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Cancelled):
        train(short, manifest, folder, device="cpu", progress=At(2, lambda: RunWatch(folder).request_stop()))
    left = [folder / ".0123abcd-checkpoint.pt", folder / "arrays" / ".0123abcd-x.npy", folder / ".package-1-0123abcd"]
    left[2].mkdir()
    (left[2] / "README.md").write_text("half")
    for path in left[:2]:
        path.write_text("half")
    kept = folder / ".notes"
    kept.write_text("the user's")
    train(short, manifest, folder, device="cpu", resume=True)
    assert kept.exists() and not any(path.exists() for path in left)


@pytest.mark.parametrize("full", ["checkpoint.pt", "best.safetensors", ".npy", "metrics.csv", ".png"])
def test_a_full_disk_ends_in_one_sentence(full, manifest, short, tmp_path, monkeypatch):
    """Whatever does not fit, the training can go on from its last checkpoint when there is space."""
    from medsynth_core.io import atomic

    really = atomic._flush

    def flush(path):
        if path.name.endswith(full):
            raise OSError(28, "No space left on device", str(path))
        really(path)

    monkeypatch.setattr(atomic, "_flush", flush)
    with pytest.raises(MedSynthError, match="cannot be written: the disk is full") as refused:
        train(short, manifest, tmp_path / "run", device="cpu")
    assert refused.value.kind == "output"
    assert RunWatch(tmp_path / "run").events()[-1]["message"] == refused.value.message
    monkeypatch.undo()
    train(short, manifest, tmp_path / "run", device="cpu", resume=RunWatch(tmp_path / "run").can_resume())


def test_a_write_that_numpy_cuts_short_is_a_full_disk(manifest, short, tmp_path, monkeypatch):
    from medsynth_core.training import prepared_cases

    def short_write(*_):
        raise OSError("80850 requested and 71648 written")

    monkeypatch.setattr(prepared_cases.np, "save", short_write)
    with pytest.raises(MedSynthError, match=r"cannot be written: the disk is full\."):
        train(short, manifest, tmp_path / "run", device="cpu")


def test_a_disk_that_is_really_full(tmp_path):
    """A training in a file system of 3 MB; it needs the right to mount one."""
    disk, manifest = tmp_path / "disk", write_manifest(tmp_path)
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        with pytest.raises(MedSynthError, match="the disk is full"):
            train(tiny_recipe(network={"name": "unet256"}, augmentation={"crop": 256}), manifest, disk / "run")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
