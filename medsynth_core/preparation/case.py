"""Preparation of volumes as network inputs, and resampling of network outputs to the grid of the first input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import EXACT, Grid, overlap, resample_array
from medsynth_core.modality import AIR_HU, LOWEST_HU
from medsynth_core.preparation.body import PET_SEED_SUV, PET_SMOOTHING, activity_mask, body_box, body_mask
from medsynth_core.preparation.contract import Contract, Side, SynthesisContract
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.frame import body_boxes
from medsynth_core.preparation.grid_memory import check_grids
from medsynth_core.volume import Volume


@dataclass(frozen=True, eq=False)
class Prepared:
    """The inputs of a model on its grid.

    Attributes:
        voxels: (k, j, i) float32 network values of the first input.
        body: (k, j, i) bool: body mask. All True for a modality without body segmentation (MR).
        grid: grid of ``voxels``.
        source: original grid of the first input.
        boxes: (k, 4) int: rows and columns of each slice that a 2-D network sees (`frame.body_boxes`); None for whole
            slices.
        others: (k, j, i) float32 network values of further inputs by role, in the order of the contract.
    """

    voxels: np.ndarray
    body: np.ndarray
    grid: Grid
    source: Grid
    boxes: np.ndarray | None = None
    others: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def stacked(self) -> np.ndarray:
        """All inputs in one array (inputs, k, j, i); a view if there is only one input."""
        return np.stack([self.voxels, *self.others.values()]) if self.others else self.voxels[None]

    def restore(self, voxels: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """Resample voxels from `grid` to the `source` grid (float32); ``fill`` is the value outside."""
        return resample_array(voxels.astype(np.float32, copy=False), self.grid, self.source, fill=fill)

    def narrowed(self, contract: SynthesisContract) -> Prepared:
        """Return the part that the network receives: for a PET processed in slabs, the in-plane box around the patient.

        The result, above all the estimated dose, must not depend on the amount of surrounding air; with less air than
        in training, the network would overestimate the noise. Voxels outside the field of view are empty.
        """
        if contract.slab is None or contract.input.modality != "PT":
            return self
        (i, j, _), (columns, rows, _) = body_box(self.body, np.zeros(3))
        least = contract.slab.plane
        size = np.array([max(columns, least), max(rows, least), self.grid.shape[0]])
        first = np.array([i - (size[0] - columns) // 2, j - (size[1] - rows) // 2, 0])
        grid = self.grid.part(first, size)

        def cut(voxels: np.ndarray, fill: float = 0.0) -> np.ndarray:
            return resample_array(voxels, self.grid, grid, fill=fill)

        others = {role: cut(voxels, contract.inputs[role].empty) for role, voxels in self.others.items()}
        return Prepared(cut(self.voxels, contract.input.empty), cut(self.body), grid, self.source, others=others)


# Bytes per voxel of an image in float32 while it is resampled.
_IMAGE_BYTES = 8


def model_grid(volume: Volume, contract: Contract) -> Grid:
    """Return the grid with the spacing or matrix of the contract and axes nearest to LPS that covers ``volume``.

    For 2-D networks its slices are transaxial even if the volume is tilted. A picture always gets the matrix.

    Raises:
        MedSynthError: there is not enough memory for one image on it, for example because the volume states a wrong
            voxel size.
    """
    grid = Grid.of(volume).oriented()
    # For 3-D networks a tilted volume is not rotated: interpolation would smooth the noise that the network relies on.
    if contract.slab is None and not grid.straight():
        grid = grid.straightened()
    if contract.matrix and (isinstance(contract, SynthesisContract) or volume.is_picture):
        return grid.with_matrix(*contract.matrix[-2:])
    if contract.spacing is None or np.allclose(grid.spacing, contract.spacing, rtol=EXACT):
        return grid
    finer = grid.with_spacing(np.array(contract.spacing))
    check_grids(grid, finer, 0, _IMAGE_BYTES)
    return finer


def prepare(volumes: Volume | Mapping[str, Volume], contract: SynthesisContract) -> Prepared:
    """Prepare volumes as inputs of the model of ``contract``, in training and inference.

    The first input defines the grid and the body mask; the others are resampled onto this grid. A missing optional
    input is replaced by empty voxels.

    Args:
        volumes: the first input, or all inputs by role; each in the unit of the contract.
        contract: states the spacing, the intensity mapping and the margin around the body.

    Raises:
        MedSynthError: an input is missing or does not overlap with the first, or a PET shows no patient.
    """
    given = contract.volumes(volumes)
    first = given[contract.input_role]
    is_activity = contract.input.modality == "PT"
    prepared = (_prepare_activity if is_activity else _prepare_image)(first, model_grid(first, contract), contract)
    others = {
        role: _beside(given.get(role), role, contract.inputs[role], prepared) for role in list(contract.inputs)[1:]
    }
    if is_activity:
        # Further inputs are masked outside the patient, like the PET itself.
        for role, voxels in others.items():
            voxels[~prepared.body] = contract.inputs[role].empty
    return replace(prepared, others=others)


def _prepare_image(volume: Volume, grid: Grid, contract: SynthesisContract) -> Prepared:
    """Prepare a CT or MR, cropped to the bounding box of the body unless the contract has a matrix."""
    source, is_ct = Grid.of(volume), contract.input.modality == "CT"
    voxels = without_padding(volume.voxels, contract.input)
    fill = AIR_HU if is_ct else float(voxels.min())
    voxels = resample_array(voxels, source, grid, fill=fill)
    body = body_mask(voxels) if is_ct else np.ones(grid.shape, dtype=bool)
    if contract.matrix:
        return Prepared(contract.input.intensity.forward(voxels), body, grid, source)
    margin = contract.body_margin / grid.spacing
    part = grid.part(*body_box(body, margin))
    mapped = contract.input.intensity.forward(resample_array(voxels, grid, part, fill=fill))
    body = resample_array(body, grid, part, fill=0)
    return Prepared(mapped, body, part, source, body_boxes(body, margin[1::-1]) if is_ct else None)


def without_padding(voxels: np.ndarray, side: Side) -> np.ndarray:
    """Return the voxels of an image with the padding of a CT replaced by the lowest value that CTs measure.

    Scanners fill the corners outside their field of view with values such as -2000 or -3024 HU, which interpolation
    would mix into neighbouring tissue.
    """
    if side.unit != "HU" or voxels.min() >= LOWEST_HU:
        return voxels
    return np.maximum(voxels, LOWEST_HU)


def _prepare_activity(volume: Volume, grid: Grid, contract: SynthesisContract) -> Prepared:
    """Prepare a PET, masked outside the patient and not cropped, so that slab positions do not change."""
    source = Grid.of(volume)
    voxels = resample_array(volume.voxels.astype(np.float32, copy=False), source, grid)
    body = activity_mask(voxels, grid.spacing, contract.body_margin)
    if not body.any():
        raise MedSynthError(
            f"No patient was found in the PET: after smoothing over {PET_SMOOTHING:g} mm, no voxel reaches "
            f"{PET_SEED_SUV:g} SUVbw, the uptake of lung; check its unit and its rescale slope."
        )
    voxels[~body] = 0
    boxes = None if contract.slab or contract.matrix else body_boxes(body, np.zeros(2))
    return Prepared(contract.input.intensity.forward(voxels), body, grid, source, boxes)


def _beside(volume: Volume | None, role: str, side: Side, prepared: Prepared) -> np.ndarray:
    """Return a further input (k, j, i) as float32 network values on the grid of the first one."""
    if volume is None:
        return np.full(prepared.grid.shape, side.empty, dtype=np.float32)
    for reason in apart(Grid.of(volume), prepared.grid, role):
        raise MedSynthError(reason)
    voxels = without_padding(volume.voxels, side).astype(np.float32, copy=False)
    return side.intensity.forward(resample_array(voxels, Grid.of(volume), prepared.grid, fill=side.nothing))


def apart(other: Grid, first: Grid, role: str) -> list[str]:
    """Return why a further input cannot be used beside the first: the two do not overlap; [] if they do.

    Args:
        other: grid of the further input.
        first: grid of the first input, or of the body in it.
        role: role of the further input.
    """
    if overlap(other, first):
        return []
    return [
        f"The image for '{role}' does not overlap with the body in the first input; check that both belong to "
        "the same patient and frame of reference."
    ]


def prepare_target(target: Volume, prepared: Prepared, side: Side) -> np.ndarray:
    """Return the training target (k, j, i), float32, of one output on the grid of its prepared input.

    Raises:
        MedSynthError: the target does not overlap with the body in the input.
    """
    if not overlap(Grid.of(target), prepared.grid):
        raise MedSynthError(
            "The target does not overlap with the body in the input; check that both belong to the same patient and "
            "frame of reference."
        )
    voxels = without_padding(target.voxels, side).astype(np.float32, copy=False)
    return side.intensity.forward(resample_array(voxels, Grid.of(target), prepared.grid, fill=side.nothing))


def prepare_alone(images: Mapping[str, Volume], contract: Contract) -> dict[str, np.ndarray]:
    """Return images (k, j, i) of a case without a prepared input, float32, all on a model grid of the first.

    Pictures are resampled onto the matrix one by one, because they have no place relative to each other.

    Args:
        images: volumes by the names of `channels_of`, of the outputs or of a generator's inputs.
        contract: grid of the model, and the images.

    Raises:
        MedSynthError: an image does not overlap with the first.
    """
    sides = channels_of({**contract.inputs, **contract.outputs})
    first, grid = next(iter(images)), model_grid(next(iter(images.values())), contract)
    made = {}
    for name, image in images.items():
        own = model_grid(image, contract) if image.is_picture else grid
        if not overlap(Grid.of(image), own):
            raise MedSynthError(
                f"The image for '{name}' does not overlap with that for '{first}'; check that both belong to the same "
                "patient and frame of reference."
            )
        made[name] = _alone(image, own, sides[name])
    return made


def _alone(target: Volume, grid: Grid, side: Side) -> np.ndarray:
    voxels = without_padding(target.voxels, side).astype(np.float32, copy=False)
    return side.intensity.forward(resample_array(voxels, Grid.of(target), grid, fill=side.nothing))


def common_box(prepared: Prepared, target: Volume) -> tuple[slice, slice, slice]:
    """Return the part (k, j, i) of a prepared input that the field of view of its target covers.

    Raises:
        MedSynthError: the field of view does not cover any part of it.
    """
    covered = resample_array(np.ones(target.shape, dtype=np.float32), Grid.of(target), prepared.grid) > 0.5
    if not covered.any():
        raise MedSynthError(
            "The field of view of the target does not cover the body in the input; check that both belong to the same "
            "patient and frame of reference."
        )
    k, j, i = (np.flatnonzero(covered.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3))
    return slice(k[0], k[-1] + 1), slice(j[0], j[-1] + 1), slice(i[0], i[-1] + 1)
