"""Images of several modalities with their structure maps, as what a multi-modal generator is trained with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid, Order, overlap, resample_array
from medsynth_core.io.picture_volume import read_grey, read_mask
from medsynth_core.preparation.case import model_grid
from medsynth_core.preparation.contract import Contract
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.side_images import check_one_kind, read_side
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.structure.lesions import filled_boxes
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


def modality_case(
    case: Case, sources: Mapping[str, StructureSource], lesion: str, contract: Contract, *, boxes: bool = False
) -> TrainingCase:
    """Return the images of a case with their structure maps, on the grid of the first modality that it has.

    Pictures are resampled onto the matrix of the contract one by one.

    Args:
        case: case with an image of one modality at least.
        sources: where the structure map of each modality comes from, by role of the modality.
        lesion: role of the lesion mask; "" for none. A case without one has no lesion.
        contract: modalities (outputs) and grid of the model.
        boxes: draw lesions as filled boxes of their extent in each slice.

    Returns:
        A case whose targets are for each modality its image, in colour by the names of `channels_of`, and under
        `part_of` the three `PARTS`; of a modality that is missing all of them are empty.

    Raises:
        MedSynthError: a file cannot be read, or the images of the case do not overlap.
    """
    present = [role for role in contract.outputs if role in case.files and sources[role].role in case.files]
    if not present:
        raise MedSynthError("It has none of the modalities with an image for its structure map; add one to its line.")
    volumes = {role: read_side(case.files[role], role, contract.outputs[role]) for role in present}
    place = _Place(contract, *next(iter(volumes[present[0]].items())))
    label = _lesion(case, lesion, place)
    drawn = filled_boxes(label) if boxes else label
    targets: dict[str, np.ndarray] = {}
    for role, side in contract.outputs.items():
        names = [*channels_of({role: side}), *(part_of(role, part) for part in PARTS)]
        made = dict.fromkeys(names, _NOTHING)
        if role in volumes:
            for name, volume in volumes[role].items():
                made[name] = side.intensity.forward(place.resampled(volume, side.nothing, role))
            parts = {"lesion": drawn, **_structure(case, sources[role], place, label)}
            made |= {part_of(role, part): array for part, array in parts.items()}
        targets |= {name: array.astype(np.float32) for name, array in made.items()}
    shape = next(array.shape for array in targets.values() if len(array))
    return TrainingCase(case.name, {}, np.ones(shape, dtype=bool), targets, {"dose": -1})


@dataclass(frozen=True, eq=False)
class _Place:
    """Where the images of a case are resampled to.

    Attributes:
        contract: contract of the model.
        name, first: the first image of the case, which decides the grid of its volumes; each picture has its own.
    """

    contract: Contract
    name: str
    first: Volume

    @cached_property
    def grid(self) -> Grid:
        """The grid of the first image on the model."""
        return model_grid(self.first, self.contract)

    def resampled(self, volume: Volume, nothing: float, role: str, order: Order = "linear") -> np.ndarray:
        """Return the voxels of an image on the grid.

        Raises:
            MedSynthError: the image does not overlap with the others, or is a picture and they are not.
        """
        check_one_kind({self.name: self.first, role: volume})
        grid = model_grid(volume, self.contract) if volume.is_picture else self.grid
        if not overlap(Grid.of(volume), grid):
            raise MedSynthError(
                f"The image for '{role}' does not overlap with the others; check that all belong to the same patient "
                "and frame of reference."
            )
        return resample_array(volume.voxels.astype(np.float32), Grid.of(volume), grid, order=order, fill=nothing)


def _lesion(case: Case, role: str, place: _Place) -> np.ndarray:
    """Return the lesion label of a case: whole numbers, 0 for none."""
    if not role or role not in case.files:
        return np.zeros(place.grid.shape, dtype=np.float32)
    return place.resampled(read_mask(case.files[role]), 0.0, role, order="nearest")


def _structure(case: Case, source: StructureSource, place: _Place, label: np.ndarray) -> dict[str, np.ndarray]:
    """Return structure map and organ of an image, without the edges of its lesions."""
    file = case.files[source.role]
    volume = read_grey(file, source.modality, source.unit, source.channel)
    volume.refuse_error_map(f"'{source.role}'", str(file))
    voxels = place.resampled(volume, source.nothing, source.role)
    settings = source.settings()
    background = background_mask(voxels, settings)
    lines = structure_map(voxels, settings, background=background, lesion=label if label.any() else None)
    return {"structure": lines, "organ": ~background}
