"""The moving average of the weights equals that of earlier versions bit for bit."""

import copy

import pytest
import torch
from torch import nn

from medsynth_core.training.ema import Average


def network() -> nn.Module:
    torch.manual_seed(0)
    # Weights, running statistics and an integer counter.
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3))


def change(net: nn.Module, step: int) -> None:
    torch.manual_seed(step)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    net(torch.randn(2, 1, 8, 8))


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Move an average by the formula, tensor by tensor."""
    stays = min(decay, step / (step + 20))
    current = net.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(current[name], 1 - stays)
        else:
            value.copy_(current[name])


def assert_same(one: nn.Module, other: nn.Module) -> None:
    assert list(one.state_dict()) == list(other.state_dict())
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_the_average_is_that_of_the_formula_to_the_last_bit(decay):
    net = network()
    average, expected = Average(net, decay), copy.deepcopy(net)
    for step in range(1, 60):
        change(net, step)
        average.update(net, step)
        follow(expected, net, decay, step)
        assert_same(average.network, expected)
    assert average.network[1].num_batches_tracked == 59
    if decay == 0:
        assert_same(average.network, net)
    else:
        assert not torch.equal(average.network[0].weight, net[0].weight)


def test_an_average_goes_on_from_the_state_of_its_network_alone():
    net = network()
    average = Average(net, 0.9)
    for step in range(1, 8):
        change(net, step)
        average.update(net, step)
    state = copy.deepcopy(average.network.state_dict())
    assert list(state) == list(net.state_dict())
    resumed = Average(network(), 0.9)
    resumed.network.load_state_dict(state)
    for step in range(8, 12):
        change(net, step)
        average.update(net, step)
        resumed.update(net, step)
    assert_same(average.network, resumed.network)


def test_the_network_itself_is_left_alone():
    net = network()
    before = copy.deepcopy(net)
    Average(net, 0.9).update(net, 1)
    assert_same(net, before)
    assert all(parameter.requires_grad for parameter in net.parameters())
