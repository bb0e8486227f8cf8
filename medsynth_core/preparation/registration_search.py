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
ITERATIONS = 150
# Steps: the first one, and the one at which the optimiser has arrived.
FIRST_STEP_MM, LAST_STEP_MM = 2.0, 0.005
# Search: how far along a gradient, in how many tries, and the share by which the metric changes where it has arrived.
REACH_MM, TRIES, SMALLEST_CHANGE = 3.0, 10, 1e-5
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
    "reach_mm": REACH_MM,
    "steps_mm": (FIRST_STEP_MM, LAST_STEP_MM),
    "smallest_change": SMALLEST_CHANGE,
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
        return cls(_float_image(fixed), _float_image(moving), region.to_sitk())

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
        method = self._compared()
        method.SetInitialTransform(transform)
        try:
            return float(method.MetricEvaluate(self.fixed, self.moving))
        except RuntimeError:
            return np.inf

    def method(self, levels: Sequence[int]) -> sitk.ImageRegistrationMethod:
        """Return a search that has yet to get its optimiser and its start.

        Args:
            levels: indices of `SHRINK_FACTORS`.
        """
        method = self._compared()
        factors = [SHRINK_FACTORS[level] for level in levels]
        method.SetShrinkFactorsPerLevel(factors)
        method.SetSmoothingSigmasPerLevel([SMOOTHING_MM[level] for level in levels])
        method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
        method.SetMetricSamplingStrategy(method.RANDOM)
        share = SAMPLES / max(int(sitk.GetArrayViewFromImage(self.region).sum()), 1)
        method.SetMetricSamplingPercentagePerLevel([min(share * factor**3, 1.0) for factor in factors], SEED)
        return method

    def _compared(self) -> sitk.ImageRegistrationMethod:
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricFixedMask(self.region)
        method.SetInterpolator(sitk.sitkLinear)
        return method


def follow(images: Images, start: sitk.Euler3DTransform, progress: Progress) -> sitk.Euler3DTransform:
    """Return the rigid motion with the most mutual information near ``start``.

    Steps along the gradient that become smaller find it fast and exactly, from coarse to fine, but may lead away from
    the other image altogether where a part of one shows nothing. A search along each gradient, as far as the metric
    improves, stays near, but arrives late. So the best of three is taken: steps from the start, the search, and steps
    from where it ended.

    Raises:
        MedSynthError: too little of one image comes to lie on the other.
        Cancelled: the progress callback asked to stop.
    """
    levels = range(len(SHRINK_FACTORS))
    direct = _step(images, levels, start, progress.part(0.0, 0.3))
    near = _search(images, levels, start, progress.part(0.3, 0.8))
    after = _step(images, levels[1:], near, progress.part(0.8, 1.0)) if near else None
    found = [motion for motion in (direct, near, after) if motion]
    if not found:
        raise not_registered()
    return min(found, key=images.unlikeness)


def _step(
    images: Images, levels: Sequence[int], start: sitk.Euler3DTransform, progress: Progress
) -> sitk.Euler3DTransform | None:
    method = images.method(levels)
    method.SetOptimizerAsRegularStepGradientDescent(
        FIRST_STEP_MM, LAST_STEP_MM, ITERATIONS, gradientMagnitudeTolerance=1e-8
    )
    return _motion(method, images, start, progress)


def _search(
    images: Images, levels: Sequence[int], start: sitk.Euler3DTransform, progress: Progress
) -> sitk.Euler3DTransform | None:
    method = images.method(levels)
    method.SetOptimizerAsGradientDescentLineSearch(
        learningRate=1.0,
        numberOfIterations=ITERATIONS,
        convergenceMinimumValue=SMALLEST_CHANGE,
        convergenceWindowSize=5,
        lineSearchUpperLimit=1.0,
        lineSearchEpsilon=0.05,
        lineSearchMaximumIterations=TRIES,
        estimateLearningRate=method.EachIteration,
        maximumStepSizeInPhysicalUnits=REACH_MM,
    )
    return _motion(method, images, start, progress)


def _motion(
    method: sitk.ImageRegistrationMethod, images: Images, start: sitk.Euler3DTransform, progress: Progress
) -> sitk.Euler3DTransform | None:
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=False)
    found = _execute(method, images, progress, ITERATIONS)
    return sitk.Euler3DTransform(found.GetNthTransform(0)) if found else None


def bend(images: Images, rigid: sitk.Transform, progress: Progress) -> sitk.Transform | None:
    """Return the B-spline, applied before ``rigid``, with the most mutual information.

    Returns:
        None when it folds the image over itself, or leads off the other one.

    Raises:
        Cancelled: the progress callback asked to stop.
    """
    size = np.array(images.fixed.GetSize()) * images.fixed.GetSpacing()
    mesh = [int(n) for n in np.maximum(np.rint(size / KNOTS_MM), 1)]
    method = images.method([len(SHRINK_FACTORS) - 2])
    method.SetOptimizerAsLBFGSB(numberOfIterations=BENDING_ITERATIONS)
    method.SetMovingInitialTransform(rigid)
    method.SetInitialTransform(sitk.BSplineTransformInitializer(images.fixed, mesh, 3), inPlace=False)
    found = _execute(method, images, progress, BENDING_ITERATIONS)
    if found is None:
        return None
    bending = sitk.BSplineTransform(found.GetNthTransform(0))
    return None if _folds(bending, images.fixed) else bending


def not_registered() -> MedSynthError:
    """Return the refusal of two images that cannot be laid on each other."""
    return MedSynthError(
        "The two images cannot be registered, because too little of one comes to lie on the other; check that they "
        "show the same part of the same patient."
    )


def _execute(
    method: sitk.ImageRegistrationMethod, images: Images, progress: Progress, iterations: int
) -> sitk.CompositeTransform | None:
    """Return what a search has found; None when it has led to where the images have nothing in common."""
    levels = len(method.GetMetricSamplingPercentagePerLevel())
    stopped: list[BaseException] = []

    def report() -> None:
        # ITK would make an exception of its own from any that passes through it.
        try:
            level = method.GetCurrentLevel()
            done = min(method.GetOptimizerIteration() / iterations, 1)
            progress((level + done) / levels, "Registering")
        except BaseException as error:
            stopped.append(error)
            method.StopRegistration()

    method.AddCommand(sitk.sitkIterationEvent, report)
    try:
        found = sitk.CompositeTransform(method.Execute(images.fixed, images.moving))
    except RuntimeError:
        found = None
    if stopped:
        raise stopped[0]
    return found


def _float_image(volume: Volume) -> sitk.Image:
    return volume.replace(voxels=volume.voxels.astype(np.float32, copy=False)).to_sitk()


def _body_with_rim(volume: Volume) -> np.ndarray:
    """Return where to look (uint8): everywhere if there is no body."""
    from scipy.ndimage import distance_transform_edt

    source = Grid.of(volume)
    axial = source.oriented()
    fill = air_of(volume)
    body = body_of(volume.replace(voxels=move(volume.voxels, source, axial, fill=fill), ijk_to_ras=axial.ijk_to_ras))
    if not body.any():
        return np.ones(volume.shape, dtype=np.uint8)
    near = distance_transform_edt(~body, sampling=axial.spacing[::-1]) <= RIM_MM
    return move(near.astype(np.uint8), axial, source, order="nearest")


def _folds(bending: sitk.Transform, fixed: sitk.Image) -> bool:
    """Tell whether neighbouring points change places somewhere."""
    coarse = sitk.Shrink(fixed, [SHRINK_FACTORS[0]] * 3)
    field = sitk.TransformToDisplacementField(
        bending,
        sitk.sitkVectorFloat64,
        coarse.GetSize(),
        coarse.GetOrigin(),
        coarse.GetSpacing(),
        coarse.GetDirection(),
    )
    return bool(sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field)).min() <= 0)
