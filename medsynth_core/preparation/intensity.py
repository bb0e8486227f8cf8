"""From voxel values in a unit to the numbers a network sees, and back.

Each mapping is data in a model's contract, so that training and inference share it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Mapping(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Curve(_Mapping):
    """A rising curve through points, flat beyond its ends: a HU window is a curve of two points.

    ``points`` are pairs of (value in the unit, value for the network), both rising.
    """

    kind: Literal["curve"] = "curve"
    points: tuple[tuple[float, float], ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _rising(self) -> Curve:
        if (np.diff(np.array(self.points), axis=0) <= 0).any():
            raise ValueError("the points of a curve must rise in both values")
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
        """Map network values back to the unit (float32); what was clipped stays clipped."""
        values, targets = np.array(self.points).T
        return np.interp(mapped, targets, values).astype(np.float32)


class Scale(_Mapping):
    """Division by a constant after clipping: SUVbw keeps its meaning in every patient.

    ``divisor`` is in the unit; ``lower`` and ``upper`` are the range that is kept, in the unit.
    """

    kind: Literal["scale"] = "scale"
    divisor: float = Field(gt=0)
    lower: float = 0.0
    upper: float

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
        """Map network values back to the unit (float32), inside the range that is kept."""
        scaled = np.asarray(mapped, dtype=np.float32) * np.float32(self.divisor)
        return np.clip(scaled, self.lower, self.upper)


class Linear(_Mapping):
    """Division by a constant without an upper limit: no uptake is too hot for it.

    ``divisor`` and ``lower`` are in the unit; what lies below ``lower`` is raised to it.
    """

    kind: Literal["linear"] = "linear"
    divisor: float = Field(gt=0)
    lower: float = 0.0

    @property
    def span(self) -> None:
        """There is no highest value."""
        return None

    @property
    def mapped(self) -> tuple[float, float]:
        """The lowest network value, and that of ``divisor``, which most voxels do not exceed."""
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


class Percentiles(_Mapping):
    """Each volume's own range, between two percentiles, onto 0…``top``; 0 and 100 are minimum and maximum.

    With percentiles (0, 100) and ``top`` 255 this is equation 1 of Dong et al. 2020 (CT→MRI), for whole
    volumes so that slices stay comparable. The inverse needs the volume that set the range.
    """

    kind: Literal["percentiles"] = "percentiles"
    lower: float = Field(default=0.0, ge=0, lt=100)
    upper: float = Field(default=100.0, gt=0, le=100)
    top: float = Field(default=255.0, gt=0)

    @property
    def span(self) -> None:
        """Every volume has its own range."""
        return None

    @property
    def mapped(self) -> tuple[float, float]:
        """The lowest and the highest network value."""
        return 0.0, self.top

    def bounds(self, voxels: np.ndarray) -> tuple[float, float]:
        """Return the values that go to 0 and ``top``; a constant volume gets a range of one."""
        low, high = (float(value) for value in np.percentile(voxels, (self.lower, self.upper)))
        return low, high if high > low else low + 1.0

    def forward(self, voxels: np.ndarray) -> np.ndarray:
        """Map voxels to 0…``top`` (float32)."""
        low, high = self.bounds(voxels)
        share = (np.asarray(voxels, dtype=np.float32) - low) / (high - low)
        return np.clip(share, 0, 1) * np.float32(self.top)

    def inverse(self, mapped: np.ndarray, source: np.ndarray | None = None) -> np.ndarray:
        """Map 0…``top`` back to the range of ``source``, or to 0…``top`` itself without one (float32)."""
        if source is None:
            return np.clip(np.asarray(mapped, dtype=np.float32), 0, self.top)
        low, high = self.bounds(source)
        return (np.asarray(mapped) * ((high - low) / self.top) + low).astype(np.float32)


Intensity = Annotated[Curve | Scale | Linear | Percentiles, Field(discriminator="kind")]
