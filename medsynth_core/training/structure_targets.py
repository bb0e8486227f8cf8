"""Structure maps and organs as what a generator of them is trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid, resample_array
from medsynth_core.io.picture_volume import read_grey
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.contract import Contract
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.structure.maps import background_mask, structure_map

if TYPE_CHECKING:
    from medsynth_core.systems.structure_source import StructureSource

# Roles of the outputs of such a generator. The organ is 0 where the mask of the background is 1, so that it is 0 beside
# the image as well.
LINES, ORGAN = "structure", "organ"


def structure_case(case: Case, source: StructureSource, contract: Contract) -> TrainingCase:
    """Return the structure maps of a case on the grid of the model, of the slices that have any.

    Args:
        case: case with the image of the source's role.
        source: image and settings.
        contract: grid of the model.

    Raises:
        MedSynthError: the image cannot be read or is not what the source says, or no slice has a structure.
    """
    volume = read_grey(case.files[source.role], source.modality, source.unit, source.channel)
    volume.refuse_error_map(f"'{source.role}'", str(case.files[source.role]))
    grid = model_grid(volume, contract)
    voxels = resample_array(volume.voxels.astype(np.float32, copy=False), Grid.of(volume), grid, fill=source.nothing)
    settings = source.settings()
    background = background_mask(voxels, settings)
    lines = structure_map(voxels, settings, background=background)
    kept = lines.any(axis=(1, 2))
    if not kept.any():
        raise MedSynthError(
            f"No slice of {case.files[source.role]} has a structure with the settings of the recipe; choose another "
            "structure.preset, or lower structure.values.alpha."
        )
    targets = {LINES: lines[kept].astype(np.float32), ORGAN: (~background[kept]).astype(np.float32)}
    return TrainingCase(case.name, {}, np.ones(targets[LINES].shape, dtype=bool), targets, {"dose": -1})
