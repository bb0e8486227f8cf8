"""Weights that are not finite are refused: at verify, import and load, and when a training is published."""

import json

import pytest
import torch
from builders import phantom_ct
from safetensors.torch import load_file, save_file

from medsynth_core import MedSynthError, load_model, synthesize
from medsynth_core.io.digest import sha256
from medsynth_core.models.library import import_model, verify_model
from medsynth_core.models.weights import check_weights
from medsynth_core.training.publishing import _store_half


@pytest.fixture
def spoil(bundled_copy):
    """Return a function that overwrites one weight of a package and states the true SHA-256."""

    def change(value: float):
        path, card = (bundled_copy / part for part in ("models/model.safetensors", "configs/metadata.json"))
        state = load_file(path)
        name = next(key for key, tensor in state.items() if tensor.is_floating_point() and tensor.numel() > 8)
        state[name].view(-1)[3] = value
        save_file(state, path)
        content = json.loads(card.read_text())
        content["medsynth"]["weights"]["sha256"] = sha256(path)
        card.write_text(json.dumps(content))
        return bundled_copy, name

    return change


@pytest.fixture
def bundled_copy(tmp_path, monkeypatch):
    import shutil

    from medsynth_core.resources import resource_folder

    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    copy = shutil.copytree(resource_folder() / "Models" / "ct-to-pet", tmp_path / "spoiled")
    card = copy / "configs" / "metadata.json"
    card.write_text(card.read_text().replace('"name": "ct-to-pet"', '"name": "spoiled"', 1))
    return copy


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_weight_that_is_not_finite_is_named(value, spoil, tmp_path):
    package, name = spoil(value)
    for use in (verify_model, import_model, lambda path: synthesize(phantom_ct(), load_model(path), device="cpu")):
        with pytest.raises(
            MedSynthError, match=r"1 of \d+ values of '" + name.replace(".", r"\.") + "' are not finite"
        ):
            use(package)
    assert not (tmp_path / "library").exists()


def test_finite_weights_pass(bundled_copy):
    assert verify_model(bundled_copy).name == load_model(bundled_copy).name


def test_weights_that_half_precision_cannot_hold_are_not_published(tmp_path):
    save_file({"layer": torch.tensor([1.0, 7e4])}, tmp_path / "best.safetensors")
    with pytest.raises(MedSynthError, match="1 of 2 values of 'layer' are not finite"):
        _store_half(tmp_path / "best.safetensors", tmp_path / "model.safetensors")
    assert not (tmp_path / "model.safetensors").exists()


def test_counters_and_empty_tensors_are_no_weights():
    check_weights({"count": torch.tensor(3), "empty": torch.zeros(0)}, "a model", "nothing")
