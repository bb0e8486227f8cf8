"""A contact sheet of generated cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.figures.captions import WARNING
from medsynth_core.figures.display import oriented, window_for
from medsynth_core.figures.drawing import WIDTH, new_figure, write_png
from medsynth_core.generation.case import GeneratedCase
from medsynth_core.grid import Grid
from medsynth_core.volume import Volume

# Cases on one sheet.
MOST = 8


def write_overview(cases: Mapping[str, GeneratedCase], path: Path) -> None:
    """Draw structure map, lesion and images of cases, one case a row, in the slice with the largest lesion.

    Args:
        cases: cases by name.
        path: PNG to write.

    Raises:
        MedSynthError: the file cannot be written, or matplotlib is not installed.
    """
    first = next(iter(cases.values()))
    names = ["structure", *first.images]
    figure = new_figure(WIDTH / len(names) * len(cases) + 0.8)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(len(cases), len(names), squeeze=False)
    figure.suptitle(WARNING, color="#b00020", weight="bold")
    for row, (name, case) in zip(axes, cases.items(), strict=True):
        _draw_row(row, case, names)
        row[0].set_ylabel(name)
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(f"{name} ({first.images[name].unit})" if name in first.images else name)
    write_png(figure, path)


def _draw_row(axes: Sequence[Any], case: GeneratedCase, names: Sequence[str]) -> None:
    label = _axial(case.masks["lesion"])
    k = _shown(label)
    width, height = Grid.of(case.masks["lesion"]).oriented().spacing[:2]
    for axis, name in zip(axes, names, strict=True):
        volume, shown = case.volumes[name], _axial(case.volumes[name])[k]
        # One window for the whole stack, so that slices of one image can be compared.
        window = window_for(volume, [volume.voxels])
        limits = (window.low, window.high) if name in case.images else (0, 1)
        axis.imshow(shown, cmap=window.colours, vmin=limits[0], vmax=limits[1], aspect=height / width)
        if label[k].any():
            axis.contour(label[k] != 0, [0.5], colors="#ff9f1c", linewidths=0.8)
        axis.set_xticks([])
        axis.set_yticks([])


def _axial(volume: Volume) -> np.ndarray:
    return oriented(volume.voxels, Grid.of(volume))


def _shown(label: np.ndarray) -> int:
    """Return the slice with the largest lesion; the middle one if there is none."""
    areas = np.count_nonzero(label, axis=(1, 2))
    return int(areas.argmax()) if areas.any() else len(areas) // 2
