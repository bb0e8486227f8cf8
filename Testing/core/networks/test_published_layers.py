"""Activations, normalisations and the dose head are those of the publications."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from fixed_weights import fill, numbers
from torch import nn

from medsynth_core.errors import MedSynthError
from medsynth_core.networks.registry import create_network, describe

KINDS = (nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Sigmoid, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm2d, nn.MaxPool2d)


def layers(network: nn.Module) -> dict[str, int]:
    found = Counter(type(layer).__name__ for layer in network.modules() if isinstance(layer, KINDS))
    return dict(found)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        # Eight encoders, the first without activation, six of them normalised; seven decoders and the visual block.
        ("unet256", {}, {"LeakyReLU": 7, "BatchNorm2d": 6 + 7, "ReLU": 8, "Tanh": 1}),
        ("cascade-compact", {"stages": 2}, {"LeakyReLU": 14, "BatchNorm2d": 26, "ReLU": 16, "Tanh": 2}),
        ("unet256", {"visual_activation": "pre"}, {"LeakyReLU": 7, "BatchNorm2d": 13, "ReLU": 7, "Tanh": 1}),
        ("dsggan", {}, {"LeakyReLU": 14, "BatchNorm2d": 26, "ReLU": 16, "Tanh": 2}),
        # Nine parts of two convolutions, each with a ReLU.
        ("unet-ctmr", {}, {"ReLU": 18, "MaxPool2d": 1}),
        ("unet-ctmr", {"batch_norm": True}, {"ReLU": 18, "BatchNorm2d": 18, "MaxPool2d": 1}),
        ("resnet9", {}, {"ReLU": 5 + 9, "InstanceNorm2d": 5 + 18, "Tanh": 1}),
        ("mlnet3d", {}, {"LeakyReLU": 4 + 1, "ReLU": 5, "BatchNorm3d": 3 + 4}),
        ("contextual3d", {}, {"ReLU": 2}),
        ("patchgan2d", {}, {"LeakyReLU": 4, "BatchNorm2d": 3}),
    ],
)
def test_activations_and_normalisations(name, options, expected):
    with torch.device("meta"):
        network = create_network(name, **options)
    assert layers(network) == expected
    slopes = {layer.negative_slope for layer in network.modules() if isinstance(layer, nn.LeakyReLU)}
    assert slopes <= {0.2}


def seen(network: Any, image: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network.with_class(image)[1]


def test_the_dose_head_looks_at_the_patient_and_not_at_the_air_around():
    network: Any = fill(create_network("mlnet3d", channels=2, classes=3)).eval()
    # Of a batch, with more than one slice of innermost features.
    image = torch.zeros(2, 1, 64, 96, 96)
    image[..., :32] = 1 + 0.5 * numbers((2, 1, 64, 96, 32), "patient")
    noticed = image.clone()
    noticed[..., :32] *= 1.5
    with torch.no_grad():
        features = network._encode(image)[-1]
    # The innermost features, of 32 voxels a side, in the third of the patient.
    mean = features[..., :1].mean(dim=(2, 3, 4))
    assert features.shape[2:] == (2, 3, 3)
    torch.testing.assert_close(seen(network, image), network.head(mean).detach(), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(seen(network, noticed), seen(network, image), atol=1e-3)
    assert seen(network, torch.zeros_like(image)).isfinite().all()


def test_a_gate_lets_between_nothing_and_all_of_a_skip_connection_through():
    skip: Any = fill(create_network("dsggan", channels=[3, 4, 5, 6, 4, 6]).structure.skips["1"])
    features, deeper = numbers((2, 4, 8, 8), "skip"), numbers((2, 5, 4, 4), "deeper")
    both = torch.cat([features, deeper.repeat_interleave(2, 2).repeat_interleave(2, 3)], dim=1)
    with torch.no_grad():
        expected = features / (1 + torch.exp(-skip.gate(both)))
        torch.testing.assert_close(skip(features, deeper), expected)


def test_a_residual_network_adds_its_first_input_once():
    for name in ("unet3d", "mlnet3d", "contextual3d"):
        inputs = {} if name == "contextual3d" else {"in_channels": 2}
        plain, residual = (fill(create_network(name, channels=2, residual=on, **inputs)).eval() for on in (False, True))
        image = numbers((2, 1 if name == "contextual3d" else 2, 8, 16, 32), name)
        with torch.no_grad():
            torch.testing.assert_close(residual(image), image[:, :1] + plain(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "bytes_per_voxel"),
    [
        ("unet3d", {}, 4 * (8 + 72)),
        ("mlnet3d", {"channels": 15}, 4 * (8 + 16)),
        ("contextual3d", {}, 4 * (2 + 4 * 32)),
        ("cg3dsrgan", {}, 4 * (8 + 72) + 4 * (2 + 4 * 32)),
        ("resnet3d", {}, 4 * (4 + 8 * 32)),
    ],
)
def test_the_memory_that_slabs_are_planned_with(name, options, bytes_per_voxel):
    with torch.device("meta"):
        assert create_network(name, **options).memory_per_voxel() == bytes_per_voxel


def test_the_sizes_that_are_refused():
    with torch.device("meta"):
        assert len(create_network("cascade-compact", channels=[1, 1, 1], stages=100).stages) == 100
        create_network("dsggan", channels=[1] * 6)
        for options in ({"channels": [1, 1, 1], "stages": 101}, {"channels": [1, 1], "stages": 1}):
            with pytest.raises(MedSynthError, match="1 to 100 stages, and a stage at least three encoders"):
                create_network("cascade-compact", **options)
        with pytest.raises(MedSynthError, match="at least 6 encoders"):
            create_network("dsggan", channels=[1] * 5)


def test_operations_are_rounded_to_four_places_and_counted_silently(capfd):
    found = describe("contextual3d", channels=1)
    # 2 · 27 · 16 · 256² for each of the seven convolutions of one channel.
    assert found.gflop == 0.3964 == round(7 * 54 * 2**20 / 1e9, 4)
    assert describe("unet-ctmr", channels=[1, 1]).gflop == round(
        2 * 65536 * (9 * 5 + 1) / 1e9 + 2 * 16384 * (18 + 4) / 1e9, 4
    )
    assert capfd.readouterr().out == ""
