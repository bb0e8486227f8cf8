"""Presets: which range of values the metrics that need one refer to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.volume import Volume


@dataclass(frozen=True)
class ValueRange:
    """The range that PSNR and the structural similarities refer to, in the unit of the volume.

    Attributes:
        low: value that counts as zero; subtracted before structural similarities.
        span: the data range, above zero.
        clip: whether values are first clipped to ``low``…``low + span``.
    """

    low: float
    span: float
    clip: bool

    def apply(self, voxels: np.ndarray) -> np.ndarray:
        """Return float64 voxels counted from ``low``, clipped where the preset says so."""
        counted = voxels.astype(np.float64) - self.low
        return np.clip(counted, 0, self.span) if self.clip else counted


def _fixed(low: float, high: float) -> ValueRange:
    return ValueRange(low, high - low, clip=True)


def _own_span(reference: Volume) -> float:
    span = float(np.ptp(reference.voxels.astype(np.float64)))
    if not span:
        raise MedSynthError(
            f"The reference has the value {reference.voxels.flat[0]:g} everywhere, so it gives no data range "
            "to measure against; choose the right reference volume."
        )
    return span


def _default(reference: Volume) -> ValueRange:
    if reference.unit.startswith("SUV"):
        return _fixed(0.0, 20.0)
    if reference.unit == "HU":
        return _fixed(-1024.0, 3000.0)
    return ValueRange(float(reference.voxels.min()), _own_span(reference), clip=False)


def _hounsfield(name: str, high: float) -> Callable[[Volume], ValueRange]:
    def rule(reference: Volume) -> ValueRange:
        if reference.unit not in ("HU", ""):
            raise MedSynthError(
                f"The preset {name} is for CT in HU, but the volumes are in {reference.unit}; use the preset default."
            )
        return _fixed(-1024.0, high)

    return rule


def _pet_minmax(reference: Volume) -> ValueRange:
    return ValueRange(0.0, _own_span(reference), clip=False)


PRESETS: dict[str, Callable[[Volume], ValueRange]] = {
    "default": _default,
    "synthrad2023": _hounsfield("synthrad2023", 3000.0),
    "synthrad2025_eval": _hounsfield("synthrad2025_eval", 3071.0),
    "pet_minmax": _pet_minmax,
}


def value_range(preset: str, reference: Volume) -> ValueRange:
    """Return the range that a preset gives for a reference.

    - ``default``: SUV clipped to 0…20; HU clipped to -1024…3000; any other unit not clipped, counted from the
      reference's minimum, the span is its maximum minus its minimum.
    - ``synthrad2023``: HU clipped to -1024…3000.
    - ``synthrad2025_eval``: HU clipped to -1024…3071.
    - ``pet_minmax``: nothing clipped or shifted; the span is the reference's maximum minus its minimum
      (Xue et al. 2023, CG-3DSRGAN).

    Raises:
        MedSynthError: no such preset, a preset for another unit, or a constant reference where the range
            comes from it.
    """
    if preset not in PRESETS:
        raise MedSynthError(f"There is no preset {preset!r} for evaluation; choose one of {', '.join(PRESETS)}.")
    return PRESETS[preset](reference)
