"""The one value that travels through the system: voxels with their place, modality and unit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth_core.errors import MedSynthError

if TYPE_CHECKING:
    import SimpleITK as sitk

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar image in patient space.

    Attributes:
        voxels: array in (k, j, i) order: slices, rows, columns.
        ijk_to_ras: 4×4 float64 matrix from voxel indices (i, j, k) to millimetres in RAS. Read-only.
        modality: DICOM modality (``CT``, ``PT``, ``MR``) or ``""`` when unknown.
        unit: what a voxel value is in: ``HU``, ``SUVbw`` or another SUV (``SUVlbm``, ``SUVlbm-james``,
            ``SUVlbm-janma``, ``SUVibw``, ``SUVbsa``), ``Bq/mL``, ``1`` (dimensionless) or ``""``.
        metadata: provenance and other facts that can be written as JSON.
        uncertainty: standard deviation of the voxels on the same grid and in the same unit, if known.

    Raises:
        MedSynthError: voxels that are not three-dimensional, or a matrix that is not an invertible
            4×4 affine.
    """

    voxels: np.ndarray
    ijk_to_ras: np.ndarray
    modality: str = ""
    unit: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    uncertainty: Volume | None = None

    def __post_init__(self) -> None:
        voxels = np.asarray(self.voxels)
        if voxels.ndim != 3:
            raise MedSynthError(
                f"A volume has three dimensions, but this one has {voxels.ndim} (shape {voxels.shape}); "
                "choose one frame or channel first."
            )
        matrix = np.array(self.ijk_to_ras, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.array_equal(matrix[3], [0, 0, 0, 1]):
            raise MedSynthError(
                "The geometry of the volume is not a 4×4 affine matrix from voxels to millimetres; "
                "load the image again from a file that states its spacing and orientation."
            )
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        if not spacing.all() or abs(np.linalg.det(matrix[:3, :3] / spacing)) < 1e-6:
            raise MedSynthError(
                "The geometry of the volume is singular: two of its axes coincide or a spacing is zero; "
                "correct the image's spacing and orientation."
            )
        matrix.setflags(write=False)
        object.__setattr__(self, "voxels", voxels)
        object.__setattr__(self, "ijk_to_ras", matrix)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of slices, rows and columns (k, j, i)."""
        k, j, i = self.voxels.shape
        return k, j, i

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance in millimetres between voxel centres along (i, j, k)."""
        i, j, k = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def is_synthetic(self) -> bool:
        """Whether a model made the image, or what a dose was simulated from, as far as its metadata say.

        A lower dose that was simulated from a real PET is not synthetic in this sense: it shows that patient's uptake.
        """
        facts: Any = self.metadata
        while isinstance(facts, dict) and "simulation" in facts:
            facts = facts.get("source")
        return isinstance(facts, dict) and bool(facts.get("synthetic"))

    def replace(self, **changes: Any) -> Volume:
        """Return a copy with some attributes changed, everything else (the grid above all) the same."""
        return replace(self, **changes)

    def same_grid(self, other: Volume, tolerance: float = 1e-3) -> bool:
        """Tell whether every voxel of ``other`` lies where this volume's lies, to ``tolerance`` mm."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in reversed(self.shape)])).reshape(3, -1)
        corners = np.vstack([corners, np.ones(corners.shape[1])])
        return bool(np.abs((self.ijk_to_ras - other.ijk_to_ras) @ corners).max() <= tolerance)

    def lps_frame(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return spacing (3), direction (3×3) and origin (3) in LPS, as ITK and image files want them.

        The product of direction and spacing is bit-equal to the matrix, so that nothing drifts in a chain
        of programs that split it up and put it together again.

        Raises:
            MedSynthError: the axes are not perpendicular, which image files cannot express.
        """
        lps = LPS_TO_RAS @ self.ijk_to_ras
        columns = [_length_and_unit(column) for column in lps[:3, :3].T]
        direction = np.stack([unit for _, unit in columns], axis=1)
        if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
            raise MedSynthError(
                "The axes of the volume are not perpendicular (a tilted gantry, perhaps), which image files "
                "cannot hold; resample it onto a straight grid first."
            )
        return np.array([length for length, _ in columns]), direction, lps[:3, 3]

    def to_sitk(self) -> sitk.Image:
        """Return a SimpleITK image (LPS) with the same voxels.

        Raises:
            MedSynthError: the axes are not perpendicular, which SimpleITK cannot express.
        """
        import SimpleITK as sitk

        spacing, direction, origin = self.lps_frame()
        voxels = self.voxels.astype(np.uint8) if self.voxels.dtype == bool else self.voxels
        image = sitk.GetImageFromArray(voxels)
        image.SetSpacing(spacing.tolist())
        image.SetDirection(direction.ravel().tolist())
        image.SetOrigin(origin.tolist())
        return image

    @classmethod
    def from_sitk(cls, image: sitk.Image, modality: str = "", unit: str = "") -> Volume:
        """Return the volume of a SimpleITK image (LPS).

        Raises:
            MedSynthError: an image that is not a three-dimensional scalar one.
        """
        import SimpleITK as sitk

        if image.GetNumberOfComponentsPerPixel() != 1:
            raise MedSynthError(
                f"The image has {image.GetNumberOfComponentsPerPixel()} values in each voxel (colour or "
                "vectors), but a volume has one; convert it to a scalar image."
            )
        if image.GetDimension() != 3:
            raise MedSynthError(
                f"The image has {image.GetDimension()} dimensions, but a volume has three; "
                "extract one three-dimensional frame."
            )
        lps = np.eye(4)
        lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
        lps[:3, 3] = image.GetOrigin()
        return cls(sitk.GetArrayFromImage(image), LPS_TO_RAS @ lps, modality, unit)


def _length_and_unit(column: np.ndarray) -> tuple[float, np.ndarray]:
    """Split a column of a matrix so that length times unit vector gives it back bit by bit.

    Not every length allows that: the product skips some numbers. One within a few units in the last place of
    the true length does, so those are tried in turn.
    """
    length = float(np.linalg.norm(column))
    for step in range(256):
        for tried in (length + step * np.spacing(length), length - step * np.spacing(length)):
            unit = column / tried
            for neighbour in (np.nextafter(unit, np.inf), np.nextafter(unit, -np.inf)):
                unit = np.where(unit * tried == column, unit, neighbour)
            if np.array_equal(unit * tried, column):
                return tried, unit
    return length, column / length
