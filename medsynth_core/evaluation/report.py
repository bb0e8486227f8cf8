"""Evaluation of a synthetic volume: metrics, their settings, and a figure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medsynth_core.evaluation.alignment import Pair, align
from medsynth_core.evaluation.presets import ValueRange, measured_by, value_range
from medsynth_core.evaluation.regions import narrowed
from medsynth_core.figures.captions import lesion_line, metric_line, region_text, unit_name
from medsynth_core.figures.display import oriented
from medsynth_core.figures.side_by_side import Compared, check_figure, write_figure
from medsynth_core.grid import Grid
from medsynth_core.metrics.metric import Comparison
from medsynth_core.metrics.registry import METRICS, compute
from medsynth_core.volume import Volume


@dataclass(frozen=True, eq=False)
class Report:
    """The result of `evaluate`.

    Attributes:
        metrics: values by metric name; a metric that is not defined for this case is missing, and a note states the
            reason. ``psnr`` is infinite for identical volumes.
        settings: preset, data range, unit, compared region (``body_from``: the image in which the body was found),
            ``left_out_share`` (0…1, of the synthetic volume, where the reference has no value) and notes,
            JSON-serialisable.
        limits: limits stated by the model that made the synthetic volume.
        pair: the compared volumes on their common grid.
    """

    metrics: dict[str, float]
    settings: dict[str, Any]
    limits: list[str]
    pair: Pair = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return metrics, their descriptions, settings and limits for a JSON file; infinite values become None."""
        finite = {name: value if math.isfinite(value) else None for name, value in self.metrics.items()}
        return {
            "metrics": finite,
            "described": self.described(),
            "settings": self.settings,
            "limits": self.limits,
        }

    def described(self) -> dict[str, dict[str, str]]:
        """Return ``title``, ``unit``, ``region`` and ``direction`` of each metric, as text."""
        compared = region_text(self.settings["region"])
        return {
            name: {
                "title": METRICS[name].title,
                "unit": METRICS[name].unit_text(self.settings["unit"]),
                "region": METRICS[name].region_text(compared),
                "direction": METRICS[name].direction_text,
            }
            for name in self.metrics
        }

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows of the displayed table: each metric with value, unit, region and direction."""
        rows = [
            [
                name,
                described["title"],
                f"{self.metrics[name]:.5g}",
                described["unit"],
                described["region"],
                described["direction"],
            ]
            for name, described in self.described().items()
        ]
        return ["name", "metric", "value", "unit", "region", "better"], rows

    def remarks(self) -> list[str]:
        """Return the sentences below the table: the data range of PSNR and SSIM, and the notes."""
        unit = unit_name(self.settings["unit"])
        clip = self.settings["clip"]
        values = f"{clip[0]:g} to {clip[1]:g}" if clip else f"a range of {self.settings['data_range']:.5g}"
        clipped = "clipped to " if clip else "with "
        values_text = f"PSNR and the structural similarities: values {clipped}{values} {unit}".rstrip()
        return [f"{values_text}. Compared voxels: {self.settings['compared_voxels']}.", *self.settings["notes"]]

    def figure(self, path: str | Path, source: Volume | None = None) -> Path:
        """Write a PNG: source if given, reference, synthetic, difference; axial and coronal.

        Args:
            path: file to write, atomically; ends with ``.png``.
            source: the input of the synthesis (e.g. a CT), on any grid.

        Raises:
            MedSynthError: the name has another suffix, the file cannot be written, or the source does not overlap the
                reference.
        """
        check_figure(Path(path))
        lines = [line for line in (metric_line(self.metrics, self.settings), lesion_line(self.metrics)) if line]
        parts = Compared(
            self.pair.reference, self.pair.synthetic, self.pair.lesion, lines, self.settings["notes"], self.limits
        )
        return write_figure(parts, Path(path), source)


def evaluate(
    synthetic: Volume,
    reference: Volume,
    mask: Volume | None = None,
    lesion: Volume | None = None,
    preset: str = "default",
    region: str = "frame",
    source: Volume | None = None,
) -> Report:
    """Compare a synthetic volume with its reference by all evaluation metrics of the registry.

    - Metrics of the compared region (``mae``, ``psnr``, ``ssim`` …) are computed over the full frame, including
      background, or over the ``region``; with a mask, only over its voxels. Metrics of the frame (``ssim_2d_wang11``,
      ``checkerboard`` …) are always computed over the full frame (`metrics.registry`).
    - ``checkerboard`` uses axial slices, whatever the voxel order (`checkerboard.checkerboard`); it is most
      informative on the network's grid.
    - ``psnr`` and the structural similarities clip voxels and use a data range as defined by the preset
      (`presets.value_range`); the other metrics use the original voxels.
    - The preset ``dong2020`` measures grey levels, and only where the reference is not zero
      (`presets.measured_by`).
    - With a lesion, ``suvmax_error``, ``suvmean_error``, ``suvpeak_error`` and ``tlg_error`` are added, signed,
      in percent (`lesion.lesion_errors`); not for HU.

    Args:
        synthetic: the synthetic volume; its grid is used for the comparison.
        reference: the real volume; resampled linearly if it is on another grid. Voxels that it does not cover, or
            where it is NaN, are not compared.
        mask: mask of the voxels to compare (not zero); resampled by nearest neighbour if on another grid.
        lesion: lesion mask (not zero); resampled like ``mask``.
        preset: ``default``, ``synthrad2023``, ``synthrad2025_eval``, ``pet_minmax`` or ``dong2020``.
        region: ``frame``, ``body`` (found by `regions.body_in` in the source or, without one, in the reference; for
            MR, only where it is not 0) or ``reference`` (where the reference is not 0). A mask limits it further.
        source: the input of the synthesis, on any grid; used only for the region ``body``.

    Raises:
        MedSynthError: units differ, volumes do not overlap, voxels are not finite (NaN in the reference apart), mask
            or lesion is empty, the preset or region is unknown or the preset is for another unit, or no voxel is left
            to compare.
    """
    found = narrowed(align(synthetic, reference, mask, lesion), region, source)
    pair = measured_by(preset, found.pair)
    values = value_range(preset, pair.reference)
    notes = list(pair.notes)
    metrics = _defined(compute(_reported(pair, notes), _comparison(pair, values)), notes)
    limits = [str(limit) for limit in synthetic.metadata.get("limits", [])]
    compared = _compared(found.pair, preset, region, mask is not None)
    settings = _settings(pair, preset, values, compared, notes)
    if found.body_from is not None:
        settings["body_from"] = found.body_from
    return Report(metrics, settings, limits, pair)


def _reported(pair: Pair, notes: list[str]) -> list[str]:
    """Return the names of the metrics to report."""
    in_lesion = pair.lesion is not None
    if in_lesion and pair.reference.unit == "HU":
        notes.append("Errors of lesion uptake are left out: HU values are not uptake.")
        in_lesion = False
    return [name for name, metric in METRICS.items() if metric.evaluated and (metric.region != "lesion" or in_lesion)]


def _comparison(pair: Pair, values: ValueRange) -> Comparison:
    grid = Grid.of(pair.reference)
    reference, synthetic = pair.reference.voxels, pair.synthetic.voxels
    return Comparison(
        reference,
        synthetic,
        mask=pair.region,
        low=values.low,
        span=values.span,
        clip=values.clip,
        lesion=pair.lesion,
        ijk_to_ras=pair.synthetic.ijk_to_ras,
        axial=(oriented(reference, grid), oriented(synthetic, grid)),
    )


def _defined(metrics: dict[str, float], notes: list[str]) -> dict[str, float]:
    """Return the metrics that are defined, and add a note for each of the others."""
    for name, value in metrics.items():
        if math.isnan(value):
            notes.append(f"{name} is left out: {METRICS[name].undefined}.")
        elif math.isinf(value):
            notes.append(f"{name} is infinite: the compared voxels are identical in both volumes.")
    return {name: value for name, value in metrics.items() if not math.isnan(value)}


def _compared(pair: Pair, preset: str, region: str, masked: bool) -> str:
    """Return the name of the compared region, a key of `captions.REGIONS`."""
    if region != "frame":
        return f"{region} and mask" if masked else region
    if masked:
        return "mask"
    anywhere = "full frame" if pair.region is None else "overlap"
    return "foreground" if preset == "dong2020" else anywhere


def _settings(pair: Pair, preset: str, values: ValueRange, compared: str, notes: list[str]) -> dict[str, Any]:
    return {
        "preset": preset,
        "unit": pair.reference.unit,
        "data_range": values.span,
        "clip": [values.low, values.low + values.span] if values.clip else None,
        "region": compared,
        "left_out_share": round(pair.left_out, 6),
        "compared_voxels": pair.synthetic.voxels.size if pair.region is None else int(pair.region.sum()),
        "lesion_voxels": 0 if pair.lesion is None else int(pair.lesion.sum()),
        "notes": notes,
    }
