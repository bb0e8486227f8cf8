"""Evaluation presets: the data ranges and regions used by publications and challenges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.alignment import Pair
from medsynth_core.metrics.dong2020 import GREY, grey_levels
from medsynth_core.metrics.metric import counted
from medsynth_core.volume import Volume


@dataclass(frozen=True)
class ValueRange:
    """The data range of PSNR and the structural similarities, in the unit of the volume.

    Attributes:
        low: lower end of the data range; subtracted before structural similarities.
        span: data range, above zero.
        clip: whether values are first clipped to ``low``…``low + span``.
    """

    low: float
    span: float
    clip: bool

    def apply(self, voxels: np.ndarray) -> np.ndarray:
        """Return float64 voxels minus ``low``, clipped if the preset requires it."""
        return counted(voxels, self.low, self.span, self.clip)


def _fixed(low: float, high: float) -> ValueRange:
    return ValueRange(low, high - low, clip=True)


def _own_span(reference: Volume) -> float:
    span = float(np.ptp(reference.voxels.astype(np.float64)))
    if not span:
        raise MedSynthError(
            f"The reference has the value {reference.voxels.flat[0]:g} everywhere, so it has no data range; choose the "
            "right reference volume."
        )
    return span


def _default(reference: Volume) -> ValueRange:
    if reference.unit.startswith("SUV"):
        return _fixed(0.0, 20.0)
    if reference.unit == "HU":
        return _fixed(-1024.0, 3000.0)
    return _own_range(reference)


def _own_range(reference: Volume) -> ValueRange:
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


def _scanner_range(reference: Volume) -> ValueRange:
    # MR has arbitrary scanner values, or those of a normalisation: any unit except those of CT and PET.
    if reference.unit in ("HU", "Bq/mL") or reference.unit.startswith("SUV"):
        raise MedSynthError(
            f"The preset dong2020 is for MR, but the volumes are in {reference.unit}; use the preset default."
        )
    return _own_range(reference)


PRESETS: dict[str, Callable[[Volume], ValueRange]] = {
    "default": _default,
    "synthrad2023": _hounsfield("synthrad2023", 3000.0),
    "synthrad2025_eval": _hounsfield("synthrad2025_eval", 3071.0),
    "pet_minmax": _pet_minmax,
    "dong2020": _scanner_range,
}


def value_range(preset: str, reference: Volume) -> ValueRange:
    """Return the data range that a preset defines for a reference.

    - ``default``: SUV clipped to 0…20; HU clipped to -1024…3000; any other unit not clipped, from the reference's
      minimum to its maximum.
    - ``synthrad2023``: HU clipped to -1024…3000.
    - ``synthrad2025_eval``: HU clipped to -1024…3071.
    - ``pet_minmax``: nothing clipped or shifted; the span is the reference's maximum minus its minimum
      (Xue et al. 2023, CG-3DSRGAN).
    - ``dong2020``: nothing clipped, from the reference's minimum to its maximum: 0…255 after `measured_by` has
      converted both volumes to grey levels.

    Raises:
        MedSynthError: there is no such preset, it is for another unit, or its data range depends on the reference,
            which is constant.
    """
    if preset not in PRESETS:
        raise MedSynthError(f"There is no preset {preset!r} for evaluation; choose one of {', '.join(PRESETS)}.")
    return PRESETS[preset](reference)


def measured_by(preset: str, pair: Pair) -> Pair:
    """Return the voxels and the region that a preset measures; only ``dong2020`` changes them.

    ``dong2020`` (CT→MRI) measures grey levels where the reference is not zero: equation 1 maps the minimum and the
    maximum of the whole reference to 0 and 255, and voxels that are then zero are background. The synthetic volume is
    converted in the same way, unless a model produced it on that scale: its provenance marks it as synthetic, its unit
    is 1 or unknown, and its values are in 0…255.

    Raises:
        MedSynthError: as `value_range`, or the mask contains only background.
    """
    if preset != "dong2020":
        return pair
    values = value_range(preset, pair.reference)
    reference = grey_levels(pair.reference.voxels, values.low, values.span)
    foreground = reference != 0
    region = foreground if pair.region is None else pair.region & foreground
    if not region.any():
        raise MedSynthError(
            "Nothing is left to compare with the preset dong2020: in the compared region the reference has only its "
            "lowest value, which counts as background; check the mask."
        )
    notes = [*pair.notes, "The values are grey levels: 0 and 255 are the reference's minimum and maximum."]
    if _is_grey(pair.synthetic):
        synthetic = pair.synthetic.voxels.astype(np.float64)
        notes.append("The synthetic volume was already on that scale.")
    else:
        synthetic = grey_levels(pair.synthetic.voxels, values.low, values.span)
    return replace(
        pair,
        synthetic=pair.synthetic.replace(voxels=synthetic, unit="1"),
        reference=pair.reference.replace(voxels=reference, unit="1"),
        region=region,
        notes=notes,
    )


def _is_grey(synthetic: Volume) -> bool:
    """Return whether a model produced grey levels, which have no unit and are clipped to 0…255."""
    return (
        bool(synthetic.metadata.get("synthetic"))
        and synthetic.unit in ("", "1")
        and 0 <= synthetic.voxels.min() <= synthetic.voxels.max() <= GREY
    )
