"""Everything that is compared on one grid: the synthetic volume's, as far as the reference reaches."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.grid import Grid, resample
from medsynth_core.volume import Volume


@dataclass(frozen=True, eq=False)
class Pair:
    """A synthetic volume and its reference on one grid.

    Attributes:
        synthetic: what is judged.
        reference: what it is judged against.
        region: bool (k, j, i), the voxels to compare, or None for the full frame.
        lesion: bool (k, j, i), or None.
        notes: sentences on what was done to get here.
    """

    synthetic: Volume
    reference: Volume
    region: np.ndarray | None
    lesion: np.ndarray | None
    notes: list[str] = field(default_factory=list)


def align(synthetic: Volume, reference: Volume, mask: Volume | None, lesion: Volume | None) -> Pair:
    """Bring reference, mask and lesion onto the synthetic volume's grid.

    Other grids are resampled: the reference linearly (smoothed first along axes that the synthetic volume
    samples more coarsely), masks by the nearest voxel. Where the reference does not reach, there is nothing
    to compare: the grid is cut to the box that it fills, and voxels of the box that it leaves empty (oblique
    grids) are excluded.

    Raises:
        MedSynthError: no voxels or non-finite ones, units that differ, no overlap, an empty mask or lesion.
    """
    for name, volume in (("synthetic volume", synthetic), ("reference", reference)):
        _refuse_bad_voxels(name, volume)
    notes: list[str] = []
    synthetic, reference = _with_one_unit(synthetic, reference, notes)
    moved, covered = _reference_on(synthetic, reference, notes)
    region = None if mask is None else _mask_on(synthetic, mask, "mask", notes)
    spot = None if lesion is None else _mask_on(synthetic, lesion, "lesion", notes)
    pair = _cut(Pair(synthetic, moved, region, spot, notes), covered)
    for name, array in (("mask", pair.region), ("lesion", pair.lesion)):
        if array is not None and not array.any():
            raise MedSynthError(f"The {name} has no voxel where both volumes have values; check the {name}.")
    return pair


def _refuse_bad_voxels(name: str, volume: Volume) -> None:
    if not volume.voxels.size:
        raise MedSynthError(f"The {name} has no voxels; choose another volume.")
    bad = int(np.count_nonzero(~np.isfinite(volume.voxels)))
    if bad:
        raise MedSynthError(
            f"The {name} has values that are not finite (NaN or infinite) in {bad} of its "
            f"{volume.voxels.size} voxels; replace them before the evaluation."
        )


def _with_one_unit(synthetic: Volume, reference: Volume, notes: list[str]) -> tuple[Volume, Volume]:
    """Give a volume without a unit that of the other, and refuse two that differ."""
    if synthetic.unit and reference.unit and synthetic.unit != reference.unit:
        raise MedSynthError(
            f"The synthetic volume is in {synthetic.unit} but the reference is in {reference.unit}; "
            "convert one of them so that both have the same unit."
        )
    unit = synthetic.unit or reference.unit
    for name, volume in (("synthetic volume", synthetic), ("reference", reference)):
        if unit and not volume.unit:
            notes.append(f"The {name} states no unit; it was taken to be in {unit}.")
    return synthetic.replace(unit=unit), reference.replace(unit=unit)


def _reference_on(synthetic: Volume, reference: Volume, notes: list[str]) -> tuple[Volume, np.ndarray]:
    """Return the reference on the synthetic volume's grid, and where it has values (bool)."""
    if reference.same_grid(synthetic):
        return reference.replace(ijk_to_ras=synthetic.ijk_to_ras), np.ones(synthetic.shape, dtype=bool)
    moved = resample(reference, synthetic, order="linear")
    everywhere = reference.replace(voxels=np.ones(reference.shape, dtype=np.uint8))
    covered = resample(everywhere, synthetic, order="nearest").voxels != 0
    if not covered.any():
        raise MedSynthError(
            "The reference covers no voxel of the synthetic volume; "
            "check that they belong to the same patient and frame of reference."
        )
    notes.append("The reference was resampled linearly onto the grid of the synthetic volume.")
    if not covered.all():
        share = 100 * (1 - covered.mean())
        notes.append(f"{share:.1f} % of the synthetic volume lies beyond the reference and was left out.")
    return moved, covered


def _mask_on(synthetic: Volume, mask: Volume, name: str, notes: list[str]) -> np.ndarray:
    """Return where the mask is not zero on the synthetic volume's grid (bool)."""
    if not np.count_nonzero(mask.voxels):
        raise MedSynthError(f"The {name} is empty: all its voxels are zero; choose a {name} that marks something.")
    marked = mask.replace(voxels=(mask.voxels != 0).astype(np.uint8))
    if not mask.same_grid(synthetic):
        marked = resample(marked, synthetic, order="nearest")
        notes.append(f"The {name} was resampled (nearest voxel) onto the grid of the synthetic volume.")
    return marked.voxels != 0


def _cut(pair: Pair, covered: np.ndarray) -> Pair:
    """Cut everything to the box that the reference fills, and exclude what it leaves empty in the box."""
    if covered.all():
        return pair
    found = np.nonzero(covered)
    box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in found)
    size = np.array([part.stop - part.start for part in box])
    grid = Grid.of(pair.synthetic).part(np.array([part.start for part in box])[::-1], size[::-1])
    covered = covered[box]
    region, lesion = (None if a is None else a[box] & covered for a in (pair.region, pair.lesion))
    if region is None and not covered.all():
        region = covered
        pair.notes.append("The reference does not fill its box, so only the voxels that it fills were compared.")

    empty = pair.reference.voxels[box][covered].min()

    def part(volume: Volume) -> Volume:
        # Both are alike where there is no reference, so that windows beyond it see no difference.
        voxels = np.where(covered, volume.voxels[box], empty)
        return volume.replace(voxels=voxels, ijk_to_ras=grid.ijk_to_ras)

    return Pair(part(pair.synthetic), part(pair.reference), region, lesion, pair.notes)
