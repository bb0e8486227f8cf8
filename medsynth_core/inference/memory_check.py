"""Check that the free main memory suffices for synthesis."""

from __future__ import annotations

import math

from medsynth_core.compute.memory import available_memory
from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.volume import Volume

# Bytes per voxel. On the input's grid: input and result in float32. On the model's grid: network input and output, and
# the temporary arrays of preparation and body mask.
OWN_BYTES, MODEL_BYTES = 8, 28


def check_memory(volume: Volume, contract: SynthesisContract, averaged: Volume | None = None) -> None:
    """Check that the free main memory suffices for synthesis, on the volume's grid and on the model's.

    Args:
        volume: the input of a model.
        contract: contract of the model, which may work on a finer grid than the volume's.
        averaged: the volume after averaging, if that is what the model works on.

    Raises:
        MedSynthError: it does not, so that the operating system would end the process half-way.
    """
    own, inside = Grid.of(volume), model_grid(averaged or volume, contract)
    count, finer = math.prod(own.shape), math.prod(inside.shape)
    needed, free = OWN_BYTES * count + MODEL_BYTES * finer, available_memory()
    if needed > free:
        more = f" ({_size(inside)} on the model's grid)" if finer > count else ""
        raise MedSynthError(
            f"The volume of {_size(own)} voxels{more} needs about {needed / 2**30:.1f} GiB of memory, but "
            f"{free / 2**30:.1f} GiB are free; close other programs, or crop the volume.",
            kind="device",
        )


def _size(grid: Grid) -> str:
    return " × ".join(str(side) for side in reversed(grid.shape))
