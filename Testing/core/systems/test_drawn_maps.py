"""Maps from noise among those that a generator of images learns from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from multimodal_builders import batch, recipe, system
from torch import Tensor, nn

from medsynth_core.structure.fusion import NOISE
from medsynth_core.systems.multimodal import _Piece


class Maps(nn.Module):
    """Draws a map with a line at the top and an organ at the left, whatever the code is."""

    latent = 5

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[Tensor] = []

    def draw(self, code: Tensor) -> tuple[Tensor, Tensor]:
        self.codes.append(code)
        lines, organ = torch.zeros(len(code), 1, 32, 32), torch.zeros(len(code), 1, 32, 32)
        lines[:, :, 2, 3:9], organ[..., :20] = 1, 1
        return lines, organ


def drawn_at(share: float) -> tuple[Tensor, Maps]:
    """Return what 90 images are drawn from, with a share of maps from noise."""
    made, maps = system(recipe(fit_lesions=False)), Maps()
    made.networks["generator"].maps = maps
    made.settings = made.settings.model_copy(update={"drawn_maps": share})
    given = []
    for number in range(30):
        made._random = np.random.default_rng(number)
        given.append(made._given(_Piece(batch(3, seed=number), made.settings))[0])
    return torch.cat(given)[:, 0], maps


def is_of_noise(given: Tensor) -> Tensor:
    """Return which of the inputs have the line at the top, noise in the rest of the organ, and nothing beside it."""
    line = (given[:, 2, 3:9] == 1).all(dim=1)
    inside = given[:, 5:, :20].flatten(1)
    noise = ((inside >= NOISE[0]) & (inside <= NOISE[1])).all(dim=1)
    return line & noise & (given[:, :, 20:] == 0).flatten(1).all(dim=1)


@pytest.mark.parametrize(("share", "least", "most"), [(1.0, 90, 90), (0.3, 15, 40)])
def test_a_share_of_the_maps_is_drawn_from_noise(share, least, most):
    given, maps = drawn_at(share)
    assert least <= int(is_of_noise(given).sum()) <= most
    codes = torch.cat(maps.codes)
    assert codes.shape == (90, 5) and abs(codes.mean()) < 0.2 and abs(codes.std() - 1) < 0.15
    assert len(codes.unique(dim=0)) == 90 and not maps.training


def test_the_others_are_those_of_images():
    own, unused = drawn_at(0.0)
    assert not is_of_noise(own).any() and not unused.codes
    some, _ = drawn_at(0.3)
    others = ~is_of_noise(some)
    # The modality whose maps are taken in turn is drawn before, so that lines and background are the same ones.
    for value in (0, 1):
        assert torch.equal(some[others] == value, own[others] == value)
