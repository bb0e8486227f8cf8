"""Networks of others that do not fit their card, would never end, or claim to be MedSynth's are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import CT_SIDE, PET_SIDE
from foreign_models import endless, hungry, mean_filter, onnx_model, weighted_sum, write_card

from medsynth_core.errors import MedSynthError
from medsynth_core.models.foreign import trial
from medsynth_core.models.foreign.importing import import_onnx
from medsynth_core.models.foreign.network import Description
from medsynth_core.models.foreign.onnx_file import Layout, Port
from medsynth_core.models.library import verify_model

onnx = pytest.importorskip("onnx", reason="ONNX models need the packages of medsynth-core[export]")
pytest.importorskip("onnxruntime", reason="ONNX models need the packages of medsynth-core[export]")

SLAB = {"inputs": {"pet": PET_SIDE}, "outputs": {"smooth": PET_SIDE}, "slab": {"slices": 8, "overlap": 4}}


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))


def imported(model, tmp_path, contract=None):
    onnx.save(model, tmp_path / "network.onnx")
    return import_onnx(tmp_path / "network.onnx", write_card(tmp_path / "card.yaml", contract))


def refused(model, tmp_path, words, contract=None):
    with pytest.raises(MedSynthError, match=words):
        imported(model, tmp_path, contract)
    assert not (tmp_path / "library" / "foreign").exists()


def convolution(given, made, dims=2):
    """Return a model with these numbers of channels."""
    node = onnx.helper.make_node("Conv", ["image", "weights"], ["result"])
    size = ["slices", "rows", "columns"][-dims:]
    weights = np.ones((made, given, *[1] * dims))
    return onnx_model({"image": ["n", given, *size]}, [node], ["n", made, *size], {"weights": weights})


@pytest.mark.parametrize(
    ("given", "made", "words"),
    [
        (513, 1, "has 513 channels in 'image', and at most 512"),
        (1, 3, "takes 1 channels and makes 3, which are no neighbouring slices"),
        (5, 2, "takes 5 channels and makes 2"),
    ],
)
def test_channels_that_are_no_slices_are_refused(given, made, words, tmp_path):
    refused(convolution(given, made), tmp_path, words)


def test_channels_that_repeat_a_slice_are_not_made(tmp_path):
    refused(convolution(3, 3), tmp_path, "no neighbouring slices", {"slices": "replicate"})


@pytest.mark.parametrize(("given", "made"), [(3, 1), (1, 3)])
def test_volumes_have_one_channel(given, made, tmp_path):
    refused(
        convolution(given, made, 3), tmp_path, f"takes volumes of {given} and makes volumes of {made} channels", SLAB
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_minus_one_is_free_but_not_for_channels(axis, tmp_path):
    model = mean_filter()
    for port in (model.graph.input[0], model.graph.output[0]):
        port.type.tensor_type.shape.dim[axis].dim_value = -1
    if axis == 1:
        refused(model, tmp_path, "with a fixed number of channels")
    else:
        assert imported(model, tmp_path).network().layout.inputs[0].size == (None, None)


def renamed(model, names):
    for port in model.graph.input:
        port.name = names.get(port.name, port.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    return model


@pytest.mark.parametrize("names", [{"first": "ct"}, {"second": "PET"}, {"first": "result-pet"}])
def test_names_of_other_roles_are_refused(names, tmp_path):
    contract = {"inputs": {"pet": PET_SIDE, "ct": CT_SIDE}, "outputs": {"result-pet": PET_SIDE}}
    refused(renamed(weighted_sum(), names), tmp_path, "has an image '.*' where its card has", contract)


@pytest.mark.parametrize(
    ("size", "words"), [((8, 64, 64), "64 rows and 64 columns alone"), ((6, "r", "c"), "6 slices")]
)
def test_volumes_of_one_size_are_refused(size, words, tmp_path):
    refused(mean_filter(3, size), tmp_path, words, SLAB)


def test_a_network_that_never_ends_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "SECONDS", 5)
    refused(endless(), tmp_path, "did not end within 5 seconds")


def test_a_network_that_takes_all_memory_is_stopped(tmp_path):
    pytest.importorskip("resource", reason="this system does not limit the memory of a process")
    refused(hungry(), tmp_path, "does not take 64 × 64 voxels: .*(llocat|memory)")


def test_a_trial_of_absurd_size_is_not_run(tmp_path):
    port = Port("image", None, 1, (None, None, None))
    with pytest.raises(MedSynthError, match="more than a trial may take"):
        trial.try_network(tmp_path / "missing.onnx", Description(Layout((port,), port), 1), (4096, 2048, 2048))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"network": {"name": "unet", "options": {}}}, "network.name must be 'onnx'"),
        ({"metrics": {"test": {"mae": 1.0}}}, "metrics must be empty"),
        ({"comparison": [{"method": "this model"}]}, "comparison must be empty"),
        ({"error_curve": [[0, 1], [5, 1]]}, "error_curve must be empty"),
        ({"training": {"recipe": {"epochs": 3}}}, "training.recipe must be empty"),
        ({"training": {"split": {"val": ["a", "b", "c"]}}}, "training.split must be empty"),
    ],
)
def test_claims_of_medsynths_training_are_refused(change, words, tmp_path):
    path = imported(mean_filter(), tmp_path).path
    file = path / "configs" / "metadata.json"
    card = json.loads(file.read_text())
    for key, value in change.items():
        card["medsynth"][key] = {**card["medsynth"][key], **value} if key == "training" else value
    file.write_text(json.dumps(card))
    with pytest.raises(MedSynthError, match=words):
        verify_model(path)
