"""A medical image: voxels with geometry, modality and unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medsynth_core.errors import MedSynthError

if TYPE_CHECKING:
    import SimpleITK as sitk

# NumPy's kinds of truth values, of whole numbers with and without sign, and of floating-point numbers.
_REAL = "biuf"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Key of the metadata of a picture: its voxels have no size and no place in the patient.
PICTURE = "picture"


def states_error_map(metadata: Mapping[str, Any]) -> bool:
    """Return whether metadata describe a map of the errors of a synthetic image.

    Versions before the key ``error_map`` said it in the description alone.
    """
    described = str(metadata.get("description") or "").startswith("expected error of ")
    return metadata.get("error_map") is True or described


def states_synthetic(metadata: Mapping[str, Any]) -> bool:
    """Return whether metadata describe an image made by a model, or simulated from one (`Volume.is_synthetic`)."""
    facts: Any = metadata
    while isinstance(facts, Mapping) and "simulation" in facts:
        facts = facts.get("source")
    return isinstance(facts, Mapping) and bool(facts.get("synthetic"))


@dataclass(frozen=True, eq=False)
class StatedGrid:
    """The numbers in which an image file states its grid.

    Spacing, directions and origin are multiplied into one matrix, and no program takes them apart again to the last
    bit. A file of the same format that repeats the numbers is read by every program as the first one was.

    Attributes:
        format: name of the file format.
        numbers: the numbers by name, as the format has them.
        ijk_to_ras: the matrix that they stand for.
    """

    format: str
    numbers: dict[str, Any]
    ijk_to_ras: np.ndarray


@dataclass(frozen=True, eq=False)
class Volume:
    """A scalar image in patient space.

    Attributes:
        voxels: array in (k, j, i) order: slices, rows, columns.
        ijk_to_ras: 4×4 float64 matrix from voxel indices (i, j, k) to millimetres in RAS. Read-only.
        modality: DICOM modality (``CT``, ``PT``, ``MR``; ``DX``, ``OP`` of pictures), or ``""`` if unknown.
        unit: unit of the voxel values: ``HU``, ``SUVbw`` or another SUV (``SUVlbm``, ``SUVlbm-james``,
            ``SUVlbm-janma``, ``SUVibw``, ``SUVbsa``), ``Bq/mL``, ``1`` (dimensionless) or ``""`` if unknown.
        metadata: provenance and other facts; must be serializable as JSON.
        uncertainty: usual error of a synthetic voxel at its value (root mean square error in validation) on the same
            grid and in the same unit, if known.
        stated: the numbers in which the file that was read states the grid, for files that are written.

    Raises:
        MedSynthError: the voxels are not three-dimensional or no real numbers, or the matrix is not an invertible
            4×4 affine.
    """

    voxels: np.ndarray
    ijk_to_ras: np.ndarray
    modality: str = ""
    unit: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    uncertainty: Volume | None = None
    stated: StatedGrid | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        voxels = np.asarray(self.voxels)
        if voxels.ndim != 3:
            raise MedSynthError(
                f"A volume has three dimensions, but this array has {voxels.ndim} (shape {voxels.shape}); "
                "select one frame or channel first."
            )
        if voxels.dtype.kind not in _REAL:
            remedy = "choose the magnitude image" if voxels.dtype.kind == "c" else "convert it"
            raise MedSynthError(
                f"The voxels of a volume are real numbers, but this array is of type {voxels.dtype}; {remedy}."
            )
        matrix = np.array(self.ijk_to_ras, dtype=np.float64)
        if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or not np.array_equal(matrix[3], [0, 0, 0, 1]):
            raise MedSynthError(
                "The geometry of the volume is not a 4×4 affine matrix from voxels to millimetres; "
                "reload the image from a file that states its spacing and orientation."
            )
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        if not spacing.all() or abs(np.linalg.det(matrix[:3, :3] / spacing)) < 1e-6:
            raise MedSynthError(
                "The geometry of the volume is singular: two of its axes coincide or a spacing is zero; "
                "correct the spacing and orientation of the image."
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
        """Whether a model made the image, or the PET that a lower dose was simulated from, according to the metadata.

        A low-dose PET simulated from a real PET is not synthetic in this sense: it shows that patient's uptake.
        """
        return states_synthetic(self.metadata)

    @property
    def is_error_map(self) -> bool:
        """Whether the voxels are the errors of a synthetic image, not an image of the patient."""
        return states_error_map(self.metadata)

    @property
    def is_picture(self) -> bool:
        """Whether the voxels are those of a picture, which has no size and no place in the patient."""
        return self.metadata.get(PICTURE) is True

    def refuse_error_map(self, use: str, name: str = "The volume") -> None:
        """Refuse a map of errors where an image of the patient is needed.

        Args:
            use: what it cannot be used as, such as "input of a model".
            name: name of the volume in the message.

        Raises:
            MedSynthError: the volume is a map of errors.
        """
        if self.is_error_map:
            raise MedSynthError(
                f"{name} shows the errors of a synthetic image, not the patient, so it cannot be used as {use}; choose "
                "the image itself."
            )

    def replace(self, **changes: Any) -> Volume:
        """Return a copy with some attributes changed; all others, notably the grid, stay the same."""
        return replace(self, **changes)

    def stated_in(self, file_format: str) -> dict[str, Any] | None:
        """Return the numbers in which a file of ``file_format`` stated this grid; None if none did."""
        stated = self.stated
        if stated is None or stated.format != file_format or not np.array_equal(stated.ijk_to_ras, self.ijk_to_ras):
            return None
        return stated.numbers

    def same_grid(self, other: Volume, tolerance: float = 1e-3) -> bool:
        """Return whether the voxels of both volumes have the same positions, to within ``tolerance`` mm."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in reversed(self.shape)])).reshape(3, -1)
        corners = np.vstack([corners, np.ones(corners.shape[1])])
        return bool(np.abs((self.ijk_to_ras - other.ijk_to_ras) @ corners).max() <= tolerance)

    def lps_frame(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return spacing (3), direction (3×3) and origin (3) in LPS, as ITK and image files use them.

        The product of direction and spacing is bit-equal to the matrix, so the geometry does not drift in a chain
        of programs that decompose and recompose it.

        Raises:
            MedSynthError: the axes are not perpendicular, which image files cannot represent.
        """
        lps = LPS_TO_RAS @ self.ijk_to_ras
        columns = [_length_and_unit(column) for column in lps[:3, :3].T]
        direction = np.stack([unit for _, unit in columns], axis=1)
        if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
            raise MedSynthError(
                "The axes of the volume are not perpendicular (possibly a tilted gantry), which image files "
                "cannot represent; resample it onto a grid with perpendicular axes first."
            )
        return np.array([length for length, _ in columns]), direction, lps[:3, 3]

    def to_sitk(self) -> sitk.Image:
        """Return a SimpleITK image (LPS) with the same voxels.

        Raises:
            MedSynthError: the axes are not perpendicular, which SimpleITK cannot represent.
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
            MedSynthError: the image is not a three-dimensional scalar image.
        """
        import SimpleITK as sitk

        if image.GetNumberOfComponentsPerPixel() != 1:
            raise MedSynthError(
                f"The image has {image.GetNumberOfComponentsPerPixel()} values per voxel (colours or "
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
    """Split a matrix column into a length and a unit vector whose product is bit-equal to it.

    Rounding makes this impossible for some lengths, so lengths within a few units in the last place of the true one
    are tried in turn.
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
