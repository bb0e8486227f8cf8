"""Registration of one image of a patient to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.grid import Grid, Order, resample_array
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.json_file import write_json
from medsynth_core.preparation.value_checks import not_synthesizable
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.registration.quality import Agreement, agreement, air_of
from medsynth_core.registration.search import SETTINGS, Images, fit_deformable, not_registered, optimize_rigid
from medsynth_core.version import __version__
from medsynth_core.volume import LPS_TO_RAS, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

# If the Dice overlap of the bodies falls by more than this, they have drifted apart, even if mutual information rose.
LARGEST_DICE_LOSS = 0.05


@dataclass(frozen=True, eq=False)
class Registration:
    """Result of registering a moving image to a fixed one.

    Attributes:
        rigid: rigid transform from points of the fixed image to points of the moving one (LPS, mm).
        bending: B-spline transform of points of the fixed image, applied before ``rigid``; None if there is none.
        moved: the moving image on the grid of the fixed one, linearly interpolated once.
        covered: bool (k, j, i): where the moving image covers the fixed grid; elsewhere ``moved`` is filled.
        before: registration quality before registration; None if the images did not overlap.
        after: registration quality after registration.
        deformable: whether a deformable registration was requested.
        note: which transform was rejected, and why; "" if none was.
    """

    rigid: sitk.Euler3DTransform
    bending: sitk.Transform | None
    moved: Volume
    covered: np.ndarray
    before: Agreement | None
    after: Agreement
    deformable: bool = False
    note: str = ""

    @property
    def transform(self) -> sitk.Transform:
        """Transform from points of the fixed image to points of the moving one (LPS, mm), as SimpleITK resamples."""
        import SimpleITK as sitk

        return self.rigid if self.bending is None else sitk.CompositeTransform([self.rigid, self.bending])

    @property
    def lps_matrix(self) -> np.ndarray:
        """The rigid transform as a 4×4 matrix from points of the fixed image to points of the moving one (LPS, mm)."""
        return _rigid_matrix(self.rigid)

    def quality(self) -> dict[str, Any]:
        """Return the quality before and after registration, and the note, as plain data."""
        return {
            "before": asdict(self.before) if self.before else None,
            "after": asdict(self.after),
            "bent": self.bending is not None,
            "note": self.note,
        }


def register(
    fixed: Volume,
    moving: Volume,
    *,
    deformable: bool = False,
    progress: Progress | ProgressCallback | None = None,
) -> Registration:
    """Register ``moving`` to ``fixed`` rigidly and, on request, deformably.

    The registration maximizes Mattes mutual information (50 bins) within the body in ``fixed`` and a rim of air around
    it, from coarse to fine (SimpleITK). It starts from the geometry in the files, or with the image centres aligned if
    the images do not overlap or if that gives more mutual information.

    If registration makes the agreement worse, the moving image keeps its position and the note says so. The same
    images give the same result, up to rounding.

    Args:
        fixed: the image that keeps its position.
        moving: the image to be moved, of any modality and grid.
        deformable: refine with a B-spline transform with control points every 40 mm.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: an image is too thin, has values that cannot be computed with (not finite, for example) or axes
            that are not perpendicular, or the images cannot be brought to overlap.
        Cancelled: the progress callback asked to stop.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    for name, volume in (("fixed", fixed), ("moving", moving)):
        for reason in not_synthesizable(volume.voxels):
            raise MedSynthError(f"The {name} image cannot be registered: {reason[:1].lower()}{reason[1:]}")
    progress(0.0, "Comparing the images")
    images = Images.of(fixed, moving)
    unregistered = _apply_transform(fixed, moving, images.unmoved())
    start = images.centred() if unregistered is None else images.better_start()
    found = _apply_transform(
        fixed, moving, optimize_rigid(images, start, progress.part(0.05, 0.5 if deformable else 0.95))
    )
    if found is None:
        raise not_registered()
    if unregistered is not None:
        found = _keep_better(unregistered, found, "registration")
    if deformable:
        bending = fit_deformable(images, found.rigid, progress.part(0.5, 0.95))
        bent = None if bending is None else _apply_transform(fixed, moving, found.rigid, bending)
        found = _keep_better(found, bent, "deformable refinement")
    progress(1.0, found.note or "The images are registered")
    return replace(found, before=unregistered.after if unregistered else None, deformable=deformable)


def write_registration(
    registration: Registration, folder: Path, name: str, inputs: Mapping[str, Any] | None = None
) -> tuple[Path, Path]:
    """Write ``NAME.tfm`` and ``NAME.json`` into a folder and return their paths.

    The first is the transform (LPS, fixed → moving points), readable by SimpleITK and Slicer; the second holds its
    rigid part as a matrix, the quality before and after registration, the settings and the versions.

    Args:
        registration: the result.
        folder: existing folder.
        name: name of the files without suffix.
        inputs: description of the registered files for the second file.

    Raises:
        MedSynthError: a file cannot be written.
    """
    import SimpleITK as sitk

    transform, record = folder / f"{name}.tfm", folder / f"{name}.json"
    with atomic_write(transform) as temporary:
        try:
            sitk.WriteTransform(registration.transform, str(temporary))
        except RuntimeError as error:
            raise OSError("the disk is full or not writable") from error
    content = {
        "quality": registration.quality(),
        "lps_matrix": registration.lps_matrix.tolist(),
        "settings": {**SETTINGS, "deformable": registration.deformable},
        **({"inputs": dict(inputs)} if inputs else {}),
        "versions": {"medsynth-core": __version__, "SimpleITK": version("SimpleITK")},
    }
    write_json(record, content)
    return transform, record


def _apply_transform(
    fixed: Volume, moving: Volume, rigid: sitk.Euler3DTransform, bending: sitk.Transform | None = None
) -> Registration | None:
    """Return ``moving`` resampled by the transforms; None if it then hardly overlaps with ``fixed``."""
    everywhere = moving.replace(voxels=np.ones(moving.shape, dtype=bool))
    if bending is None:
        voxels = _resample_rigid(moving, fixed, rigid, "linear", air_of(moving))
        covered = _resample_rigid(everywhere, fixed, rigid, "nearest", 0)
    else:
        voxels = _resample_deformable(moving, fixed, rigid, bending, "linear", air_of(moving))
        covered = _resample_deformable(everywhere, fixed, rigid, bending, "nearest", 0).astype(bool)
    moved = moving.replace(voxels=voxels, ijk_to_ras=fixed.ijk_to_ras, stated=fixed.stated, uncertainty=None)
    after = agreement(fixed, moved, covered)
    return Registration(rigid, bending, moved, covered, None, after) if after else None


def _rigid_matrix(rigid: sitk.Euler3DTransform) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(rigid.GetMatrix(), (3, 3))
    matrix[:3, 3] = rigid.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def _resample_rigid(
    moving: Volume, fixed: Volume, rigid: sitk.Euler3DTransform, order: Order, fill: float
) -> np.ndarray:
    # The transform is applied to the grid, so that voxels are copied if nothing moves and the grids are the same.
    to_fixed = LPS_TO_RAS @ np.linalg.inv(_rigid_matrix(rigid)) @ LPS_TO_RAS
    source = Grid(moving.shape, to_fixed @ moving.ijk_to_ras)
    return resample_array(moving.voxels, source, Grid.of(fixed), order=order, fill=fill)


def _resample_deformable(
    moving: Volume, fixed: Volume, rigid: sitk.Transform, bending: sitk.Transform, order: Order, fill: float
) -> np.ndarray:
    import SimpleITK as sitk

    interpolator = sitk.sitkLinear if order == "linear" else sitk.sitkNearestNeighbor
    transform = sitk.CompositeTransform([rigid, bending])
    resampled = sitk.Resample(moving.to_sitk(), fixed.to_sitk(), transform, interpolator, float(fill))
    return sitk.GetArrayFromImage(resampled)


def _keep_better(old: Registration, new: Registration | None, what: str) -> Registration:
    """Return ``new`` if the images agree at least as well with it, else ``old`` with a note."""
    if new is None:
        reason = "it folds the image or moves it off the fixed image"
    elif new.after.mutual_information < old.after.mutual_information:
        reason = f"mutual information {new.after.mutual_information:.3f}; {old.after.mutual_information:.3f} without it"
    elif new.after.body_dice < old.after.body_dice - LARGEST_DICE_LOSS:
        reason = f"body Dice {new.after.body_dice:.3f}; {old.after.body_dice:.3f} without it"
    else:
        return replace(new, note=old.note)
    note = f"The {what} was rejected because the images agree less with it ({reason})."
    return replace(old, note=f"{old.note} {note}".strip())
