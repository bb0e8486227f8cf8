"""Check that the free main memory suffices for synthesis."""

from __future__ import annotations

from medsynth_core.grid import Grid
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.preparation.grid_memory import check_grids
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
        MedSynthError: as `check_grids`.
    """
    check_grids(Grid.of(volume), model_grid(averaged or volume, contract), OWN_BYTES, MODEL_BYTES)
