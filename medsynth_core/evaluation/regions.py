"""Regions of comparison: the full frame, the body, or the voxels where the reference is not 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.alignment import Pair, mask_on
from medsynth_core.figures.display import oriented
from medsynth_core.grid import Grid, resample_array
from medsynth_core.modality import modality_name
from medsynth_core.preparation.body import activity_mask, body_mask, tissue_mask
from medsynth_core.preparation.value_checks import not_hounsfield
from medsynth_core.volume import Volume

RegionName = Literal["frame", "body", "reference"]
REGIONS: tuple[str, ...] = get_args(RegionName)


@dataclass(frozen=True, eq=False)
class Region:
    """The compared region of a pair.

    Attributes:
        pair: the pair, with ``pair.region`` limited to this region.
        body_from: image in which the body was found ("source CT"); None for other regions.
    """

    pair: Pair
    body_from: str | None = None


def body_in(volume: Volume) -> Volume:
    """Return the body mask of a volume (uint8, on its grid).

    CT in HU: `body_mask`, above −400 HU. PET in SUVbw: `activity_mask`, smoothed uptake above 0.1. All others, which
    have no quantitative scale: `tissue_mask`.
    """
    grid = Grid.of(volume)
    body = _body_finder(volume, grid)(oriented(volume.voxels, grid))
    restored = resample_array(body.astype(np.uint8), grid.oriented(), grid, order="nearest")
    return volume.replace(voxels=restored, unit="")


def _body_finder(volume: Volume, grid: Grid) -> Callable[[np.ndarray], np.ndarray]:
    if volume.unit == "HU" or volume.modality == "CT":
        return body_mask
    if volume.unit == "SUVbw":
        return lambda voxels: activity_mask(voxels, grid.oriented().spacing, 0)
    return lambda voxels: tissue_mask(voxels, volume.modality or "MR")


def narrowed(pair: Pair, name: str, source: Volume | None = None) -> Region:
    """Return a pair limited to the named region, in addition to its mask if it has one.

    Args:
        pair: pair on the synthetic volume's grid.
        name: ``frame`` (no further limit), ``body`` or ``reference`` (where the reference is not 0). The body is found
            in the source or, without one, in the reference; for MR, voxels where it is 0 are excluded, because they
            are outside its field of view.
        source: the input of the synthesis, on any grid.

    Raises:
        MedSynthError: there is no such region, or it contains no voxel to compare.
    """
    if name not in REGIONS:
        raise MedSynthError(f"There is no region {name!r} for evaluation; choose one of {', '.join(REGIONS)}.")
    if name == "frame":
        return Region(pair)
    seen = pair.reference.voxels != 0
    if name == "reference":
        return Region(_cut(pair, seen, "where the reference is not 0"))
    found_in = _with_modality(pair.reference, pair) if source is None else _as_given(source)
    of = f"{'reference' if source is None else 'source'} {modality_name(found_in.modality, 'image')}"
    body = body_in(found_in)
    if not body.voxels.any():
        raise MedSynthError(f"No body was found in the {of}; compare within a mask or over the full frame.")
    notes = [*pair.notes, f"The body was found in the {of}."]
    inside = mask_on(pair.synthetic, body, "body", notes)
    if "MR" in (pair.reference.modality, pair.synthetic.modality):
        inside &= seen
        notes.append("Body voxels where the reference MR is 0 were left out: they are outside its field of view.")
    return Region(_cut(replace(pair, notes=notes), inside, "in the body"), of)


def _with_modality(reference: Volume, pair: Pair) -> Volume:
    """Return the reference, with the synthetic volume's modality if it states none."""
    return reference if reference.modality else reference.replace(modality=pair.synthetic.modality)


def _as_given(source: Volume) -> Volume:
    """Return the source, as a CT if it states neither modality nor unit and its values look like HU."""
    if source.modality or source.unit or not_hounsfield(source.voxels):
        return source
    return source.replace(modality="CT", unit="HU")


def _cut(pair: Pair, inside: np.ndarray, where: str) -> Pair:
    region = inside if pair.region is None else pair.region & inside
    if not region.any():
        raise MedSynthError(
            f"Nothing is left to compare {where}; check the mask, or that the volumes belong to the same patient."
        )
    return replace(pair, region=region)
