"""Images of several modalities with their structure maps, as what a multi-modal generator is trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid, overlap, resample_array
from medsynth_core.io.reading import read_volume
from medsynth_core.modality import AIR_HU
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.contract import Contract, Side
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.structure.maps import background_mask, structure_map
from medsynth_core.volume import Volume

if TYPE_CHECKING:
    from medsynth_core.systems.structure_source import StructureSource

# What belongs to the image of a modality: its structure map, organ and lesion label.
PARTS = ("structure", "organ", "lesion")
_NOTHING = np.zeros((0, 1, 1), dtype=np.float32)


def part_of(role: str, part: str) -> str:
    """Return the name under which a part of a modality's image is kept: ``ct:structure``."""
    return f"{role}:{part}"


def modality_case(case: Case, sources: Mapping[str, StructureSource], lesion: str, contract: Contract) -> TrainingCase:
    """Return the images of a case with their structure maps, on the grid of the first modality that it has.

    Args:
        case: case with an image of one modality at least.
        sources: where the structure map of each modality comes from, by role of the modality.
        lesion: role of the lesion mask; "" for none. A case without one has no lesion.
        contract: modalities (outputs) and grid of the model.

    Returns:
        A case whose targets are for each modality its image, and under `part_of` the three `PARTS`; of a modality that
        is missing all four are empty.

    Raises:
        MedSynthError: a file cannot be read, or the images of the case do not overlap.
    """
    present = [role for role in contract.outputs if role in case.files and sources[role].role in case.files]
    if not present:
        raise MedSynthError("It has none of the modalities with an image for its structure map; add one to its line.")
    volumes = {role: _read(case, role, contract.outputs[role]) for role in present}
    grid = model_grid(volumes[present[0]], contract)
    label = _lesion(case, lesion, grid)
    targets = {}
    for role, side in contract.outputs.items():
        made = {}
        if role in volumes:
            voxels = _resampled(volumes[role], grid, side.nothing, role)
            made = {"": side.intensity.forward(voxels), "lesion": label, **_structure(case, sources[role], grid, label)}
        for part in ("", *PARTS):
            targets[part_of(role, part) if part else role] = made.get(part, _NOTHING).astype(np.float32)
    shape = targets[present[0]].shape
    return TrainingCase(case.name, {}, np.ones(shape, dtype=bool), targets, {"dose": -1})


def _read(case: Case, role: str, side: Side | StructureSource) -> Volume:
    volume = read_volume(case.files[role], modality=side.modality, unit=side.unit)
    volume.refuse_error_map(f"'{role}'", str(case.files[role]))
    return volume


def _resampled(volume: Volume, grid: Grid, nothing: float, role: str) -> np.ndarray:
    if not overlap(Grid.of(volume), grid):
        raise MedSynthError(
            f"The image for '{role}' does not overlap with the others; check that all belong to the same patient and "
            "frame of reference."
        )
    return resample_array(volume.voxels.astype(np.float32, copy=False), Grid.of(volume), grid, fill=nothing)


def _lesion(case: Case, role: str, grid: Grid) -> np.ndarray:
    """Return the lesion label of a case: whole numbers, 0 for none."""
    if not role or role not in case.files:
        return np.zeros(grid.shape, dtype=np.float32)
    mask = read_volume(case.files[role])
    return resample_array(mask.voxels, Grid.of(mask), grid, order="nearest").astype(np.float32)


def _structure(case: Case, source: StructureSource, grid: Grid, label: np.ndarray) -> dict[str, np.ndarray]:
    """Return structure map and organ of an image, without the edges of its lesions."""
    nothing = AIR_HU if source.unit == "HU" else 0.0
    voxels = _resampled(_read(case, source.role, source), grid, nothing, source.role)
    settings = source.settings()
    background = background_mask(voxels, settings)
    lines = structure_map(voxels, settings, background=background, lesion=label if label.any() else None)
    return {"structure": lines, "organ": ~background}
