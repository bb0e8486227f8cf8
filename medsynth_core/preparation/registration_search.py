"""The search for the transform between two images, with SimpleITK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.agreement import BINS, air_of, body_of
from medsynth_core.preparation.grid import Grid, move
from medsynth_core.progress import Progress
from medsynth_core.volume import Volume

# From coarse to fine: voxels are taken 4, 2 and 1 at a time.
SHRINK_FACTORS = (4, 2, 1)
SMOOTHING_MM = (2.0, 1.0, 0.0)
ITERATIONS = 200
# Of the optimiser, in mm: the first step at each level, and the one at which it has arrived.
FIRST_STEPS, LAST_STEP = 2.0, 0.005
# Enough for a joint histogram of 50 × 50 values.
SAMPLES = 50_000
SEED = 17
# Air around the body in which its outline is seen; the table and the walls of the scanner lie beyond.
RIM_MM = 15.0
KNOTS_MM = 40.0
BENDING_ITERATIONS = 30
SETTINGS: dict[str, Any] = {
    "metric": "Mattes mutual information",
    "bins": BINS,
    "samples": SAMPLES,
    "seed": SEED,
    "shrink_factors": SHRINK_FACTORS,
    "smoothing_mm": SMOOTHING_MM,
    "iterations": ITERATIONS,
    "steps_mm": (FIRST_STEPS, LAST_STEP),
    "rim_mm": RIM_MM,
    "knots_mm": KNOTS_MM,
    "bending_iterations": BENDING_ITERATIONS,
}


@dataclass(frozen=True)
class Images:
    """What the search looks at.

    Attributes:
        fixed: float32.
        moving: float32.
        region: uint8 on the grid of ``fixed``: where to look, the body and a rim of air.
    """

    fixed: sitk.Image
    moving: sitk.Image
    region: sitk.Image

    @classmethod
    def of(cls, fixed: Volume, moving: Volume) -> Images:
        """Return two volumes as the search wants them.

        Raises:
            MedSynthError: a volume is too thin, or its axes are not perpendicular.
        """
        for name, volume in (("fixed", fixed), ("moving", moving)):
            if min(volume.shape) < SHRINK_FACTORS[0]:
                raise MedSynthError(
                    f"The {name} image has {min(volume.shape)} voxels along an axis, too few to be registered; choose "
                    f"one with {SHRINK_FACTORS[0]} at least."
                )
        region = fixed.replace(voxels=_body_with_rim(fixed))
        images = (v.replace(voxels=v.voxels.astype(np.float32, copy=False)).to_sitk() for v in (fixed, moving))
        return cls(*images, region.to_sitk())

    def centred(self) -> sitk.Euler3DTransform:
        """Return the motion that lays the centres of the images on each other."""
        geometry = sitk.CenteredTransformInitializerFilter.GEOMETRY
        found = sitk.CenteredTransformInitializer(self.fixed, self.moving, sitk.Euler3DTransform(), geometry)
        return sitk.Euler3DTransform(found)

    def still(self) -> sitk.Euler3DTransform:
        """Return no motion."""
        still = sitk.Euler3DTransform()
        # Turns are about the middle of the fixed image, or a small one would carry it far away.
        still.SetCenter(self.centred().GetCenter())
        return still

    def better_start(self) -> sitk.Euler3DTransform:
        """Return no motion, or that of the centres if the coarse images have more information in common with it."""
        coarse = Images(
            sitk.Shrink(sitk.SmoothingRecursiveGaussian(self.fixed, SMOOTHING_MM[0]), [SHRINK_FACTORS[0]] * 3),
            sitk.SmoothingRecursiveGaussian(self.moving, SMOOTHING_MM[0]),
            self.region,
        )
        # The first one where both are alike.
        return min((self.still(), self.centred()), key=coarse.unlikeness)

    def unlikeness(self, transform: sitk.Transform) -> float:
        """Return the negative Mattes mutual information; infinity where the images do not meet."""
        method = self.method((1,), 1)
        method.SetInitialTransform(transform)
        try:
            return float(method.MetricEvaluate(self.fixed, self.moving))
        except RuntimeError:
            return np.inf

    def method(self, factors: Sequence[int], samples: float = SAMPLES) -> sitk.ImageRegistrationMethod:
        """Return a registration whose metric is set, with a level for each shrink factor."""
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricFixedMask(self.region)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetShrinkFactorsPerLevel(factors)
        method.SetSmoothingSigmasPerLevel([SMOOTHING_MM[SHRINK_FACTORS.index(factor)] for factor in factors])
        method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
        # Points are drawn from the whole image, and only those in the region count.
        voxels = self.fixed.GetNumberOfPixels()
        method.SetMetricSamplingStrategy(method.RANDOM)
        share = SAMPLES / max(int(sitk.GetArrayViewFromImage(self.region).sum()), 1)
        method.SetMetricSamplingPercentagePerLevel([min(share * factor**3, 1.0) for factor in factors], SEED)
        return method


