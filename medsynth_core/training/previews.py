"""Preview pictures of a validation case, one per validated epoch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from medsynth_core.io.atomic import atomic_write
from medsynth_core.preparation.contract import Contract
from medsynth_core.preparation.training_case import TrainingCase

FOLDER = "previews"
GAP = 4


def write_preview(
    folder: Path, epoch: int, case: TrainingCase, made: Mapping[str, np.ndarray], contract: Contract
) -> str:
    """Write input, synthetic and real slice side by side as a grey PNG; return its path relative to ``folder``.

    The slice is the one with the largest body area. Synthetic and real image share a window from zero to the 99.5th
    percentile of the real slice.

    Args:
        folder: run folder.
        epoch: epoch just completed.
        case: validation case.
        made: synthetic images (k, j, i) by role, in the units of the contract's outputs; the first is shown.
        contract: maps network values back to the unit of the image.
    """
    from PIL import Image

    k = int(np.argmax(case.body.sum(axis=(1, 2))))
    real = contract.output.intensity.inverse(case.target[k])
    source = case.voxels[k]
    top = max(float(np.percentile(real, 99.5)), 1e-6)
    images = [
        _grey(source, float(source.min()), float(source.max())),
        _grey(next(iter(made.values()))[k], 0.0, top),
        _grey(real, 0.0, top),
    ]
    gap = np.zeros((len(real), GAP), dtype=np.uint8)
    name = f"{FOLDER}/epoch_{epoch:04d}.png"
    (folder / FOLDER).mkdir(exist_ok=True)
    with atomic_write(folder / name) as temporary:
        Image.fromarray(np.hstack([images[0], gap, images[1], gap, images[2]])).save(temporary)
    return name


def _grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
