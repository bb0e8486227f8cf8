"""Intensity mappings from voxel values in a physical unit to network values, and back.

The mapping is part of a model's contract, so training and inference share it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator

from medsynth_core.preparation.part import Part

# Smaller ones make numbers that single precision cannot hold of usual voxel values.
Divisor = Annotated[float, Field(ge=1e-6, le=1e9)]


class Curve(Part):
    """A piecewise linear, increasing curve, constant beyond its ends; a HU window is a curve of two points.

    ``points`` are pairs of (value in the unit, network value), both increasing.
    """

    kind: Literal["curve"] = "curve"
    points: tuple[tuple[float, float], ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _rising(self) -> Curve:
        # As single precision holds them, which the voxels and the network have.
        if (np.diff(np.array(self.points, dtype=np.float32), axis=0) <= 0).any():
            raise ValueError("the points of a curve must increase in both values")
        return self

    @property
    def span(self) -> float:
        """The range of values that is kept, in the unit."""
        return self.points[-1][0] - self.points[0][0]

    @property
    def mapped(self) -> tuple[float, float]:
        """The lowest and the highest network value."""
        return self.points[0][1], self.points[-1][1]

    def forward(self, voxels: np.ndarray) -> np.ndarray:
        """Map voxels in the unit to network values (float32)."""
        values, mapped = np.array(self.points).T
        return np.interp(voxels, values, mapped).astype(np.float32)

    def inverse(self, mapped: np.ndarray, source: np.ndarray | None = None) -> np.ndarray:
        """Map network values back to the unit (float32); clipped values stay clipped."""
        values, targets = np.array(self.points).T
        return np.interp(mapped, targets, values).astype(np.float32)


class Scale(Part):
    """Division by a constant after clipping, so that SUVbw is comparable between patients.

    ``divisor`` is in the unit; ``lower`` and ``upper`` are the limits of the clipping range, in the unit.
    """

    kind: Literal["scale"] = "scale"
    divisor: Divisor
    lower: float = 0.0
    upper: float

    @model_validator(mode="after")
    def _range(self) -> Scale:
        if self.upper <= self.lower:
            raise ValueError("upper must be larger than lower, otherwise every voxel gets the same value")
        return self

    @property
    def span(self) -> float:
        """The range of values that is kept, in the unit."""
        return self.upper - self.lower

    @property
    def mapped(self) -> tuple[float, float]:
        """The lowest and the highest network value."""
        return self.lower / self.divisor, self.upper / self.divisor

    def forward(self, voxels: np.ndarray) -> np.ndarray:
        """Map voxels in the unit to network values (float32)."""
        clipped = np.clip(np.asarray(voxels, dtype=np.float32), self.lower, self.upper)
        return clipped / np.float32(self.divisor)

    def inverse(self, mapped: np.ndarray, source: np.ndarray | None = None) -> np.ndarray:
        """Map network values back to the unit (float32), clipped to ``lower``…``upper``."""
        scaled = np.asarray(mapped, dtype=np.float32) * np.float32(self.divisor)
        return np.clip(scaled, self.lower, self.upper)


class Linear(Part):
    """Division by a constant without an upper limit, so that high uptake is not clipped.

    ``divisor`` and ``lower`` are in the unit; values below ``lower`` are raised to it.
    """

    kind: Literal["linear"] = "linear"
    divisor: Divisor
    lower: float = 0.0

    @property
    def span(self) -> None:
        """None, because there is no upper limit."""
        return None

    @property
    def mapped(self) -> tuple[float, float]:
        """The lowest network value, and the network value of ``divisor``, which few voxels exceed."""
        return self.lower / self.divisor, 1.0

    def forward(self, voxels: np.ndarray) -> np.ndarray:
        """Map voxels in the unit to network values (float32)."""
        raised = np.maximum(np.asarray(voxels, dtype=np.float32), np.float32(self.lower))
        raised /= np.float32(self.divisor)
        return raised

    def inverse(self, mapped: np.ndarray, source: np.ndarray | None = None) -> np.ndarray:
        """Map network values back to the unit (float32), none below ``lower``."""
        scaled = np.asarray(mapped, dtype=np.float32) * np.float32(self.divisor)
        return np.maximum(scaled, np.float32(self.lower), out=scaled)


class Percentiles(Part):
    """Maps the range between two percentiles of each volume to 0…``top``; 0 and 100 are minimum and maximum.

    With percentiles (0, 100) and ``top`` 255 this is equation 1 of Dong et al. 2020 (CT→MRI), applied to whole
    volumes so that slices stay comparable. The inverse needs the volume that defined the range.
    """

    kind: Literal["percentiles"] = "percentiles"
    lower: float = Field(default=0.0, ge=0, lt=100)
    upper: float = Field(default=100.0, gt=0, le=100)
    top: float = Field(default=255.0, ge=1e-6, le=1e9)

    @model_validator(mode="after")
    def _range(self) -> Percentiles:
        if self.upper <= self.lower:
            raise ValueError("upper must be larger than lower, otherwise every voxel gets the same value")
        return self

    @property
    def span(self) -> None:
        """None, because the range depends on the volume."""
        return None

    @property
    def mapped(self) -> tuple[float, float]:
        """The lowest and the highest network value."""
        return 0.0, self.top

    def bounds(self, voxels: np.ndarray) -> tuple[float, float]:
        """Return the values that are mapped to 0 and ``top``; a constant volume gets a range of 1."""
        low, high = (float(value) for value in np.percentile(voxels, (self.lower, self.upper)))
        return low, high if high > low else low + 1.0

    def forward(self, voxels: np.ndarray) -> np.ndarray:
        """Map voxels to 0…``top`` (float32)."""
        low, high = self.bounds(voxels)
        share = (np.asarray(voxels, dtype=np.float32) - low) / (high - low)
        return np.clip(share, 0, 1) * np.float32(self.top)

    def inverse(self, mapped: np.ndarray, source: np.ndarray | None = None) -> np.ndarray:
        """Map 0…``top`` back to the range of ``source`` (float32); without ``source``, clip to 0…``top``."""
        if source is None:
            return np.clip(np.asarray(mapped, dtype=np.float32), 0, self.top)
        low, high = self.bounds(source)
        return (np.asarray(mapped) * ((high - low) / self.top) + low).astype(np.float32)


def _kind(content: Any) -> Any:
    return content.get("kind") if isinstance(content, dict) else getattr(content, "kind", None)


Intensity = Annotated[
    Annotated[Curve, Tag("curve")]
    | Annotated[Scale, Tag("scale")]
    | Annotated[Linear, Tag("linear")]
    | Annotated[Percentiles, Tag("percentiles")],
    Discriminator(_kind),
]
