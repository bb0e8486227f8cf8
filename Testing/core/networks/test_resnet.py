"""The residual generator for 2-D and 3-D equals the two separate ones of earlier versions."""

import pytest
import torch

from medsynth_core import create_network

# Layers with weights and biases: the first, two down, a residual block of two, two up, the last.
KEYS = [f"body.{layer}" for layer in ("0", "3", "6", "9.body.0", "9.body.3", "10", "13", "16")]
# Options, size of the input, and of what the former networks had with the same seeds: sum of all weights, the first
# and last three values of the output, their sum and standard deviation.
RECORDED = {
    "resnet9": (
        {"in_channels": 2, "out_channels": 1, "channels": 4, "blocks": 2},
        (1, 2, 16, 20),
        -0.8813748381820119,
        (-0.24651622772216797, 0.06414809077978134, -0.2944779098033905),
        (-0.2030036300420761, 0.4156592786312103, -0.19374629855155945),
        (14.47497307753656, 0.29807805681071414),
    ),
    "resnet3d": (
        {"channels": 4, "blocks": 2},
        (1, 1, 5, 9, 14),
        -2.0812070213819993,
        (-0.3246666193008423, -0.36459270119667053, -0.17003867030143738),
        (-0.22433575987815857, -0.00843967404216528, -0.16948294639587402),
        (-96.56618324667215, 0.33347793755335253),
    ),
}


@pytest.mark.parametrize("name", RECORDED)
def test_the_same_seed_gives_the_weights_and_image_of_the_earlier_network(name):
    options, size, weights, first, last, (total, spread) = RECORDED[name]
    torch.manual_seed(3)
    network = create_network(name, **options).eval()
    assert sum(value.double().sum().item() for value in network.state_dict().values()) == pytest.approx(weights, 1e-9)
    torch.manual_seed(4)
    image = network(torch.randn(size)).detach().double().flatten()
    # Libraries for other processors add up in another order.
    assert image[:3].tolist() == pytest.approx(first, rel=1e-3, abs=1e-5)
    assert image[-3:].tolist() == pytest.approx(last, rel=1e-3, abs=1e-5)
    assert image.sum().item() == pytest.approx(total, rel=1e-4) and image.std().item() == pytest.approx(
        spread, rel=1e-4
    )


@pytest.mark.parametrize("name", RECORDED)
def test_checkpoints_of_the_former_networks_fit(name):
    state = create_network(name, channels=4, blocks=1).state_dict()
    assert list(state) == [f"{key}.{part}" for key in KEYS for part in ("weight", "bias")]
    assert {value.ndim for key, value in state.items() if key.endswith("weight")} == {4 if name == "resnet9" else 5}


def test_images_are_bounded_and_volumes_are_not():
    for name, bounded in (("resnet9", True), ("resnet3d", False)):
        network = create_network(name, channels=4, blocks=1).eval()
        last = [module for module in network.body if hasattr(module, "bias")][-1]
        torch.nn.init.constant_(last.bias, 5.0)
        size = (1, network.in_channels) + (8,) * network.spatial_dims
        assert (network(torch.randn(size)).max().item() <= 1) == bounded


def test_images_are_continued_by_reflection_and_volumes_by_their_border():
    for name, mode in (("resnet9", "reflect"), ("resnet3d", "replicate")):
        network = create_network(name, channels=4, blocks=1)
        modes = [module.padding_mode for module in network.modules() if hasattr(module, "padding_mode")]
        assert modes == [mode, "zeros", "zeros", mode, mode, "zeros", "zeros", mode]


@pytest.mark.parametrize("size", [(8, 8, 9), (8, 9, 8), (9, 8, 8), (8, 8, 11), (8, 11, 8), (11, 8, 8), (9, 10, 11)])
def test_volumes_are_extended_to_the_next_multiple_of_four_only(size):
    network = create_network("resnet3d", channels=2, blocks=1).eval()
    seen = []
    network.body.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[2:])))
    assert network(torch.randn(1, 1, *size)).shape[2:] == size
    assert seen == [tuple(-(-n // 4) * 4 for n in size)]
