"""A contact sheet of generated cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medsynth_core.generation.case import GeneratedCase
from medsynth_core.io.atomic import atomic_write
from medsynth_core.volume import Volume

# Cases on one sheet.
MOST = 8
TITLE = "synthetic - not for diagnosis"
# Values that are black and white, by unit; other images are shown from their lowest to their highest value.
_WINDOWS = {"HU": (-160.0, 240.0), "SUVbw": (0.0, 8.0)}


def write_overview(cases: Mapping[str, GeneratedCase], path: Path) -> None:
    """Draw structure map, lesion and images of cases, one case a row, in the slice with the largest lesion.

    Args:
        cases: cases by name.
        path: PNG to write.

    Raises:
        MedSynthError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    names = ["structure", *next(iter(cases.values())).images]
    figure = Figure(figsize=(2.2 * len(names) + 0.6, 2.2 * len(cases) + 0.6), layout="constrained")
    axes = figure.subplots(len(cases), len(names), squeeze=False)
    figure.suptitle(TITLE, color="#b00020", weight="bold")
    for row, (name, case) in zip(axes, cases.items(), strict=True):
        _row(row, case, names)
        row[0].set_ylabel(name)
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(_title(name, next(iter(cases.values()))))
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=80, format="png")


def _title(name: str, case: GeneratedCase) -> str:
    return f"{name} ({case.images[name].unit})" if name in case.images else name


def _row(axes: Sequence, case: GeneratedCase, names: Sequence[str]) -> None:
    k = _shown(case.masks["lesion"])
    lesion = case.masks["lesion"].voxels[k] != 0
    for axis, name in zip(axes, names, strict=True):
        volume = case.volumes[name]
        low, high = _window(volume) if name in case.images else (0, 1)
        shown = volume.voxels[k]
        # PET is shown as in clinics, dark where uptake is high.
        axis.imshow(shown, cmap="gray_r" if volume.modality == "PT" else "gray", vmin=low, vmax=high)
        if lesion.any():
            axis.contour(lesion, [0.5], colors="#ff9f1c", linewidths=0.8)
        axis.set_xticks([])
        axis.set_yticks([])


def _shown(lesion: Volume) -> int:
    """Return the slice with the largest lesion; the middle one if there is none."""
    areas = np.count_nonzero(lesion.voxels, axis=(1, 2))
    return int(areas.argmax()) if areas.any() else len(areas) // 2


def _window(volume: Volume) -> tuple[float, float]:
    if volume.unit in _WINDOWS:
        return _WINDOWS[volume.unit]
    low, high = np.percentile(volume.voxels, [0, 99.5])
    return float(low), float(max(high, low + 1e-6))
