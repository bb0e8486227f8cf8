"""Settings of the low-dose PET simulation."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from medsynth_core.preparation.part import Part


class DoseSettings(Part):
    """Settings of a low-dose PET simulation, shared by Python calls, the command line and training recipes.

    Attributes:
        method: ``projection`` simulates coincidences and reconstructs them; ``image-space`` adds correlated noise to
            the image, which is faster but approximate.
        reconstruction: ``osem`` (never negative) or ``fbp`` (linear: noise is proportional to 1/√dose).
        counts: expected true coincidences per transaxial slice at full dose, after attenuation, averaged over the
            slices with activity. The default corresponds to a whole-body FDG scan of about 3 minutes per bed position:
            115 kcps of noise-equivalent counts (measured in 75 patients, Queiroz et al., PLoS ONE 10:e0128842, 2015)
            give 4.4e5 in each of the 47 planes of that scanner, or 7e5 trues at the background below, and bed positions
            overlap. For a volume cropped within the slices, reduce the counts in proportion.
        background: scattered and random coincidences as a fraction of all; spread evenly over the sinogram of a slice.
        iterations: number of OSEM passes through all angles.
        subsets: number of OSEM subsets; the image is updated once per subset.
        filter_mm: full width at half maximum in mm of the three-dimensional Gaussian post-filter, or of the noise
            correlation in the image-space method.
    """

    method: Literal["projection", "image-space"] = "projection"
    reconstruction: Literal["osem", "fbp"] = "osem"
    counts: float = Field(default=1e6, ge=1, le=1e9)
    background: float = Field(default=0.4, ge=0, lt=1)
    iterations: int = Field(default=2, gt=0, le=1000)
    subsets: int = Field(default=16, gt=0, le=96)
    filter_mm: float = Field(default=5.0, ge=0, le=1000)

    @model_validator(mode="after")
    def _correlated(self) -> DoseSettings:
        if self.method == "image-space" and self.filter_mm == 0:
            raise ValueError("the method image-space needs filter_mm above 0, because PET noise is correlated")
        return self

    def used(self) -> dict[str, Any]:
        """Return the settings that affect the image with this method and reconstruction, for provenance."""
        unused = {"iterations", "subsets"} if self.reconstruction == "fbp" or self.method == "image-space" else set()
        if self.method == "image-space":
            unused.add("reconstruction")
        return self.model_dump(mode="json", exclude=unused)
