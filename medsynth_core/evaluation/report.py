"""The judgement of one synthetic volume: numbers, how they came about, and a figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medsynth_core.evaluation import pixel
from medsynth_core.evaluation.alignment import Pair, align
from medsynth_core.evaluation.checkerboard import checkerboard
from medsynth_core.evaluation.display import oriented
from medsynth_core.evaluation.edge import edge_mae
from medsynth_core.evaluation.lesion import lesion_errors
from medsynth_core.evaluation.ms_ssim import ms_ssim
from medsynth_core.evaluation.presets import ValueRange, measured_by, value_range
from medsynth_core.evaluation.ssim import ssim, ssim_2d_skimage7, ssim_2d_wang11
from medsynth_core.preparation.grid import Grid
from medsynth_core.volume import Volume

_UNDEFINED = {
    "nrmse_minmax": "the reference has one value throughout the compared voxels",
    "ssim": "no voxel of the mask is three or more voxels from the border",
    "ms_ssim": "no voxel of the mask is far enough from the border at the coarsest scale",
    "checkerboard": "an axial slice has fewer than 32 rows or columns, or the reference has one value throughout",
    "suvmax_error": "the reference's value in the lesion is zero",
    "suvmean_error": "the reference's value in the lesion is zero",
    "suvpeak_error": "the reference's value in the lesion is zero",
    "tlg_error": "the reference's value in the lesion is zero",
}


@dataclass(frozen=True, eq=False)
class Report:
    """What `evaluate` found.

    Attributes:
        metrics: value of each metric by name; a metric that is not defined for this case is missing, and a
            note says why. ``psnr`` is infinite for identical volumes.
        settings: preset, range, unit, compared region and notes, as JSON-able values.
        limits: what the model that made the synthetic volume says it cannot know.
        pair: the compared volumes on their common grid.
    """

    metrics: dict[str, float]
    settings: dict[str, Any]
    limits: list[str]
    pair: Pair = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return metrics, settings and limits for a JSON file; an infinite value becomes None."""
        finite = {name: value if math.isfinite(value) else None for name, value in self.metrics.items()}
        return {"metrics": finite, "settings": self.settings, "limits": self.limits}

    def figure(self, path: str | Path, source: Volume | None = None) -> Path:
        """Write a PNG: source if given, reference, synthetic, difference; axial and coronal.

        Args:
            path: file to write; it appears only when it is whole.
            source: the volume that the synthetic one was made from (CT, say), on any grid.

        Raises:
            MedSynthError: the file cannot be written, or the source lies elsewhere.
        """
        from medsynth_core.evaluation.figure import write_figure

        return write_figure(self, Path(path), source)


def evaluate(
    synthetic: Volume,
    reference: Volume,
    mask: Volume | None = None,
    lesion: Volume | None = None,
    preset: str = "default",
) -> Report:
    """Compare a synthetic volume with its reference.

    - With a mask, ``mae``, ``mse``, ``rmse``, ``nrmse_minmax``, ``psnr``, ``ssim``, ``ms_ssim`` and
      ``edge_mae`` are over the voxels where it is not zero; without, over the full frame: every voxel,
      background included.
    - ``ssim_2d_wang11`` and ``ssim_2d_skimage7``, means over the slices k, are always over the full frame.
    - ``checkerboard`` is over the full frame of the axial slices, whatever the order of the voxels
      (`checkerboard.checkerboard`); it tells most on the grid that the network worked on.
    - ``mae``, ``mse``, ``rmse``, ``nrmse_minmax``, ``edge_mae``, ``checkerboard`` and the lesion's errors take the
      voxels as they are; the others clip them and take the data range as the preset says (`presets.value_range`).
    - The preset ``dong2020`` measures grey levels, and where the reference is not zero instead of the full frame
      (`presets.measured_by`).
    - With a lesion there are ``suvmax_error``, ``suvmean_error``, ``suvpeak_error`` and ``tlg_error``, signed,
      in percent (`lesion.lesion_errors`); not for HU.

    Args:
        synthetic: what is judged; its grid is the one of the comparison.
        reference: the real volume; resampled linearly if it is on another grid. Where it does not reach,
            nothing is compared.
        mask: the voxels to compare (not zero); resampled to the nearest voxel if on another grid.
        lesion: the voxels of a lesion (not zero), likewise.
        preset: ``default``, ``synthrad2023``, ``synthrad2025_eval``, ``pet_minmax`` or ``dong2020``.

    Raises:
        MedSynthError: units that differ, no overlap, voxels that are not finite, an empty mask or lesion,
            an unknown preset or one for another unit.
    """
    pair = measured_by(preset, align(synthetic, reference, mask, lesion))
    values = value_range(preset, pair.reference)
    notes = list(pair.notes)
    metrics = _defined(_volume_metrics(pair, values) | _lesion_metrics(pair, notes), notes)
    limits = [str(limit) for limit in synthetic.metadata.get("limits", [])]
    return Report(metrics, _settings(pair, preset, values, mask is not None, notes), limits, pair)


def _volume_metrics(pair: Pair, values: ValueRange) -> dict[str, float]:
    reference, synthetic, region = pair.reference.voxels, pair.synthetic.voxels, pair.region
    plain: dict[str, Callable[..., float]] = {
        "mae": pixel.mae,
        "mse": pixel.mse,
        "rmse": pixel.rmse,
        "nrmse_minmax": pixel.nrmse_minmax,
        "edge_mae": edge_mae,
    }
    ranged: dict[str, Callable[..., float]] = {"psnr": pixel.psnr, "ssim": ssim, "ms_ssim": ms_ssim}
    a, b = values.apply(reference), values.apply(synthetic)
    return {
        **{name: metric(reference, synthetic, region) for name, metric in plain.items()},
        **{name: metric(a, b, values.span, region) for name, metric in ranged.items()},
        "ssim_2d_wang11": ssim_2d_wang11(a, b, values.span),
        "ssim_2d_skimage7": ssim_2d_skimage7(a, b, values.span),
        "checkerboard": checkerboard(*(oriented(voxels, Grid.of(pair.reference)) for voxels in (reference, synthetic))),
    }


def _lesion_metrics(pair: Pair, notes: list[str]) -> dict[str, float]:
    if pair.lesion is None:
        return {}
    if pair.reference.unit == "HU":
        notes.append("The errors of uptake in the lesion are left out: HU is no uptake.")
        return {}
    return lesion_errors(pair.reference.voxels, pair.synthetic.voxels, pair.lesion, pair.synthetic.ijk_to_ras)


def _defined(metrics: dict[str, float], notes: list[str]) -> dict[str, float]:
    """Leave out what is not a number, and say why."""
    for name, value in metrics.items():
        if math.isnan(value):
            notes.append(f"{name} is left out: {_UNDEFINED[name]}.")
        elif math.isinf(value):
            notes.append(f"{name} is infinite: the compared voxels are the same in both volumes.")
    return {name: value for name, value in metrics.items() if not math.isnan(value)}


def _settings(pair: Pair, preset: str, values: ValueRange, masked: bool, notes: list[str]) -> dict[str, Any]:
    anywhere = "full frame" if pair.region is None else "foreground" if preset == "dong2020" else "overlap"
    compared = pair.synthetic.voxels.size if pair.region is None else int(pair.region.sum())
    return {
        "preset": preset,
        "unit": pair.reference.unit,
        "data_range": values.span,
        "clip": [values.low, values.low + values.span] if values.clip else None,
        "region": "mask" if masked else anywhere,
        "compared_voxels": compared,
        "lesion_voxels": 0 if pair.lesion is None else int(pair.lesion.sum()),
        "notes": notes,
    }
