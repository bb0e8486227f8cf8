"""Presets: what a publication or challenge measures, and the range of values that its metrics refer to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.alignment import Pair
from medsynth_core.volume import Volume

# Grey levels of Dong et al. (2020) reach from 0 to this.
GREY = 255.0


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
    # MR has the scanner's values, or whatever a normalisation called its own: any unit but those of CT and PET.
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
    """Return the range that a preset gives for a reference.

    - ``default``: SUV clipped to 0…20; HU clipped to -1024…3000; any other unit not clipped, counted from the
      reference's minimum, the span is its maximum minus its minimum.
    - ``synthrad2023``: HU clipped to -1024…3000.
    - ``synthrad2025_eval``: HU clipped to -1024…3071.
    - ``pet_minmax``: nothing clipped or shifted; the span is the reference's maximum minus its minimum
      (Xue et al. 2023, CG-3DSRGAN).
    - ``dong2020``: nothing clipped, counted from the reference's minimum, the span is its maximum minus its
      minimum: 0…255 once `measured_by` has brought both volumes to grey levels.

    Raises:
        MedSynthError: no such preset, a preset for another unit, or a constant reference where the range
            comes from it.
    """
    if preset not in PRESETS:
        raise MedSynthError(f"There is no preset {preset!r} for evaluation; choose one of {', '.join(PRESETS)}.")
    return PRESETS[preset](reference)


def measured_by(preset: str, pair: Pair) -> Pair:
    """Return the voxels and the region that a preset measures; all but ``dong2020`` take both as they are.

    ``dong2020`` (CT→MRI) measures grey levels where the reference is not zero: equation 1 brings the minimum and the
    maximum of the whole reference to 0 and 255, and what is zero then is background. The synthetic volume goes the
    same way, unless a model has given it on that scale: its provenance says that it is synthetic, its unit is 1 or
    unknown, and its values lie in 0…255.

    Raises:
        MedSynthError: as `value_range`, or the mask marks nothing but background.
    """
    if preset != "dong2020":
        return pair
    values = value_range(preset, pair.reference)
    reference = values.apply(pair.reference.voxels) * (GREY / values.span)
    foreground = reference != 0
    region = foreground if pair.region is None else pair.region & foreground
    if not region.any():
        raise MedSynthError(
            "Nothing is left to compare by the preset dong2020: the reference has its lowest value, which counts as "
            "background, wherever there is something to compare; check the mask."
        )
    notes = [*pair.notes, "The values are grey levels: 0 and 255 are the reference's minimum and maximum."]
    if _is_grey(pair.synthetic):
        synthetic = pair.synthetic.voxels.astype(np.float64)
        notes.append("The synthetic volume was on that scale already.")
    else:
        synthetic = values.apply(pair.synthetic.voxels) * (GREY / values.span)
    return Pair(
        pair.synthetic.replace(voxels=synthetic, unit="1"),
        pair.reference.replace(voxels=reference, unit="1"),
        region,
        pair.lesion,
        notes,
    )


def _is_grey(synthetic: Volume) -> bool:
    """Tell whether a model gave grey levels, which have no unit and are clipped to their scale."""
    return (
        bool(synthetic.metadata.get("synthetic"))
        and synthetic.unit in ("", "1")
        and 0 <= synthetic.voxels.min() <= synthetic.voxels.max() <= GREY
    )
