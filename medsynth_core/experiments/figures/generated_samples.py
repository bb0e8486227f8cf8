"""Images that several generators draw, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medsynth_core.figures.captions import WARNING
from medsynth_core.figures.drawing import WIDTH, new_figure, write_png
from medsynth_core.volume import Volume


def stacked(layers: Sequence[np.ndarray], count: int) -> Volume:
    """Return the first images of each layer, one below the other, as a picture for `write_samples`.

    Args:
        layers: (n, rows, columns) each or, in colour, (n, rows, columns, 3); values from 0 to 1.
        count: images of each layer.

    Returns:
        (1, all rows, columns) or, in colour, (all rows, columns, 3).
    """
    joined = np.concatenate([layer[:count] for layer in layers])
    whole = joined.reshape(-1, *joined.shape[2:])
    return Volume(whole if whole.ndim == 3 else whole[None], np.eye(4), unit="1")


def write_samples(pictures: Mapping[str, Volume], path: Path) -> None:
    """Draw the pictures of methods, one column each.

    Args:
        pictures: by method, as `stacked` returns them: (parts, rows, columns), which are below each other, or in colour
            (rows, columns, 3), values from 0 to 1.
        path: PNG to write.

    Raises:
        MedSynthError: the file cannot be written, or matplotlib is not installed.
    """
    shown = {name: _shown(volume.voxels.astype(float)) for name, volume in pictures.items()}
    tallest = max(image.shape[0] / image.shape[1] for image in shown.values())
    figure = new_figure(WIDTH / len(shown) * tallest + 0.6)
    figure.suptitle(WARNING, color="#b00020", weight="bold")
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for axis, (name, image) in zip(axes, shown.items(), strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set_title(name, fontsize=6)
        axis.set_axis_off()
        axis.set_anchor("N")
    write_png(figure, path)


def _shown(voxels: np.ndarray) -> np.ndarray:
    """Return an image in colour as it is, and the parts of a grey one below each other."""
    return voxels.clip(0, 1) if voxels.shape[-1] == 3 else voxels.reshape(-1, voxels.shape[-1])
