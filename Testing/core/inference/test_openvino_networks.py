"""OpenVINO converts every network of the registry, with the outputs of PyTorch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from openvino_fixtures import needs_openvino

from medsynth_core.compute.openvino import Compiled, convert
from medsynth_core.inference.backends import OpenVinoBackend
from medsynth_core.networks.registry import NETWORKS

sys.path.insert(0, str(Path(__file__).parents[1] / "networks"))
from golden_networks import CASES, inputs_for

pytestmark = [needs_openvino, pytest.mark.slow]
# Instance normalisation of tiny images with weights at random enlarges differences in rounding.
TOLERANCE = 5e-5
CASE_OF = {name: case for case, (name, _, _) in reversed(CASES.items())}


@pytest.fixture(autouse=True)
def library(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_is_converted(name):
    network, inputs = inputs_for(CASE_OF[name])
    network.eval()
    # Alone, as the score of pggan-discriminator depends on the other images of a batch.
    one = tuple(each[:1].detach() for each in inputs)
    with torch.no_grad():
        expected = network(*one)
    made = Compiled.of(convert(network, one), 1)(*one)
    for found, wanted in zip(made, expected if isinstance(expected, tuple) else (expected,), strict=True):
        assert found.shape == wanted.shape
        span = wanted.max() - wanted.min() if wanted.numel() > 1 else wanted.abs().max()
        assert (found - wanted).abs().max() <= TOLERANCE * span


@pytest.mark.parametrize("name", ["mlnet3d", "cg3dsrgan", "unet3d", "resnet3d"])
def test_windows_of_every_size_are_compiled_for_it(name):
    network, (image,) = inputs_for(CASE_OF[name])
    network.eval()
    backend = OpenVinoBackend(network, name)
    for part in (image, image[:, :, :, 1:], image):
        with torch.no_grad():
            found, expected = backend(part)[0], network(part)
        assert torch.allclose(found, expected, atol=2e-5 * float(expected.max() - expected.min()))
    assert backend.name == "openvino" and len(backend._compiled) == 1
