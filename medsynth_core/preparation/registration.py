"""One image of a patient brought to where another one shows the same."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth_core import __version__
from medsynth_core.io.atomic import atomic_write
from medsynth_core.preparation.agreement import Agreement, agreement, air_of
from medsynth_core.preparation.grid import Grid, Order, move
from medsynth_core.preparation.registration_search import SETTINGS, Images, bend, follow, not_registered
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.volume import LPS_TO_RAS, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

# Bodies that agree less by this much have slid off each other, whatever mutual information was gained by it.
DICE_LOST = 0.05


@dataclass(frozen=True, eq=False)
class Registration:
    """How a moving image lies on a fixed one.

    Attributes:
        rigid: the motion, from points of the fixed image to points of the moving one (LPS, mm).
        bending: a B-spline of points of the fixed image that comes before the motion; None where there is none.
        moved: the moving image on the grid of the fixed one, interpolated once, linearly.
        covered: bool (k, j, i), where ``moved`` has values; elsewhere it shows nothing.
        before: how the images lay on each other; None when they had no place in common.
        after: how they lie on each other in the end.
        deformable: whether a bending was asked for.
        note: what was found but not kept, and why; "" when everything was kept.
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
        """From points of the fixed image to points of the moving one (LPS, mm), as SimpleITK resamples."""
        import SimpleITK as sitk

        return self.rigid if self.bending is None else sitk.CompositeTransform([self.rigid, self.bending])

    @property
    def lps_matrix(self) -> np.ndarray:
        """The motion as a 4×4 matrix, from points of the fixed image to points of the moving one (LPS, mm)."""
        return _matrix(self.rigid)

    def quality(self) -> dict[str, Any]:
        """Return agreements and note as plain data."""
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
    """Find the rigid motion by which ``moving`` shows what ``fixed`` shows in the same place.

    Mattes mutual information (50 bins) of the body in ``fixed``, with a rim of air, and of ``moving`` is followed from
    coarse to fine (SimpleITK). The start is where the files say that the images lie; their centres are laid on each
    other when the images have no place in common, or have more information in common so.

    When the images agree less in the end than in the beginning, the moving one stays where it was, and the note says
    so. The same images give the same result, to rounding.

    Args:
        fixed: stays where it is.
        moving: of any modality and grid.
        deformable: let it also bend, by a B-spline with knots every 40 mm.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: an image that is too thin, or has axes that are not perpendicular; or two images that do not
            come to lie on each other.
        Cancelled: the progress callback asked to stop.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    progress(0.0, "Comparing the images")
    images = Images.of(fixed, moving)
    at_rest = _placed(fixed, moving, images.still())
    start = images.centred() if at_rest is None else images.better_start()
    found = _placed(fixed, moving, follow(images, start, progress.part(0.05, 0.5 if deformable else 0.95)))
    if found is None:
        raise not_registered()
    if at_rest is not None:
        found = _better(at_rest, found, "registration")
    if deformable:
        bending = bend(images, found.rigid, progress.part(0.5, 0.95))
        bent = None if bending is None else _placed(fixed, moving, found.rigid, bending)
        found = _better(found, bent, "deformable refinement")
    progress(1.0, found.note or "The images are registered")
    return replace(found, before=at_rest.after if at_rest else None, deformable=deformable)


def write_registration(registration: Registration, folder: Path, name: str) -> tuple[Path, Path]:
    """Write ``NAME.tfm`` and ``NAME.json`` into a folder and return their paths.

    The first is the transform (LPS, fixed → moving points) as SimpleITK and Slicer read it; the second tells its rigid
    part as a matrix, the quality before and after, settings and versions.

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
        "versions": {"medsynth-core": __version__, "SimpleITK": version("SimpleITK")},
    }
    with atomic_write(record) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return transform, record


def _placed(
    fixed: Volume, moving: Volume, rigid: sitk.Euler3DTransform, bending: sitk.Transform | None = None
) -> Registration | None:
    """Return ``moving`` where the transforms lay it; None when it has next to no place in common with ``fixed``."""
    everywhere = moving.replace(voxels=np.ones(moving.shape, dtype=bool))
    if bending is None:
        voxels = _carried(moving, fixed, rigid, "linear", air_of(moving))
        covered = _carried(everywhere, fixed, rigid, "nearest", 0)
    else:
        voxels = _bent(moving, fixed, rigid, bending, "linear", air_of(moving))
        covered = _bent(everywhere, fixed, rigid, bending, "nearest", 0).astype(bool)
    moved = moving.replace(voxels=voxels, ijk_to_ras=fixed.ijk_to_ras, uncertainty=None)
    after = agreement(fixed, moved, covered)
    return Registration(rigid, bending, moved, covered, None, after) if after else None


def _matrix(rigid: sitk.Euler3DTransform) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(rigid.GetMatrix(), (3, 3))
    matrix[:3, 3] = rigid.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def _carried(moving: Volume, fixed: Volume, rigid: sitk.Euler3DTransform, order: Order, fill: float) -> np.ndarray:
    # A motion only changes where voxels lie: without one, and on the fixed grid already, they are copied.
    to_fixed = LPS_TO_RAS @ np.linalg.inv(_matrix(rigid)) @ LPS_TO_RAS
    source = Grid(moving.shape, to_fixed @ moving.ijk_to_ras)
    return move(moving.voxels, source, Grid.of(fixed), order=order, fill=fill)


def _bent(
    moving: Volume, fixed: Volume, rigid: sitk.Transform, bending: sitk.Transform, order: Order, fill: float
) -> np.ndarray:
    import SimpleITK as sitk

    interpolator = sitk.sitkLinear if order == "linear" else sitk.sitkNearestNeighbor
    transform = sitk.CompositeTransform([rigid, bending])
    resampled = sitk.Resample(moving.to_sitk(), fixed.to_sitk(), transform, interpolator, float(fill))
    return sitk.GetArrayFromImage(resampled)


def _better(old: Registration, new: Registration | None, what: str) -> Registration:
    """Return ``new`` if the images agree as well or better by it, else ``old`` with a note."""
    if new is None:
        reason = "it folds the image over itself, or off the fixed one"
    elif new.after.mutual_information < old.after.mutual_information:
        reason = f"mutual information {new.after.mutual_information:.3f}, {old.after.mutual_information:.3f} without it"
    elif new.after.body_dice < old.after.body_dice - DICE_LOST:
        reason = f"Dice of the bodies {new.after.body_dice:.3f}, {old.after.body_dice:.3f} without it"
    else:
        return replace(new, note=old.note)
    note = f"The {what} was not kept, because the images agree less with it ({reason})."
    return replace(old, note=f"{old.note} {note}".strip())
