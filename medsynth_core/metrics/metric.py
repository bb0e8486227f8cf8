"""Classes of metrics and of the image comparisons they are computed from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

Direction = Literal["lower", "higher", "zero", "one"]
Measured = Literal["region", "frame", "lesion"]

DIRECTIONS: dict[Direction, str] = {
    "lower": "lower is better",
    "higher": "higher is better",
    "zero": "nearest to 0 is best",
    "one": "nearest to 1 is best",
}


def counted(voxels: np.ndarray, low: float, span: float, clip: bool) -> np.ndarray:
    """Return float64 voxels minus ``low``, clipped to 0…``span`` if ``clip``."""
    values = voxels.astype(np.float64) - low
    return np.clip(values, 0, span) if clip else values


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two images on one grid, and the parameters that metrics need to compare them.

    Attributes:
        reference: the real image (k, j, i).
        synthetic: the synthetic image, of the same shape and unit.
        mask: the compared region (not zero), of the same shape; None for the full frame.
        low: lower end of the data range of PSNR and structural similarities, in the unit of the voxels.
        span: data range of PSNR and structural similarities, in the unit of the voxels.
        clip: whether these metrics clip voxels to ``low``…``low + span`` first.
        lesion: lesion mask (not zero), of the same shape; None if there is none.
        ijk_to_ras: 4×4 matrix from (i, j, k) to millimetres.
        axial: reference and synthetic with axial slices along the first axis; None if they already are.
    """

    reference: np.ndarray
    synthetic: np.ndarray
    mask: np.ndarray | None = None
    low: float = 0.0
    span: float = 1.0
    clip: bool = False
    lesion: np.ndarray | None = None
    ijk_to_ras: np.ndarray = field(default_factory=lambda: np.eye(4))
    axial: tuple[np.ndarray, np.ndarray] | None = None

    @cached_property
    def counted_reference(self) -> np.ndarray:
        """The reference minus ``low``, clipped to the data range if ``clip`` (float64)."""
        return counted(self.reference, self.low, self.span, self.clip)

    @cached_property
    def counted_synthetic(self) -> np.ndarray:
        """The synthetic image minus ``low``, clipped to the data range if ``clip`` (float64)."""
        return counted(self.synthetic, self.low, self.span, self.clip)

    @property
    def axial_slices(self) -> tuple[np.ndarray, np.ndarray]:
        """Reference and synthetic image with axial slices along the first axis."""
        return (self.reference, self.synthetic) if self.axial is None else self.axial


@dataclass(frozen=True)
class Metric:
    """A metric: its function and description.

    Attributes:
        name: key in tables, JSON and options; it has the same meaning everywhere.
        title: displayed name, without unit and region.
        unit: ``image`` (unit of the voxels), ``image²``, ``dB``, ``%``, ``1`` (a ratio or index), or another name.
        direction: which values are better: a key of `DIRECTIONS`.
        region: where it is measured: in the compared ``region`` (the mask, or the full frame without one), always
            over the full ``frame``, or in the ``lesion``.
        function: returns the value for a comparison, NaN if it is not defined. None for values that are not computed
            from voxels but supplied by the caller.
        undefined: reason why a value is missing, as the end of a sentence.
        decimals: format specification of the displayed value.
        evaluated: whether `evaluate` reports it; False for metrics shown only in tables of experiments.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    function: Callable[[Comparison], float] | None
    region: Measured = "region"
    undefined: str = "it is not defined for these volumes"
    decimals: str = "#.3g"
    evaluated: bool = True

    def __call__(self, comparison: Comparison) -> float:
        """Return the value; NaN if it is not defined, or if it needs a lesion and none is given."""
        if self.function is None or (self.region == "lesion" and comparison.lesion is None):
            return math.nan
        return float(self.function(comparison))

    @property
    def in_image_unit(self) -> bool:
        """Whether the values are in the unit of the voxels, or in its square."""
        return self.unit.startswith("image")

    def unit_text(self, image_unit: str = "") -> str:
        """Return the unit for images in ``image_unit``; empty for dimensionless values and for unknown units."""
        image = "" if image_unit == "1" else image_unit
        return {"image": image, "image²": f"{image}²" if image else "", "1": ""}.get(self.unit, self.unit)

    def region_text(self, compared: str = "full frame") -> str:
        """Return the region as text; ``compared`` is the name of the compared region."""
        return {"region": compared, "frame": "full frame", "lesion": "lesion"}[self.region]

    @property
    def direction_text(self) -> str:
        """The direction as text: which values are better."""
        return DIRECTIONS[self.direction]

    def number(self, value: float, *, sign: bool = True) -> str:
        """Return a value with the metric's decimals; without ``sign`` the plus of signed errors is left out."""
        decimals = self.decimals if sign else self.decimals.replace("+", "")
        # The format "#.3g" leaves a trailing point if there are no decimals.
        return format(value, decimals).removesuffix(".").replace("-", "−")

    def text(self, value: float, image_unit: str = "") -> str:
        """Return a formatted value with its unit: ``31.42 dB``, ``−12.0 %``."""
        number = self.number(value)
        unit = self.unit_text(image_unit)
        return f"{number} {unit}" if unit else number

    def signed(self, value: float) -> float:
        """Return a number that is lower the better ``value`` is; infinite for NaN."""
        if math.isnan(value):
            return math.inf
        return {"lower": value, "higher": -value, "zero": abs(value), "one": abs(value - 1)}[self.direction]
