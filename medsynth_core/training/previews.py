"""Pictures of what the network makes of a validation case, epoch by epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medsynth_core.io.atomic import atomic_write
from medsynth_core.preparation.contract import Contract
from medsynth_core.training.arrays import Pair

FOLDER = "previews"
GAP = 4


def write_preview(folder: Path, epoch: int, pair: Pair, synthetic: np.ndarray, contract: Contract) -> str:
    """Write input, synthetic and real slice side by side as a grey PNG and return its name relative to ``folder``.

    The slice is the one with most of the body; synthetic and real image share their window: zero to the real slice's
    99.5th percentile.

    Args:
        folder: of the run.
        epoch: just done.
        pair: the case.
        synthetic: (k, j, i) in the unit of the contract's output.
        contract: maps the pair's network values.
    """
    from PIL import Image

    k = int(np.argmax(pair.body.sum(axis=(1, 2))))
    real = contract.output.intensity.inverse(pair.target[k])
    source = pair.voxels[k]
    top = max(float(np.percentile(real, 99.5)), 1e-6)
    images = [
        _grey(source, float(source.min()), float(source.max())),
        _grey(synthetic[k], 0.0, top),
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
