"""Images that several generators draw, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medsynth_core.figures.captions import WARNING
from medsynth_core.figures.drawing import WIDTH, new_figure, write_png
from medsynth_core.volume import Volume


def write_samples(pictures: Mapping[str, Volume], path: Path) -> None:
    """Draw the pictures of methods, one column each and their modalities below each other.

    Args:
        pictures: (modalities, rows, columns) by method, values from 0 to 1.
        path: PNG to write.

    Raises:
        MedSynthError: the file cannot be written, or matplotlib is not installed.
    """
    stacked = {name: volume.voxels.reshape(-1, volume.shape[-1]).astype(float) for name, volume in pictures.items()}
    tallest = max(image.shape[0] / image.shape[1] for image in stacked.values())
    figure = new_figure(WIDTH / len(stacked) * tallest + 0.6)
    figure.suptitle(WARNING, color="#b00020", weight="bold")
    axes = figure.subplots(1, len(stacked), squeeze=False)[0]
    for axis, (name, image) in zip(axes, stacked.items(), strict=True):
        axis.imshow(image, cmap="gray", vmin=0, vmax=1)
        axis.set_title(name, fontsize=6)
        axis.set_axis_off()
        axis.set_anchor("N")
    write_png(figure, path)
