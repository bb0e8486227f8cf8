"""How much memory there is for a network."""

from __future__ import annotations

import math

import torch

from medsynth_core.errors import MedSynthError
from medsynth_core.memory import available_memory
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.contract import Contract
from medsynth_core.preparation.grid import Grid
from medsynth_core.volume import Volume

# What the libraries of CPU and GPU say when memory runs out and they have no exception of their own for it.
NO_MEMORY = ("not enough memory", "out of memory", "can't allocate memory", "ALLOC_FAILED")
# The volume and the result in float32; on the model's grid what the network sees and answers, with what finding the
# body and making them needs.
OWN_BYTES, MODEL_BYTES = 8, 28
# On a CPU larger windows gain nothing.
CPU_BUDGET = 2 << 30
# Part of a GPU's free memory that may be planned with: the libraries need some for themselves.
GPU_SHARE = 0.6


def check_memory(volume: Volume, contract: Contract) -> None:
    """Make sure that a volume can be synthesized in the main memory that is free, on its grid and on the model's.

    Args:
        volume: the input of a model.
        contract: of the model, which may work on a finer grid than that of the volume.

    Raises:
        MedSynthError: it cannot, as far as the system tells; better so than to be ended by it half-way.
    """
    own, inside = Grid.of(volume), model_grid(volume, contract)
    count, finer = math.prod(own.shape), math.prod(inside.shape)
    needed, free = OWN_BYTES * count + MODEL_BYTES * finer, available_memory()
    if free is not None and needed > free:
        more = f", which are {_size(inside)} on the model's grid," if finer > count else ""
        raise MedSynthError(
            f"The volume of {_size(own)} voxels{more} needs about {needed / 2**30:.1f} GiB of memory, but "
            f"{free / 2**30:.1f} GiB are free; close other programs, or crop the volume.",
            kind="device",
        )


def _size(grid: Grid) -> str:
    return " × ".join(str(side) for side in reversed(grid.shape))


def slab_budget(device: torch.device) -> int:
    """Return the bytes that windows computed at once may take on a device."""
    if device.type == "cuda":
        return int(GPU_SHARE * torch.cuda.mem_get_info(device)[0])
    free = available_memory()
    return CPU_BUDGET if free is None else min(CPU_BUDGET, free // 2)
