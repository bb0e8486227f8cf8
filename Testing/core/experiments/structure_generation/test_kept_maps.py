"""Structure maps that are kept without the model that drew them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from medsynth_core import MedSynthError
from medsynth_core.experiments.structure_generation.kept_maps import drawn_lines, kept_maps

KINDS = np.array([0, 0, 1, 2], np.uint8)


class Stripes(nn.Module):
    """Draws an organ as wide as its code says, which may be nothing, with a line in it."""

    latent = 2

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def draw(self, codes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        organ = torch.arange(16).expand(len(codes), 1, 16, 16) < 8 * codes[:, :1, None, None]
        lines = organ & (torch.arange(16)[:, None] == 5)
        return lines.float(), organ.float()


def model(sha256: str = "abc") -> SimpleNamespace:
    return SimpleNamespace(network=Stripes, card=SimpleNamespace(weights=SimpleNamespace(sha256=sha256)))


def test_maps_are_drawn_once_and_read_again(tmp_path):
    path = tmp_path / "rows" / "maps.npz"
    drawn = kept_maps(path, KINDS, 3, model)
    again = kept_maps(path, KINDS, 3, lambda: pytest.fail("maps were drawn again"))
    for part in ("lines", "organs", "labels"):
        np.testing.assert_array_equal(getattr(drawn.anatomies, part), getattr(again.anatomies, part))
    lines, organs = drawn_lines(Stripes(), 4, 3)
    np.testing.assert_array_equal(again.anatomies.lines, lines)
    np.testing.assert_array_equal(again.anatomies.organs, organs)
    assert again.sha256 == "abc" and again.anatomies.kinds.tolist() == KINDS.tolist()
    assert path.stat().st_size < 2000
    for kinds, seed in ((KINDS, 4), (KINDS[:3], 3), (KINDS[::-1], 3)):
        with pytest.raises(MedSynthError, match="was made by another recipe or with other cases .* remove"):
            kept_maps(path, kinds, seed, model)


def test_maps_without_organ_or_unlike_real_ones_are_left_out():
    lines, organs = drawn_lines(Stripes(), 20, 0)
    assert organs.any(axis=(1, 2)).all() and len(lines) == 20
    np.testing.assert_array_equal(drawn_lines(Stripes(), 30, 0)[1][:20], organs)
    few = drawn_lines(Stripes(), 5, 0, {"organ": (0.3, 0.6)})[1]
    assert ((few.mean(axis=(1, 2)) >= 0.3) & (few.mean(axis=(1, 2)) <= 0.6)).all()
    with pytest.raises(MedSynthError, match="Only 0 of 4096 structure maps from noise are like those of real images"):
        drawn_lines(Stripes(), 2, 0, {"lines": (0.9, 1.0)})
