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
from medsynth_core.generation.case_files import pictures_of
from medsynth_core.generation.generator import Generator
from medsynth_core.grid import Grid
from medsynth_core.volume import Volume

# Cases on one sheet.
MOST = 8


def write_overview(cases: Mapping[str, GeneratedCase], generator: Generator, path: Path) -> None:
    """Draw structure map, lesion and images of cases, one case a row, in the slice with the largest lesion.

    Args:
        cases: cases by name.
        generator: the model.
        path: PNG to write.

    Raises:
        MedSynthError: the file cannot be written, or matplotlib is not installed.
    """
    first = next(iter(cases.values()))
    sides = generator.contract.outputs
    names = [*(["structure"] if first.masks else []), *sides]
    figure = new_figure(WIDTH / len(names) * len(cases) + 0.8)
    figure.set_layout_engine("constrained")
    axes = figure.subplots(len(cases), len(names), squeeze=False)
    figure.suptitle(WARNING, color="#b00020", weight="bold")
    for row, (name, case) in zip(axes, cases.items(), strict=True):
        _draw_row(row, case, generator, names)
        row[0].set_ylabel(f"{name} ({case.class_name})" if case.class_name else name)
    for axis, name in zip(axes[0], names, strict=True):
        is_grey = name in sides and not sides[name].colours
        axis.set_title(f"{name} ({sides[name].unit})" if is_grey else name)
    write_png(figure, path)


def _draw_row(axes: Sequence[Any], case: GeneratedCase, generator: Generator, names: Sequence[str]) -> None:
    label = _label(case)
    k = _shown(label)
    width, height = Grid.of(case.first).oriented().spacing[:2]
    for axis, name in zip(axes, names, strict=True):
        if name in case.volumes:
            _draw(axis, case.volumes[name], k, is_mask=name in case.masks)
        else:
            axis.imshow(pictures_of(case, generator, name)[k])
        axis.set_aspect(height / width)
        if label[k].any():
            axis.contour(label[k] != 0, [0.5], colors="#ff9f1c", linewidths=0.8)
        axis.set_xticks([])
        axis.set_yticks([])


def _draw(axis: Any, volume: Volume, k: int, *, is_mask: bool) -> None:
    # One window for the whole stack, so that slices of one image can be compared.
    window = window_for(volume, [volume.voxels])
    limits = (0, 1) if is_mask else (window.low, window.high)
    axis.imshow(_axial(volume)[k], cmap=window.colours, vmin=limits[0], vmax=limits[1])


def _label(case: GeneratedCase) -> np.ndarray:
    """Return the lesion label of a case, axial; empty if it has none."""
    lesion = case.masks.get("lesion")
    return np.zeros(_axial(case.first).shape, np.uint8) if lesion is None else _axial(lesion)


def _axial(volume: Volume) -> np.ndarray:
    return oriented(volume.voxels, Grid.of(volume))


def _shown(label: np.ndarray) -> int:
    """Return the slice with the largest lesion; the middle one if there is none."""
    areas = np.count_nonzero(label, axis=(1, 2))
    return int(areas.argmax()) if areas.any() else len(areas) // 2
