"""A volume that does not fit into the free memory is refused before the computation starts."""

import numpy as np
import pytest
from builders import axial_matrix

from medsynth_core import MedSynthError, Volume
from medsynth_core.inference.memory_check import check_memory
from medsynth_core.preparation import grid_memory
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.contract import SynthesisContract

SIDE = {"modality": "PT", "unit": "SUVbw", "intensity": {"kind": "linear", "divisor": 5.0}}
OWN_GRID = SynthesisContract(input=SIDE, output=SIDE, slab={"slices": 16, "overlap": 8})
ONE_MM = OWN_GRID.model_copy(update={"spacing": (1.0, 1.0, 1.0)})


def volume(shape, spacing=(1.0, 1.0, 1.0)):
    # One value that stands for all voxels.
    return Volume(np.broadcast_to(np.float32(1), shape), axial_matrix(spacing), "PT", "SUVbw")


@pytest.fixture
def two_gib_free(monkeypatch):
    monkeypatch.setattr(grid_memory, "available_memory", lambda: 2 << 30)


def test_the_system_tells_how_much_memory_is_free():
    free = grid_memory.available_memory()
    assert free is None or free > 1 << 20
    check_memory(volume((10, 10, 10)), OWN_GRID)


def test_a_volume_larger_than_the_memory_is_refused(two_gib_free):
    check_memory(volume((200, 400, 400)), OWN_GRID)
    with pytest.raises(MedSynthError, match=r"400 × 400 × 1000 voxels needs about 5\.4 GiB of memory, but 2\.0 GiB"):
        check_memory(volume((1000, 400, 400)), OWN_GRID)


def test_it_is_refused_too_if_it_is_large_only_on_the_grid_of_the_model(two_gib_free):
    small = volume((200, 100, 120), (5.0, 5.0, 5.0))
    check_memory(small, OWN_GRID)
    with pytest.raises(MedSynthError, match=r"120 × 100 × 200 voxels \(600 × 500 × 1000 on the model's grid\)"):
        check_memory(small, ONE_MM)


def test_a_grid_of_the_model_that_is_coarser_needs_less(two_gib_free):
    large = volume((400, 500, 500), (0.5, 0.5, 0.5))
    check_memory(large, ONE_MM)
    with pytest.raises(MedSynthError, match="500 × 500 × 400 voxels needs"):
        check_memory(large, OWN_GRID)


def test_a_grid_of_the_model_that_fits_into_no_memory_is_refused_wherever_it_is_needed(two_gib_free):
    # As that of a file that states its voxel size in another unit.
    huge = volume((8, 64, 64), (150.0, 150.0, 150.0))
    with pytest.raises(
        MedSynthError, match=r"64 × 64 × 8 voxels \(9601 × 9601 × 1201 on the model's grid\) .* voxel size"
    ):
        model_grid(huge, ONE_MM)
    assert model_grid(volume((8, 64, 64)), ONE_MM).shape == (8, 64, 64)
