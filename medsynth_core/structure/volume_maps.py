"""Structure maps and background masks of volumes, on the volume's own grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid, resample, resample_array
from medsynth_core.structure.maps import background_mask, resolved, structure_map
from medsynth_core.structure.settings import StructureSettings
from medsynth_core.version import __version__
from medsynth_core.volume import Volume

# In fewer slices, less than half of a cube around a voxel lies in the volume, so that no median is above 0.
LEAST_SOLID = 3


@dataclass(frozen=True, eq=False)
class Structure:
    """The structure of an image.

    Attributes:
        lines: structure map, bool; False on the background.
        background: background mask, bool; True outside the organ.
    """

    lines: np.ndarray
    background: np.ndarray


def structure_of(
    image: np.ndarray,
    settings: StructureSettings,
    *,
    lesion: np.ndarray | None = None,
    spacing: tuple[float, ...] | None = None,
) -> Structure:
    """Return structure map and background mask of an image.

    Args:
        image, lesion, spacing: as for `structure_map`.
        settings: parameters.

    Raises:
        MedSynthError: as `structure_map`; there are no lines or no organ with these settings; or there are too few
            slices for edges in three dimensions.
    """
    if spacing is not None and len(image) < LEAST_SOLID:
        raise MedSynthError(
            f"Edges in three dimensions need at least {LEAST_SOLID} slices, and this volume has {len(image)}; find the "
            "edges slice by slice.",
            kind="settings",
        )
    background = background_mask(image, settings, solid=spacing is not None)
    if background.all():
        raise MedSynthError(
            f"No pixel belongs to the organ (gamma: {_shown(settings.gamma)}); choose a lower gamma or another preset.",
            kind="settings",
        )
    lines = structure_map(image, settings, background=background, lesion=lesion, spacing=spacing)
    if not lines.any():
        raise MedSynthError(
            f"The structure map is empty (alpha: {_shown(settings.alpha)}, beta: {settings.beta:g}, median: "
            f"{settings.median}); choose a lower alpha or beta, or a smaller median.",
            kind="settings",
        )
    return Structure(lines, background)


def _shown(threshold: float | None) -> str:
    return "automatic" if threshold is None else f"{threshold:g}"


def structure_of_volume(
    volume: Volume, settings: StructureSettings, *, lesion: Volume | None = None, solid: bool = False
) -> tuple[Volume, Volume]:
    """Return structure map and background mask of a volume, on its grid.

    Args:
        volume: any modality and unit; a window of the settings is in this unit.
        settings: parameters.
        lesion: mask of lesions (not 0) on any grid, whose own edges are left out.
        solid: find edges in three dimensions instead of slice by slice. Slices are axial however the volume is stored;
            those of a tilted volume are the ones nearest to axial.

    Returns:
        Two volumes of 0 and 1 (uint8).

    Raises:
        MedSynthError: as `structure_of`; or the lesion mask does not overlap with the volume.
    """
    volume.refuse_error_map("input of a structure map")
    grid = Grid.of(volume)
    axial = grid.oriented()
    mask = None if lesion is None else resample(_as_mask(lesion), volume, order="nearest").voxels
    if mask is not None and not mask.any():
        raise MedSynthError(
            "The lesion mask is empty or lies outside the image; choose the mask of this image.", kind="input"
        )
    found = structure_of(
        resample_array(volume.voxels, grid, axial, order="nearest"),
        settings,
        lesion=None if mask is None else resample_array(mask, grid, axial, order="nearest"),
        spacing=tuple(axial.spacing[::-1]) if solid else None,
    )

    def restored(voxels: np.ndarray, description: str) -> Volume:
        back = resample_array(voxels.astype(np.uint8), axial, grid, order="nearest")
        facts = {**_facts(volume), "structure": {**settings.to_dict(), "solid": solid}, "description": description}
        return volume.replace(voxels=back, modality="", unit="1", metadata=facts, uncertainty=None)

    return restored(found.lines, "structure map"), restored(found.background, "background mask")


def thresholds_of(volume: Volume, settings: StructureSettings) -> StructureSettings:
    """Return settings with the thresholds that `structure_of_volume` finds in a volume, slice by slice.

    Raises:
        MedSynthError: as `structure_of`.
    """
    grid = Grid.of(volume)
    return resolved(resample_array(volume.voxels, grid, grid.oriented(), order="nearest"), settings)


def _as_mask(volume: Volume) -> Volume:
    return volume.replace(voxels=(volume.voxels != 0).astype(np.uint8))


def _facts(volume: Volume) -> dict[str, Any]:
    """Return what a map keeps of its image's metadata: whether the image is of a patient at all."""
    kept = {"synthetic": True} if volume.is_synthetic else {}
    return {"medsynth_version": __version__, **kept}


def structure_labels(lines: Volume, background: Volume) -> Volume:
    """Return a structure map and its background mask as one label map, uint8: 1 on lines, 2 on the background."""
    return lines.replace(voxels=(lines.voxels + 2 * background.voxels).astype(np.uint8))
