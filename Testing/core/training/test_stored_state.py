"""Damage to a checkpoint or to the best weights ends in one sentence, and is never trained on."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from builders import tiny_recipe, write_manifest
from safetensors.torch import load_file, save_file

from medsynth_core import Cancelled, MedSynthError, train
from medsynth_core.training.publishing import publish_run
from medsynth_core.training.stored_state import read_state, read_weights, write_state, write_weights

CPU = torch.device("cpu")
RECIPE = tiny_recipe(epochs=2)


def stop(fraction, message):
    if message.startswith("Epoch 2"):
        raise Cancelled


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that was stopped after its first epoch, with its manifest and the bytes of its two files."""
    folder = tmp_path_factory.mktemp("stopped")
    manifest = write_manifest(folder)
    with pytest.raises(Cancelled):
        train(RECIPE, manifest, folder / "run", device="cpu", progress=stop)
    return folder / "run", manifest


@pytest.fixture
def run(stopped):
    """The run, which is as it was afterwards."""
    folder, manifest = stopped
    files = {file: file.read_bytes() for file in (folder / "checkpoint.pt", folder / "best.safetensors")}
    yield folder, manifest
    for file, content in files.items():
        file.write_bytes(content)


def assert_refused(run, said):
    folder, manifest = run
    with pytest.raises(MedSynthError, match=said):
        train(RECIPE, manifest, folder, device="cpu", resume=True)


def places(length, number=40):
    return np.random.default_rng(0).integers(0, length, number).tolist()


def test_no_flipped_bit_of_a_checkpoint_changes_a_value(tmp_path):
    state = {"weights": torch.arange(200.0), "log": [{"epoch": 1, "val_mae": 0.5}], "more": torch.ones(7, 3)}
    path = tmp_path / "checkpoint.pt"
    write_state(state, path)
    good = path.read_bytes()
    refused = 0
    for place in range(0, len(good), 3):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        try:
            read = read_state(path, CPU)
        except MedSynthError as error:
            assert "is damaged" in error.message
            refused += 1
        else:
            assert read["log"] == state["log"] and torch.equal(read["weights"], state["weights"])
            assert torch.equal(read["more"], state["more"])
    assert refused > len(good) / 12


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_checkpoint_that_was_cut_is_refused(tmp_path, kept):
    path = tmp_path / "checkpoint.pt"
    write_state({"weights": torch.arange(200.0)}, path)
    good = path.read_bytes()
    path.write_bytes(good[: int(kept * len(good)) if isinstance(kept, float) else kept])
    with pytest.raises(MedSynthError, match="is damaged"):
        read_state(path, CPU)


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), "text"])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(MedSynthError, match="is damaged"):
        read_state(tmp_path / "checkpoint.pt", CPU)


def without(key):
    return lambda state: state.pop(key)


def put(**values):
    return lambda state: state.update(values)


def nan_weights(state):
    next(iter(state["system"]["networks"]["generator"].values())).fill_(torch.nan)


KEYS = ("system", "engine", "average", "epoch", "step", "position", "parts", "sums", "spent", "log", "random")
CHANGES = {
    **{f"without {key}": without(key) for key in KEYS},
    **{f"text for {key}": put(**{key: "x"}) for key in KEYS if key != "engine"},
    "epoch 99": put(epoch=99),
    "no log": put(log=None),
    "negative position": put(position=-5),
    "position after the epoch": put(position=10**6),
    "no parts": put(parts=0),
    "short random state": put(random=torch.zeros(3, dtype=torch.uint8)),
    "nan weights": nan_weights,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_checkpoint_of_another_content_is_refused(run, name):
    path = run[0] / "checkpoint.pt"
    state = copy.deepcopy(torch.load(path, weights_only=True))
    CHANGES[name](state)
    torch.save(state, path)
    assert_refused(run, "is damaged|are not valid.*start again in another folder")


@pytest.mark.parametrize("place", places(100, 4))
def test_best_weights_that_were_changed_are_refused(run, place):
    path = run[0] / "best.safetensors"
    content = bytearray(path.read_bytes())
    content[-1 - place] ^= 16
    path.write_bytes(content)
    said = "of the best epoch are missing or damaged; start again in another folder"
    assert_refused(run, said)
    with pytest.raises(MedSynthError, match=said):
        publish_run(run[0], device="cpu")


def test_best_weights_that_are_missing_are_reported_before_the_training_goes_on(run):
    (run[0] / "best.safetensors").unlink()
    assert_refused(run, "are missing or damaged")


def test_best_weights_of_an_earlier_version_have_no_digest(run):
    path = run[0] / "best.safetensors"
    weights = load_file(path)
    save_file(weights, path)
    assert read_weights(path).keys() == weights.keys()
    assert publish_run(run[0], device="cpu").package.is_dir()


def test_best_weights_of_another_network_are_refused(run):
    write_weights(torch.nn.Linear(2, 2).state_dict(), run[0] / "best.safetensors")
    with pytest.raises(MedSynthError, match="do not fit the network 'cascade-compact'"):
        publish_run(run[0], device="cpu")
