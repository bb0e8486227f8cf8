"""Options of networks have the kind of value that the network knows, and a size that memory can hold."""

from __future__ import annotations

import math

import pytest
import torch

from medsynth_core.errors import MedSynthError
from medsynth_core.networks.options import COUNTS
from medsynth_core.networks.registry import NETWORKS, _defaults, check_network, create_network

OPTIONS = [(name, option, default) for name, entry in NETWORKS.items() for option, default in _defaults(entry).items()]


def wrong(default):
    """Return values that an option with this default cannot have."""
    if isinstance(default, bool):
        return [1, "yes", None, []]
    if isinstance(default, int):
        return [True, -4, 2.5, "8", None, [8]]
    if isinstance(default, float):
        return [True, -0.1, math.nan, math.inf, "0.5", None]
    if isinstance(default, tuple):
        return [[], [True] * 8, [-4] * 8, [0] * 8, [8.5] * 8, "many", 8, None]
    return [True, 3, None, "unknown"]


@pytest.mark.parametrize(("name", "option", "default"), OPTIONS)
def test_every_option_refuses_what_it_cannot_be(name, option, default):
    for value in wrong(default):
        with pytest.raises(MedSynthError, match=f"The network '{name}' cannot be built with") as caught:
            check_network(name, **{option: value})
        assert "\n" not in caught.value.message and len(caught.value.message) < 400
    if option in COUNTS and isinstance(default, int):
        with pytest.raises(MedSynthError, match="cannot be built with"):
            check_network(name, **{option: 0})
    check_network(name, **{option: default})


@pytest.mark.parametrize(
    ("name", "options"), [("unet256", {"channels": [8192] * 8}), ("cg3dsrgan", {"channels": 8192})]
)
def test_a_network_that_no_memory_holds_is_not_built(name, options):
    for make in (create_network, check_network):
        with pytest.raises(MedSynthError, match=r"would have \de\+\d\d weights, more than memory holds; choose fewer"):
            make(name, **options)


def test_the_check_draws_no_random_number():
    torch.manual_seed(0)
    create_network("cascade-compact")
    weights = torch.rand(3)
    torch.manual_seed(0)
    NETWORKS["cascade-compact"].build()
    assert torch.equal(torch.rand(3), weights)
