"""Optimization of the transform between two images.

SimpleITK does the optimization: Slicer ships it, but without elastix. This module defines the starting point, the
metric, the resolution levels and the stopping criteria.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid, resample_array
from medsynth_core.progress import Progress
from medsynth_core.registration.quality import BINS, air_of, body_of
from medsynth_core.volume import Volume

# Resolution levels, from coarse to fine.
SHRINK_FACTORS = (4, 2, 1)
SMOOTHING_MM = (2.0, 1.0, 0.0)
ITERATIONS = 150
# Gradient descent: first step, and the step at which the optimizer has converged.
FIRST_STEP_MM, LAST_STEP_MM = 2.0, 0.005
# Line search: largest distance along a gradient, largest number of tries, and relative change of the metric at
# convergence.
REACH_MM, TRIES, SMALLEST_CHANGE = 3.0, 10, 1e-5
# Enough for a joint histogram of 50 × 50 values.
SAMPLES = 50_000
SEED = 17
# Rim of air that shows the body outline without the table and the scanner bore.
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
    """Images to be registered.

    Attributes:
        fixed: float32.
        moving: float32.
        region: uint8 on the grid of ``fixed``: mask of the body and a rim of air, in which the metric is sampled.
    """

    fixed: sitk.Image
    moving: sitk.Image
    region: sitk.Image

    @classmethod
    def of(cls, fixed: Volume, moving: Volume) -> Images:
        """Return the images of two volumes, ready for registration.

        Raises:
            MedSynthError: a volume is too thin, or its axes are not perpendicular.
        """
        for name, volume in (("fixed", fixed), ("moving", moving)):
            if min(volume.shape) < SHRINK_FACTORS[0]:
                raise MedSynthError(
                    f"The {name} image has only {min(volume.shape)} voxels along an axis, too few for registration; "
                    f"choose an image with at least {SHRINK_FACTORS[0]}."
                )
        region = fixed.replace(voxels=_body_with_rim(fixed))
        return cls(_float_image(fixed), _float_image(moving), region.to_sitk())

    def centred(self) -> sitk.Euler3DTransform:
        """Return the translation that aligns the image centres."""
        geometry = sitk.CenteredTransformInitializerFilter.GEOMETRY
        found = sitk.CenteredTransformInitializer(self.fixed, self.moving, sitk.Euler3DTransform(), geometry)
        return sitk.Euler3DTransform(found)

    def unmoved(self) -> sitk.Euler3DTransform:
        """Return the identity transform."""
        unmoved = sitk.Euler3DTransform()
        # Rotate about the centre of the fixed image; about a distant origin, a small rotation would move it far.
        unmoved.SetCenter(self.centred().GetCenter())
        return unmoved

    def better_start(self) -> sitk.Euler3DTransform:
        """Return `unmoved`, or `centred` if that gives the coarse images more mutual information."""
        coarse = Images(
            sitk.Shrink(sitk.SmoothingRecursiveGaussian(self.fixed, SMOOTHING_MM[0]), [SHRINK_FACTORS[0]] * 3),
            sitk.SmoothingRecursiveGaussian(self.moving, SMOOTHING_MM[0]),
            self.region,
        )
        # In a tie, min() returns the first: the identity.
        return min((self.unmoved(), self.centred()), key=coarse.dissimilarity)

    def dissimilarity(self, transform: sitk.Transform) -> float:
        """Return the negative Mattes mutual information; infinity if the images do not overlap."""
        method = self._compared()
        method.SetInitialTransform(transform)
        try:
            return float(method.MetricEvaluate(self.fixed, self.moving))
        except RuntimeError:
            return np.inf

    def method(self, levels: Sequence[int]) -> sitk.ImageRegistrationMethod:
        """Return a registration method without optimizer and initial transform.

        Args:
            levels: resolution levels, as indices into `SHRINK_FACTORS`.
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


def optimize_rigid(images: Images, start: sitk.Euler3DTransform, progress: Progress) -> sitk.Euler3DTransform:
    """Return the rigid transform with the most mutual information near ``start``.

    Gradient descent with shrinking steps converges fast and accurately, but can drive the images apart where one of
    them is partly empty. A line search along each gradient stays near the start but converges slowly. Therefore the
    best of three results is used: gradient descent from the start, the line search, and gradient descent from the
    result of the line search.

    Raises:
        MedSynthError: the images hardly overlap.
        Cancelled: the progress callback asked to stop.
    """
    levels = range(len(SHRINK_FACTORS))
    direct = _gradient_descent(images, levels, start, progress.part(0.0, 0.3))
    near = _line_search(images, levels, start, progress.part(0.3, 0.8))
    after = _gradient_descent(images, levels[1:], near, progress.part(0.8, 1.0)) if near else None
    found = [motion for motion in (direct, near, after) if motion]
    if not found:
        raise not_registered()
    return min(found, key=images.dissimilarity)


def _gradient_descent(
    images: Images, levels: Sequence[int], start: sitk.Euler3DTransform, progress: Progress
) -> sitk.Euler3DTransform | None:
    method = images.method(levels)
    method.SetOptimizerAsRegularStepGradientDescent(
        FIRST_STEP_MM, LAST_STEP_MM, ITERATIONS, gradientMagnitudeTolerance=1e-8
    )
    return _optimize(method, images, start, progress)


def _line_search(
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
    return _optimize(method, images, start, progress)


def _optimize(
    method: sitk.ImageRegistrationMethod, images: Images, start: sitk.Euler3DTransform, progress: Progress
) -> sitk.Euler3DTransform | None:
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=False)
    found = _execute(method, images, progress, ITERATIONS)
    return sitk.Euler3DTransform(found.GetNthTransform(0)) if found else None


def fit_deformable(images: Images, rigid: sitk.Transform, progress: Progress) -> sitk.Transform | None:
    """Return the B-spline transform, applied before ``rigid``, with the most mutual information.

    Returns:
        None if the transform folds the image or moves it off the other image.

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
    """Return the error for two images that cannot be registered."""
    return MedSynthError(
        "The two images cannot be registered because they hardly overlap; check that they show the same part of the "
        "same patient."
    )


def _execute(
    method: sitk.ImageRegistrationMethod, images: Images, progress: Progress, iterations: int
) -> sitk.CompositeTransform | None:
    """Return the optimized transform; None if the optimizer has moved the images apart."""
    levels = len(method.GetMetricSamplingPercentagePerLevel())
    stopped: list[BaseException] = []

    def report() -> None:
        # ITK would replace any exception that passes through it by its own, so it is kept and raised afterwards.
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
    """Return the mask (uint8) of the body and a rim of air; all ones if no body is found."""
    from scipy.ndimage import distance_transform_edt

    source = Grid.of(volume)
    axial = source.oriented()
    fill = air_of(volume)
    body = body_of(
        volume.replace(voxels=resample_array(volume.voxels, source, axial, fill=fill), ijk_to_ras=axial.ijk_to_ras)
    )
    if not body.any():
        return np.ones(volume.shape, dtype=np.uint8)
    near = distance_transform_edt(~body, sampling=axial.spacing[::-1]) <= RIM_MM
    return resample_array(near.astype(np.uint8), axial, source, order="nearest")


def _folds(bending: sitk.Transform, fixed: sitk.Image) -> bool:
    """Return whether the transform folds space anywhere (Jacobian determinant not positive)."""
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
