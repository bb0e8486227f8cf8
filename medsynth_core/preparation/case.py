"""From a volume to what a network sees, and from what it answers back to the volume's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.body import PET_SEED_SUV, PET_SMOOTHING, activity_mask, body_box, body_mask
from medsynth_core.preparation.contract import AIR_HU, Contract
from medsynth_core.preparation.grid import EXACT, Grid, move, overlap
from medsynth_core.volume import Volume


@dataclass(frozen=True, eq=False)
class Prepared:
    """A volume on the grid of a model.

    Attributes:
        voxels: (k, j, i) float32 values for the network.
        body: (k, j, i) bool: the patient. All True for a modality in which the body is not sought (MR).
        grid: where these voxels lie.
        source: the grid they came from.
    """

    voxels: np.ndarray
    body: np.ndarray
    grid: Grid
    source: Grid

    def restore(self, voxels: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """Return voxels of `grid` on the `source` grid (float32); ``fill`` is the value outside."""
        return move(voxels.astype(np.float32, copy=False), self.grid, self.source, fill=fill)

    def narrowed(self, contract: Contract) -> Prepared:
        """Return what a network is given of it: of a PET that goes in slabs the part of the plane with the patient.

        What a network says of a patient, of the dose above all, must not depend on how much air is around; with less
        of it than in training it would see more noise than there is. Beyond the field there is nothing.
        """
        if contract.slab is None or contract.input.modality != "PT":
            return self
        (i, j, _), (columns, rows, _) = body_box(self.body, np.zeros(3))
        least = contract.slab.plane
        size = np.array([max(columns, least), max(rows, least), self.grid.shape[0]])
        first = np.array([i - (size[0] - columns) // 2, j - (size[1] - rows) // 2, 0])
        grid = self.grid.part(first, size)
        voxels = move(self.voxels, self.grid, grid, fill=contract.empty[0])
        return Prepared(voxels, move(self.body, self.grid, grid), grid, self.source)


def model_grid(volume: Volume, contract: Contract) -> Grid:
    """Return the grid of the contract's spacing, in the order nearest to LPS, that covers ``volume``.

    For 2-D networks its slices are transaxial, whatever the tilt of the volume.
    """
    grid = Grid.of(volume).oriented()
    # A 3-D network takes a tilted patient as it lies: to be turned would smooth the noise that it is to recognise.
    if contract.slab is None and not grid.straight():
        grid = grid.straightened()
    if contract.spacing is None or np.allclose(grid.spacing, contract.spacing, rtol=EXACT):
        return grid
    return grid.with_spacing(np.array(contract.spacing))


def prepare(volume: Volume, contract: Contract) -> Prepared:
    """Return ``volume`` as the model of ``contract`` sees it, in training and in inference.

    Args:
        volume: in the unit of the contract's input.
        contract: says the spacing, the intensity mapping and the margin around the body.

    Raises:
        MedSynthError: no patient is seen in a PET.
    """
    source, grid = Grid.of(volume), model_grid(volume, contract)
    if contract.input.modality == "PT":
        return _prepare_activity(volume, grid, contract)
    is_ct = contract.input.modality == "CT"
    fill = AIR_HU if is_ct else float(volume.voxels.min())
    voxels = move(volume.voxels, source, grid, fill=fill)
    body = body_mask(voxels) if is_ct else np.ones(grid.shape, dtype=bool)
    first, size = body_box(body, contract.body_margin / grid.spacing)
    part = grid.part(first, size)
    mapped = contract.input.intensity.forward(move(voxels, grid, part, fill=fill))
    return Prepared(mapped, move(body, grid, part, fill=0), part, source)


def _prepare_activity(volume: Volume, grid: Grid, contract: Contract) -> Prepared:
    """Return a PET as the model sees it: nothing outside the patient, and no cut, so that slabs lie where they lie."""
    source = Grid.of(volume)
    voxels = move(volume.voxels.astype(np.float32, copy=False), source, grid)
    body = activity_mask(voxels, grid.spacing, contract.body_margin)
    if not body.any():
        raise MedSynthError(
            f"No patient was found in the PET: over {PET_SMOOTHING:g} mm, uptake nowhere reaches "
            f"{PET_SEED_SUV:g} SUVbw, which that of a lung does; check its unit and its rescale slope."
        )
    voxels[~body] = 0
    return Prepared(contract.input.intensity.forward(voxels), body, grid, source)


def prepare_target(target: Volume, prepared: Prepared, contract: Contract) -> np.ndarray:
    """Return the training target (k, j, i), float32, on the grid of its prepared input.

    Raises:
        MedSynthError: the target lies somewhere else.
    """
    if not overlap(Grid.of(target), prepared.grid):
        raise MedSynthError(
            "The target has no place in common with the body in the input; check that both belong to the same patient "
            "and frame of reference."
        )
    moved = move(target.voxels.astype(np.float32, copy=False), Grid.of(target), prepared.grid)
    return contract.output.intensity.forward(moved)


def prepare_alone(target: Volume, contract: Contract) -> np.ndarray:
    """Return a training target (k, j, i), float32, that belongs to no input: on the model's grid of its own."""
    grid = model_grid(target, contract)
    return contract.output.intensity.forward(move(target.voxels.astype(np.float32, copy=False), Grid.of(target), grid))


def common_box(prepared: Prepared, target: Volume) -> tuple[slice, slice, slice]:
    """Return the part (k, j, i) of a prepared input that its target's field of view covers.

    Raises:
        MedSynthError: the target covers no place of it.
    """
    covered = move(np.ones(target.shape, dtype=np.float32), Grid.of(target), prepared.grid) > 0.5
    if not covered.any():
        raise MedSynthError(
            "The target's field of view covers no part of the body in the input; check that both belong to the same "
            "patient and frame of reference."
        )
    k, j, i = (np.flatnonzero(covered.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3))
    return slice(k[0], k[-1] + 1), slice(j[0], j[-1] + 1), slice(i[0], i[-1] + 1)
