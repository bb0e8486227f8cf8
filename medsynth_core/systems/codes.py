"""Codes from which generators draw, for validation: always the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

# Codes that are drawn from at once.
_AT_ONCE = 16


def codes(count: int, latent: int, seed: int) -> Iterator[Tensor]:
    """Yield ``count`` codes from N(0, 1) in parts (n, latent); a longer series begins with the shorter one.

    Args:
        count: number of codes.
        latent: their length.
        seed: of the series.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    for start in range(0, count, _AT_ONCE):
        # One by one, so that a code depends on its number alone.
        yield torch.stack([torch.randn(latent, generator=generator) for _ in range(min(_AT_ONCE, count - start))])
