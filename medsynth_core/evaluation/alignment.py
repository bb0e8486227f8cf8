"""Alignment of reference, mask and lesion to the grid of the synthetic volume."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.scales import scale_doubts
from medsynth_core.grid import Grid, resample
from medsynth_core.modality import LOWEST_HU, modality_name
from medsynth_core.preparation.unit_limits import ct_padding, scan_doubts, unit_doubts
from medsynth_core.preparation.value_checks import not_hounsfield
from medsynth_core.volume import Volume

# Largest share of missing values in a resampled voxel; interpolation weights below it are rounding.
GAP_SHARE = 1e-4


@dataclass(frozen=True, eq=False)
class Pair:
    """A synthetic volume and its reference on one grid.

    Attributes:
        synthetic: the synthetic volume.
        reference: the real volume.
        region: bool (k, j, i), the voxels to compare, or None for the full frame.
        lesion: bool (k, j, i), or None.
        notes: sentences about the alignment, and doubts about the values.
        left_out: share of the synthetic volume's voxels (0…1) for which the reference has no value.
    """

    synthetic: Volume
    reference: Volume
    region: np.ndarray | None
    lesion: np.ndarray | None
    notes: list[str] = field(default_factory=list)
    left_out: float = 0.0


def align(synthetic: Volume, reference: Volume, mask: Volume | None, lesion: Volume | None) -> Pair:
    """Resample reference, mask and lesion onto the synthetic volume's grid.

    The reference is resampled linearly (smoothed first along axes that the synthetic volume samples more coarsely),
    masks by nearest neighbour. The comparison is limited to the reference's extent: the grid is cropped to its
    bounding box, and voxels in the box that it does not cover (oblique grids, or NaN outside its field of view) are
    excluded. Padding of a CT, below the values that CTs measure, is no value either, in both volumes.

    Raises:
        MedSynthError: a volume has no voxels, the synthetic one has values that are not finite or the reference
            infinite ones, modalities or units differ, volumes do not overlap, or mask or lesion is empty or not finite.
    """
    _refuse_bad_voxels("synthetic volume", synthetic, np.isfinite(synthetic.voxels))
    missing = np.isnan(reference.voxels)
    _refuse_bad_voxels("reference", reference, np.isfinite(reference.voxels) | missing)
    notes: list[str] = []
    synthetic, reference = (_numbers(volume) for volume in (synthetic, reference))
    synthetic, reference = _with_one_unit(synthetic, reference, notes)
    gaps = _Gaps(missing, _padding(reference))
    reference = _without_gaps(reference, gaps.known)
    moved, covered = _reference_on(synthetic, reference, gaps, notes)
    covered &= _made(synthetic, notes)
    if not covered.any():
        raise MedSynthError("No voxel has a value in both volumes; check the padding and the NaN in them.")
    notes += scale_doubts(synthetic, moved, covered)
    notes += unit_doubts(synthetic.voxels[covered], synthetic.modality, synthetic.unit, "synthetic volume")
    notes += scan_doubts(reference.voxels[gaps.known], reference.modality, reference.unit, "reference")
    region = None if mask is None else mask_on(synthetic, mask, "mask", notes)
    spot = None if lesion is None else mask_on(synthetic, lesion, "lesion", notes)
    pair = _cut(Pair(synthetic, moved, region, spot, notes, float(1 - covered.mean())), covered)
    for name, array in (("mask", pair.region), ("lesion", pair.lesion)):
        if array is not None and not array.any():
            raise MedSynthError(f"The {name} has no voxel where the volumes overlap; check the {name}.")
    return pair


def _refuse_bad_voxels(name: str, volume: Volume, good: np.ndarray) -> None:
    if not volume.voxels.size:
        raise MedSynthError(f"The {name} has no voxels; choose another volume.")
    bad = volume.voxels.size - int(np.count_nonzero(good))
    if bad:
        raise MedSynthError(
            f"The {name} has values that are not finite (NaN or infinite) in {bad} of its "
            f"{volume.voxels.size} voxels; replace them before the evaluation."
        )


@dataclass(frozen=True, eq=False)
class _Gaps:
    """Voxels without a value in a volume.

    Attributes:
        missing: bool (k, j, i), where it is NaN.
        padding: bool (k, j, i), where it is padding of a CT.
    """

    missing: np.ndarray
    padding: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Where the volume has values, bool (k, j, i)."""
        return ~(self.missing | self.padding)

    @property
    def kinds(self) -> str:
        """What the gaps are, in words."""
        kinds = {"NaN": self.missing.any(), f"padding below {LOWEST_HU} HU": self.padding.any()}
        return " or ".join(name for name, there in kinds.items() if there)


def _padding(volume: Volume) -> np.ndarray:
    """Return where a volume in HU, or without unit and with values that look like HU, is padding (bool)."""
    nowhere = np.zeros(volume.shape, dtype=bool)
    if volume.unit not in ("", "HU") or volume.modality not in ("", "CT"):
        return nowhere
    padding = ct_padding(volume.voxels)
    if padding is None:
        return nowhere
    stated = volume.unit == "HU" or not not_hounsfield(volume.voxels[~padding & ~np.isnan(volume.voxels)])
    return padding if stated else nowhere


def _made(synthetic: Volume, notes: list[str]) -> np.ndarray:
    """Return where the synthetic volume is not padding (bool), and note the share that is."""
    padding = _padding(synthetic)
    if padding.any():
        notes.append(
            f"{_percent(float(padding.mean()))} % of the synthetic volume is padding below {LOWEST_HU} HU and was left "
            "out."
        )
    return ~padding


def _without_gaps(reference: Volume, known: np.ndarray) -> Volume:
    """Return a reference whose unknown voxels have its lowest value, so that it can be resampled."""
    if known.all():
        return reference
    if not known.any():
        raise MedSynthError(
            "The reference has no value in any voxel (all are NaN or padding); choose another reference."
        )
    return reference.replace(voxels=np.where(known, reference.voxels, reference.voxels[known].min()))


def _numbers(volume: Volume) -> Volume:
    """Return a volume of truth values as one of 0 and 1."""
    return volume.replace(voxels=volume.voxels.astype(np.float32)) if volume.voxels.dtype == bool else volume


def _with_one_unit(synthetic: Volume, reference: Volume, notes: list[str]) -> tuple[Volume, Volume]:
    """Give a volume without a unit that of the other; refuse volumes with different modalities or units."""
    if synthetic.modality and reference.modality and synthetic.modality != reference.modality:
        raise MedSynthError(
            f"The synthetic volume is {modality_name(synthetic.modality)} but the reference is "
            f"{modality_name(reference.modality)}; choose a reference of the same modality."
        )
    if synthetic.unit and reference.unit and synthetic.unit != reference.unit:
        raise MedSynthError(
            f"The synthetic volume is in {synthetic.unit} but the reference is in {reference.unit}; "
            "convert one of them so that both have the same unit."
        )
    unit = synthetic.unit or reference.unit
    for name, volume in (("synthetic volume", synthetic), ("reference", reference)):
        if unit and not volume.unit:
            notes.append(f"The {name} states no unit; {unit} was assumed.")
    return synthetic.replace(unit=unit), reference.replace(unit=unit)


def _reference_on(synthetic: Volume, reference: Volume, gaps: _Gaps, notes: list[str]) -> tuple[Volume, np.ndarray]:
    """Return the reference on the synthetic volume's grid, and where it has values (bool).

    Args:
        synthetic: the synthetic volume.
        reference: the reference, without NaN and padding.
        gaps: where the reference had no values.
        notes: receives what was done.
    """
    known = gaps.known
    if reference.same_grid(synthetic):
        moved, inside, covered = reference.replace(ijk_to_ras=synthetic.ijk_to_ras), np.ones_like(known), known
    else:
        moved = resample(reference, synthetic, order="linear")
        inside = _moved_mask(reference, np.ones_like(known), synthetic)
        covered = inside if known.all() else inside & _known_on(reference, known, synthetic)
        notes.append("The reference was resampled linearly onto the grid of the synthetic volume.")
    if not covered.any():
        raise MedSynthError(
            "The reference does not overlap the synthetic volume; "
            "check that they belong to the same patient and frame of reference."
        )
    for share, where in (
        (1 - inside.mean(), "is outside the reference"),
        (np.mean(inside & ~covered), f"has no value in the reference ({gaps.kinds})"),
    ):
        if share:
            notes.append(f"{_percent(share)} % of the synthetic volume {where} and was left out.")
    return moved, covered


def _percent(share: float) -> str:
    # A few voxels of many must not be called 0.0 %.
    return f"{100 * share:.1f}" if share >= 0.0005 else f"{100 * share:.2g}"


def _moved_mask(reference: Volume, mask: np.ndarray, synthetic: Volume) -> np.ndarray:
    return resample(reference.replace(voxels=mask.astype(np.uint8)), synthetic, order="nearest").voxels != 0


def _known_on(reference: Volume, known: np.ndarray, synthetic: Volume) -> np.ndarray:
    """Return where every voxel that contributes to the resampled reference has a value (bool)."""
    gaps = reference.replace(voxels=(~known).astype(np.float32))
    return resample(gaps, synthetic, order="linear").voxels < GAP_SHARE


def mask_on(synthetic: Volume, mask: Volume, name: str, notes: list[str]) -> np.ndarray:
    """Return where the mask is not zero on the synthetic volume's grid (bool)."""
    if not np.count_nonzero(mask.voxels):
        raise MedSynthError(f"The {name} is empty: all its voxels are zero; choose another {name}.")
    unknown = mask.voxels.size - int(np.count_nonzero(np.isfinite(mask.voxels)))
    if unknown:
        raise MedSynthError(
            f"The {name} has values that are not finite (NaN or infinite) in {unknown} of its {mask.voxels.size} "
            "voxels; set them to 0 or 1."
        )
    marked = mask.replace(voxels=(mask.voxels != 0).astype(np.uint8))
    if not mask.same_grid(synthetic):
        marked = resample(marked, synthetic, order="nearest")
        notes.append(f"The {name} was resampled (nearest neighbour) onto the grid of the synthetic volume.")
        if not marked.voxels.any():
            raise MedSynthError(
                f"The {name} has no voxel on the grid of the synthetic volume, because it lies outside or is smaller "
                f"than the voxels there; check the {name}."
            )
    return marked.voxels != 0


def _cut(pair: Pair, covered: np.ndarray) -> Pair:
    """Crop everything to the bounding box of the reference, and exclude voxels in it that it does not cover."""
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
        pair.notes.append("The reference does not fill its bounding box, so only the voxels it covers were compared.")

    empty = pair.reference.voxels[box][covered].min()

    def part(volume: Volume) -> Volume:
        # Both volumes get the same value outside the reference, so that windows there show no difference.
        voxels = np.where(covered, volume.voxels[box], empty)
        return volume.replace(voxels=voxels, ijk_to_ras=grid.ijk_to_ras)

    return replace(pair, synthetic=part(pair.synthetic), reference=part(pair.reference), region=region, lesion=lesion)
