"""From scans to synthetic images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .averaging import Averaging, averaging_factors
from .checks import check
from .engine import open_network
from .preparing import Prepared, Scan, prepare
from .refusal import RefusalError
from .settings import Settings, read_settings
from .slabs import run_slabs
from .slices import Network, run_slices


def synthesize(folder: str | Path, scans: Mapping[str, Scan]) -> dict[str, np.ndarray]:
    """Return the synthetic images (k, j, i; float32) by role, in their unit, on the grid of the first scan.

    Args:
        folder: folder of the exported model.
        scans: the inputs by role, in the units that ``preparation.json`` states.

    Raises:
        RefusalError: a scan is missing or does not fit the model, or the folder is damaged.
    """
    return run(folder, read_settings(folder), scans)


def run(folder: str | Path, settings: Settings, scans: Mapping[str, Scan]) -> dict[str, np.ndarray]:
    """Return what `synthesize` does, for settings that have been read."""
    _check_inputs(scans, settings)
    network = open_network(folder, settings)
    first = scans[settings.first.role]
    averaging = _averaging(first, settings)
    if averaging:
        scans = {**scans, settings.first.role: Scan(averaging.apply(first.voxels), averaging.grid)}
    prepared = prepare(scans, settings)
    mapped = _mapped(network, prepared, settings)
    results = {image.role: prepared.restore(part, image) for part, image in zip(mapped, settings.outputs, strict=True)}
    if averaging:
        results = {role: averaging.restore(voxels) for role, voxels in results.items()}
    _check_finite(*results.values())
    return results


def _check_inputs(scans: Mapping[str, Scan], settings: Settings) -> None:
    for image in settings.inputs:
        if image.role in scans:
            check(scans[image.role], image, settings)
        elif not image.optional:
            raise RefusalError(f"The model also needs '{image.role}' ({image.modality}, {image.unit}).")


def _averaging(first: Scan, settings: Settings) -> Averaging | None:
    factors = averaging_factors(first.grid, settings.facts["voxel_limits"])
    return Averaging(factors, first.grid) if factors and max(factors) > 1 else None


def _mapped(network: Network, prepared: Prepared, settings: Settings) -> np.ndarray:
    """Return what the network makes of prepared inputs: (outputs, k, j, i), network values."""
    if settings.facts["slab"]:
        mapped = run_slabs(network, prepared.voxels, settings)
    else:
        mapped = run_slices(network, prepared.voxels, prepared.boxes, settings)
    # Before the inverse mapping, which would clip infinite values to plausible ones.
    _check_finite(mapped)
    return mapped


def _check_finite(*images: np.ndarray) -> None:
    if not all(np.isfinite(image).all() for image in images):
        raise RefusalError("The result is not a finite number everywhere, so there is no image; check the input.")
