"""What decides how a low-dose PET is simulated."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DoseSettings(BaseModel):
    """How a PET of less dose is simulated; the same object serves a call, the command and a training recipe.

    Attributes:
        method: ``projection`` counts coincidences and reconstructs them; ``image-space`` adds correlated noise to the
            image, which is faster and an approximation.
        reconstruction: ``osem`` (never negative) or ``fbp`` (linear: noise follows the square root of the dose).
        counts: expected true coincidences, after attenuation, of the full dose in a transaxial slice, as a mean of the
            slices with activity. The default is a whole-body scan with FDG of some 3 minutes a bed: 115 kcps of
            noise-equivalent counts (measured in 75 patients, Queiroz et al., PLoS ONE 10:e0128842, 2015) make 4.4e5 in
            each of the 47 planes of that scanner, or 7e5 trues at the background below, and beds overlap.
            A volume that is cropped to a part of each slice deserves that part of the counts.
        background: scattered and random coincidences as a share of all; spread evenly over the sinogram of a slice.
        iterations: passes of OSEM through all angles.
        subsets: of the angles, each of which updates the OSEM image once.
        filter_mm: full width at half maximum of the three-dimensional Gaussian after reconstruction, in mm; of the
            image-space method's correlation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["projection", "image-space"] = "projection"
    reconstruction: Literal["osem", "fbp"] = "osem"
    counts: float = Field(default=1e6, ge=1, le=1e9)
    background: float = Field(default=0.4, ge=0, lt=1)
    iterations: int = Field(default=2, gt=0)
    subsets: int = Field(default=16, gt=0, le=96)
    filter_mm: float = Field(default=5.0, ge=0)

    @model_validator(mode="after")
    def _correlated(self) -> DoseSettings:
        if self.method == "image-space" and self.filter_mm == 0:
            raise ValueError("the method image-space needs filter_mm above 0: noise of a PET is correlated")
        return self

    def used(self) -> dict[str, Any]:
        """Return the settings that decide an image of this method and reconstruction, for provenance."""
        unused = {"iterations", "subsets"} if self.reconstruction == "fbp" or self.method == "image-space" else set()
        if self.method == "image-space":
            unused.add("reconstruction")
        return self.model_dump(mode="json", exclude=unused)
