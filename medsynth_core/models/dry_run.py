"""A network is shown an image without values, to know before any work whether it takes images of that size."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from medsynth_core.errors import MedSynthError
from medsynth_core.io.temporary import temporary_folder

# Where PyTorch keeps compiled code, by its documentation.
_CACHE = "TORCHINDUCTOR_CACHE_DIR"


def check_dimensions(network: nn.Module, name: str, dimensions: int) -> None:
    """Check that a network is for slices (2) or volumes (3).

    Raises:
        MedSynthError: it is for the other ones.
    """
    own = getattr(network, "spatial_dims", 2)
    if own != dimensions:
        has, change = ("has slab", "remove") if dimensions == 3 else ("has no slab", "add")
        raise MedSynthError(
            f"The network '{name}' is {own}-D, but the contract {has}, as for {dimensions}-D networks; choose a "
            f"{dimensions}-D network, or {change} contract.slab.",
            kind="model",
        )


def check_forward(network: nn.Module, name: str, shape: Sequence[int], remedy: str) -> None:
    """Check that a network computes an image of a size; no memory is taken for its values.

    Args:
        network: with its parameters on the device ``meta``.
        name: name of the network, for the message.
        shape: rows and columns of the image, or slices, rows and columns.
        remedy: what to do, as the end of the sentence.

    Raises:
        MedSynthError: it does not.
    """
    channels = getattr(network, "in_channels", 1)
    # Two images, because the mean of a batch of one is not defined where only one voxel is left.
    image = torch.empty(2, channels, *shape, device="meta")
    try:
        with torch.no_grad(), _no_cache_left():
            made = network(image)
    except NotImplementedError:
        return  # PyTorch cannot tell the shape of some results without values; a real image will show whether it fits
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        size = _size(shape)
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise MedSynthError(
            f"The network '{name}' does not take {channels} channel{'s' * (channels != 1)} of {size} ({reason}); "
            f"{remedy}.",
            kind="model",
        ) from error
    if isinstance(made, torch.Tensor) and not made.numel():
        raise MedSynthError(f"The network '{name}' makes nothing of {_size(shape)}; {remedy}.", kind="model")


def _size(shape: Sequence[int]) -> str:
    return f"{' × '.join(map(str, shape))} {'pixels' if len(shape) == 2 else 'voxels'}"


@contextmanager
def _no_cache_left() -> Iterator[None]:
    """Let PyTorch leave no folder behind: it makes one for compiled code when it first computes shapes alone."""
    if _CACHE in os.environ or "torch._dynamo" in sys.modules:
        yield
        return
    with temporary_folder() as folder:
        os.environ[_CACHE] = str(folder)
        try:
            yield
        finally:
            del os.environ[_CACHE]
