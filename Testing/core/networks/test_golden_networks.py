"""Every network makes of fixed weights and a fixed image what was recorded, and passes the same gradients back."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from fixed_weights import fill, numbers
from golden_networks import CASES, RECORD, inputs_for, made, outputs_of
from torch import nn

from medsynth_core.networks.cascade import COMPACT, WIDE
from medsynth_core.networks.initialisation import initialise_normal
from medsynth_core.networks.registry import NETWORKS, count_parameters, create_network, describe

RECORDED: dict[str, Any] = json.loads(RECORD.read_text(encoding="utf-8"))
# Processors and versions of libraries add up in another order; mistakes change far more.
CLOSE = {"rel": 2e-3, "abs": 2e-5}


def test_every_network_of_the_registry_is_recorded():
    assert set(RECORDED) == set(CASES)
    assert {name for name, _, _ in CASES.values()} == set(NETWORKS)


@pytest.mark.parametrize("case", CASES)
def test_images_and_gradients_are_the_recorded_ones(case):
    found, expected = made(case), RECORDED[case]
    assert set(found) == set(expected)
    for name in set(found) - {"images", "training", "gradient", "weights"}:
        assert found[name] == expected[name], name
    for name in ("images", "training"):
        for number, (one, other) in enumerate(zip(found[name], expected[name], strict=True)):
            assert one[0] == other[0] and one[1:] == pytest.approx(other[1:], **CLOSE), f"{name} {number}"
    assert found["gradient"][0] == expected["gradient"][0]
    largest = max(abs(value) for value in expected["gradient"][1:])
    assert found["gradient"][1:] == pytest.approx(expected["gradient"][1:], rel=5e-3, abs=1e-3 * largest)
    assert found["weights"] == pytest.approx(expected["weights"], rel=5e-3, abs=1e-3), "gradients of the weights"


def test_the_rule_for_weights_is_the_same_everywhere():
    assert numbers((2, 2), "a").flatten().tolist() == pytest.approx([0.0674, -0.9580, 0.3165, 0.3723], abs=1e-4)
    many = numbers((100_000,), "b")
    assert many.min() >= -1 and many.max() < 1 and many.mean() == pytest.approx(0, abs=0.01)
    assert many.std() == pytest.approx(1 / 3**0.5, abs=0.01)


# The publications' values, or those chosen where they state none.
GENERATED_MAPS = {"size": 512, "latent": 4096, "width": 64, "mask_channels": 32, "mask_dropout": 0.1}
UNET = {"in_channels": 1, "out_channels": 1, "channels": 64, "dropout": 0.0, "output_norm": True}
GENERATED_IMAGES = {**UNET, "modalities": 4, "modality_scales": False}
DEFAULTS: dict[str, dict[str, Any]] = {
    "unet256": {
        "in_channels": 3,
        "out_channels": 3,
        "dropout": 0.5,
        "upsample": "transposed",
        "visual_activation": "post",
        "channels": (64, 128, 256, 512, 512, 512, 512, 512),
    },
    "cascade-compact": {
        "stages": 1,
        "in_channels": 3,
        "out_channels": 3,
        "dropout": 0.5,
        "upsample": "transposed",
        "visual_activation": "post",
        "channels": (16, 24, 42, 81, 114, 162, 162, 960),
        "stem": 0,
        "see_input": False,
    },
    "dsggan": {"in_channels": 3, "out_channels": 3, "channels": WIDE},
    "unet-ctmr": {"in_channels": 1, "out_channels": 1, "batch_norm": False, "channels": (64, 128, 256, 512, 1024)},
    "resnet9": {"in_channels": 3, "out_channels": 3, "channels": 64, "blocks": 9},
    "patchgan2d": {"in_channels": 6, "channels": 64, "layers": 3},
    "mlnet3d": {"channels": 64, "classes": 6, "residual": False, "in_channels": 1},
    "contextual3d": {"channels": 32, "residual": False},
    "cg3dsrgan": {"channels": 64, "context_channels": 32, "classes": 6, "residual": False, "in_channels": 1},
    "unet3d": {"channels": 64, "residual": False, "in_channels": 1},
    "resnet3d": {"channels": 32, "blocks": 6},
    "patchgan3d": {"in_channels": 2, "channels": 64, "layers": 3},
    "residual-unet": {"in_channels": 1, "out_channels": 1, "channels": (24, 48, 96, 192, 256)},
    "structure-encoder": {"size": 512, "latent": 4096, "width": 64, "dropout": 0.15, "background": 0.9},
    "structure-decoder": {"size": 512, "latent": 4096, "width": 64},
    "structure-generator": GENERATED_MAPS,
    "structure-mask": {"channels": 32, "dropout": 0.1},
    "structure-discriminator": {"channels": 64},
    "latent-discriminator": {"latent": 4096, "channels": 128},
    "multimodal-generator": GENERATED_IMAGES,
    "multimodal-from-noise": {**GENERATED_MAPS, **GENERATED_IMAGES, "in_channels": 2},
    "multimodal-discriminator": {"in_channels": 1, "channels": 64, "modalities": 4, "logits": False},
    "lesion-segmenter": {**UNET, "out_channels": 5},
    "lesion-classifier": {"in_channels": 1, "classes": 3, "channels": 64, "dropout": 0.5},
    "lesion-detector": {"in_channels": 1, "classes": 1, "channels": 64, "size": 300},
    "image-features": {"in_channels": 1, "channels": (16, 32, 64, 96)},
    "unet-gan": UNET,
    "dcgan": {"size": 64, "latent": 100, "channels": 64, "out_channels": 3},
    "acgan": {"size": 64, "latent": 100, "channels": 64, "out_channels": 3, "classes": 3},
    "dcgan-discriminator": {"size": 64, "in_channels": 3, "channels": 64, "normalisation": "batch"},
    "acgan-discriminator": {"size": 64, "in_channels": 3, "channels": 64, "normalisation": "batch", "classes": 3},
    "pggan": {"size": 256, "latent": 512, "base": 4096, "most": 512, "out_channels": 1},
    "pggan-discriminator": {"size": 256, "base": 4096, "most": 512, "in_channels": 1},
}
DEFAULTS["modality-translator"] = DEFAULTS["multimodal-generator"]
DEFAULTS["skrgan"], DEFAULTS["wgan"] = DEFAULTS["unet-gan"], DEFAULTS["dcgan"]
DEFAULTS["cascade-wide"] = {**DEFAULTS["cascade-compact"], "channels": WIDE}
DEFAULTS["cas-unet"] = DEFAULTS["unet256"]


@pytest.mark.parametrize("name", NETWORKS)
def test_options_default_to_what_is_published(name):
    assert describe(name).options == DEFAULTS[name]


def dropouts(network: nn.Module) -> dict[str, float]:
    return {name: layer.p for name, layer in network.named_modules() if isinstance(layer, nn.Dropout)}


def test_dropout_of_one_half_is_in_the_three_decoders_next_to_the_bottleneck():
    channels = [3, 4, 5, 6, 4, 6]
    stage = {f"decoders.{number}.3": 0.5 for number in range(3)}
    assert dropouts(create_network("unet256", channels=channels).stages[0]) == stage
    assert dropouts(create_network("unet256", channels=channels, dropout=0.25).stages[0]) == dict.fromkeys(stage, 0.25)
    assert not dropouts(create_network("unet256", channels=channels, dropout=0.0))
    both = create_network("dsggan", channels=channels)
    assert dropouts(both.structure) == dropouts(both.texture) == stage


def test_other_networks_leave_out_what_is_published():
    left_out = {"structure-encoder": [0.15], "structure-generator": [0.1], "structure-mask": [0.1],
                "multimodal-from-noise": [0.1, 0.0], "lesion-classifier": [0.5, 0.5]}  # fmt: skip
    decoders = ("unet256", "cascade-wide", "cascade-compact", "cas-unet", "dsggan")
    with torch.device("meta"):
        for name in (name for name in NETWORKS if name not in decoders):
            shares = list(dropouts(create_network(name)).values())
            assert shares == left_out.get(name, [0.0] * len(shares)), name


def test_residual_networks_start_as_the_identity_and_pass_gradients_to_their_last_layer():
    for name in ("mlnet3d", "contextual3d", "cg3dsrgan", "unet3d"):
        options = {"context_channels": 2} if name == "cg3dsrgan" else {}
        network = create_network(name, channels=2, residual=True, **options)
        image = numbers((1, 1, 8, 16, 16), name)
        assert torch.equal(network.eval()(image), image)
        network(image).square().sum().backward()
        assert any(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


def test_normal_weights_have_the_spread_of_pix2pix():
    torch.manual_seed(0)
    network = create_network("unet256", channels=[32, 64, 64, 64])
    initialise_normal(network)
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert layer.weight.mean().item() == pytest.approx(0, abs=1e-3), name
            assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05), name
            assert layer.bias is None or not layer.bias.any()
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.weight.mean().item() == pytest.approx(1, abs=0.02), name
            assert 0.01 < layer.weight.std().item() < 0.03 and not layer.bias.any(), name


def test_normal_weights_reach_every_kind_of_layer_but_keep_the_identity():
    torch.manual_seed(0)
    network = fill(create_network("cg3dsrgan", channels=2, context_channels=2, residual=True))
    untouched = {name: value.clone() for name, value in network.named_parameters()}
    initialise_normal(network)
    assert all(not torch.equal(value, untouched[name]) for name, value in network.named_parameters())
    fresh = create_network("cg3dsrgan", channels=2, context_channels=2, residual=True).eval()
    initialise_normal(fresh)
    image = numbers((1, 1, 8, 16, 16), "fresh")
    assert torch.equal(fresh(image), image)
    plain = create_network("resnet9", channels=2, blocks=1)
    initialise_normal(plain)  # its instance normalisations have no weights
    # The slopes of activations are not weights of this rule.
    slopes = [
        layer for layer in create_network("residual-unet", channels=[2, 3]).modules() if isinstance(layer, nn.PReLU)
    ]
    initialise_normal(nn.ModuleList(slopes))
    assert slopes and all(layer.weight.item() == 0.25 for layer in slopes)


# It judges images by how much they differ from each other.
@pytest.mark.parametrize("case", sorted(case for case in CASES if CASES[case][0] != "pggan-discriminator"))
def test_a_batch_is_its_images_one_by_one(case):
    network, inputs = inputs_for(case)
    network.eval()
    with torch.no_grad():
        both, one = (outputs_of(network, part) for part in (inputs, tuple(each[:1] for each in inputs)))
    for several, single in zip(both, one, strict=True):
        torch.testing.assert_close(several[:1], single, rtol=1e-4, atol=1e-5)


def test_the_published_channels():
    assert WIDE == (64, 128, 256, 512, 512, 512, 512, 512) and COMPACT == (16, 24, 42, 81, 114, 162, 162, 960)
    with torch.device("meta"):
        assert count_parameters(create_network("cascade-compact", stages=10)) == 10 * 22_129_107
