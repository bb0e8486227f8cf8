"""The position of the voxels of NIfTI files, as a matrix.

A header may state it twice (qform, sform) and the spacing a third time (pixdim), and programs that read the same file
choose differently where these disagree. So a matrix is only accepted if ITK, and with it 3D Slicer, puts the voxels
at the same place as the rule of the standard, which nibabel follows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.nifti_header import DATATYPES, empty_header, is_nifti2
from medsynth_core.io.quiet import quiet_itk
from medsynth_core.io.temporary import temporary_folder
from medsynth_core.volume import LPS_TO_RAS, StatedGrid, Volume

FORMAT = "NIfTI"
_HIGHEST_CODE = 5  # of the coordinates that a matrix leads to
LARGEST_SIDE = 32767  # voxels: sizes are 16-bit numbers
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # by the code of the unit of length; 0 is unstated
_FIELDS = ("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern", "qoffset", "srow")
_FARTHEST = 1e18  # mm; the square still fits into single precision
# By how much, in voxels, two statements of one matrix or rounding to single precision may move a corner of an image.
_MOVED = 0.01
# By how much rounding to single precision may change the three numbers that are stored of a quaternion.
_ROUNDED = 4 * float(np.finfo(np.float32).eps)


def read_geometry(header: np.void, shape: tuple[int, int, int], name: str) -> tuple[np.ndarray, StatedGrid | None]:
    """Return the 4×4 matrix from voxels (i, j, k) to RAS millimetres, and the fields that state it.

    The matrix is the sform bit by bit, or else the qform. The fields are None for NIfTI-2, which is not written.

    Args:
        header: from `parse_header`.
        shape: number of voxels (k, j, i).
        name: name of the file, for messages.

    Raises:
        MedSynthError: the header states no matrix, or no valid one, or ITK reads another one.
    """
    with np.errstate(all="ignore"):
        matrix = _stated_affine(header, name)
        # ITK does not return from the decomposition of a matrix with infinite numbers.
        if not np.abs(matrix).max() <= _FARTHEST:
            raise _damaged(name, "its matrix from voxels to millimetres (srow, or quatern and qoffset) is not finite")
        itk = None if is_nifti2(header) else _itk_affine(header)
        if itk is not None and not _same_place(matrix, itk, shape):
            raise MedSynthError(
                f"{name} contradicts itself about the position of its voxels in the patient (qform, sform and pixdim "
                "of its header), so that programs show it at different places; export the image again."
            )
    fields = {name: np.array(header[name]) for name in _FIELDS}
    return matrix, None if is_nifti2(header) else StatedGrid(FORMAT, fields, matrix)


def build_header(volume: Volume, dtype: np.dtype[Any]) -> np.ndarray:
    """Return the NIfTI-1 header of a volume with perpendicular axes.

    A matrix that was read from a NIfTI file is stated in the numbers of that file, so every program reads the same
    geometry from both.

    Raises:
        MedSynthError: NIfTI cannot store the number of voxels or the matrix.
    """
    header = empty_header()
    _check_size(volume.shape)
    header["dim"] = [3, *reversed(volume.shape), 1, 1, 1, 1]
    header["datatype"] = next(code for code, kind in DATATYPES.items() if np.dtype(kind) == dtype)
    header["bitpix"], header["scl_slope"] = dtype.itemsize * 8, 1
    stated = volume.stated_in(FORMAT) or _fields_of(volume.ijk_to_ras)
    for name, value in stated.items():
        header[name] = value
    return header


def check_storable(volume: Volume) -> None:
    """Check that NIfTI can store the grid of a volume.

    Raises:
        MedSynthError: a side has too many voxels, or single precision would move voxels.
    """
    _check_size(volume.shape)
    if volume.stated_in(FORMAT) is None:
        _fields_of(volume.ijk_to_ras, volume.shape)


def _check_size(shape: tuple[int, int, int]) -> None:
    if max(shape) > LARGEST_SIDE:
        raise MedSynthError(
            f"A volume of {'×'.join(map(str, reversed(shape)))} voxels cannot be written as NIfTI, which stores up to "
            f"{LARGEST_SIDE} along each side; write a .nrrd or .mha file.",
            kind="output",
        )


def _fields_of(matrix: np.ndarray, shape: tuple[int, int, int] = (1, 1, 1)) -> dict[str, Any]:
    """Return the fields that state ``matrix``, in millimetres and as both qform and sform."""
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    rotation = matrix[:3, :3] / spacing
    handedness = 1.0 if np.linalg.det(rotation) > 0 else -1.0
    with np.errstate(over="ignore", invalid="ignore"):
        rows = matrix[:3].astype(np.float32)
        moved = _farthest(np.vstack([rows, [0, 0, 0, 1]]), matrix, shape)
    if not moved <= _MOVED * spacing.min():
        raise MedSynthError(
            "The position of the volume cannot be written as NIfTI: its numbers are too large for single precision, "
            f"which would move voxels by {moved:.2g} mm; write a .nrrd or .mha file.",
            kind="output",
        )
    return {
        "pixdim": [handedness, *spacing, 0, 0, 0, 0],
        "xyzt_units": 2,
        "qform_code": 1,
        "sform_code": 1,
        "quatern": _quaternion(rotation * [1, 1, handedness])[1:],
        "qoffset": rows[:, 3],
        "srow": rows,
    }


def _stated_affine(header: np.void, name: str) -> np.ndarray:
    codes = int(header["qform_code"]), int(header["sform_code"])
    if not any(codes):
        raise MedSynthError(
            f"{name} does not state the position of its voxels in the patient (its sform and qform codes are both 0); "
            "export the image again with its orientation."
        )
    if not 0 <= min(codes) <= max(codes) <= _HIGHEST_CODE:
        raise _damaged(name, f"its qform and sform codes are {codes[0]} and {codes[1]}")
    unit = np.diag([_MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)] * 3 + [1.0])
    return unit @ (_sform(header) if codes[1] else _qform(header, name))


def _sform(header: np.void) -> np.ndarray:
    return np.vstack([header["srow"].astype(np.float64), [0, 0, 0, 1]])


def _qform(header: np.void, name: str) -> np.ndarray:
    """Return the matrix of the quaternion as ITK computes it."""
    spacing = header["pixdim"][1:4].astype(np.float64)
    handedness = float(header["pixdim"][0])
    if not (np.isfinite(spacing).all() and (spacing > 0).all()) or (handedness < 0 and handedness != -1):
        raise _damaged(name, f"its voxel size (pixdim) is {', '.join(f'{each:g}' for each in header['pixdim'][:4])}")
    matrix = np.eye(4)
    matrix[:3, :3] = _rotation(header["quatern"].astype(np.float64), name) * spacing
    matrix[:3, 2] *= -1.0 if handedness < 0 else 1.0
    matrix[:3, 3] = header["qoffset"]
    return matrix


def _rotation(quaternion: np.ndarray, name: str) -> np.ndarray:
    """Return the 3×3 rotation of the stated part (b, c, d) of a unit quaternion."""
    rest = 1.0 - quaternion @ quaternion
    if not rest >= -3 * np.finfo(np.float32).eps:
        raise _damaged(name, f"its quaternion ({', '.join(f'{each:g}' for each in quaternion)}) is no rotation")
    if rest < 1e-7:  # half a turn; what is missing to 1 is rounding
        b, c, d = quaternion / np.linalg.norm(quaternion)
        a = 0.0
    else:
        (b, c, d), a = quaternion, np.sqrt(rest)
    return _turn(a, b, c, d)


def _turn(a: float, b: float, c: float, d: float) -> np.ndarray:
    """Return the 3×3 rotation of a unit quaternion."""
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


def _itk_affine(header: np.void) -> np.ndarray | None:
    """Return the matrix that ITK reads; None where it refuses, which it does for a sheared one.

    ITK gets a header with these fields and nothing else of the file, so that it cannot stumble over the rest.
    """
    import SimpleITK as sitk

    bare = empty_header()
    bare["dim"], bare["datatype"], bare["bitpix"] = [3, 2, 2, 2, 1, 1, 1, 1], 2, 8
    for name in _FIELDS:
        bare[name] = header[name]
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NiftiImageIO")
    with temporary_folder() as folder, quiet_itk():
        path = Path(folder, "header.nii")
        path.write_bytes(bare.tobytes() + bytes(4 + 8))
        reader.SetFileName(str(path))
        try:
            reader.ReadImageInformation()
        except RuntimeError:
            return None
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(reader.GetDirection(), (3, 3)) * reader.GetSpacing()
    matrix[:3, 3] = reader.GetOrigin()
    return LPS_TO_RAS @ matrix


def _same_place(one: np.ndarray, other: np.ndarray, shape: tuple[int, int, int]) -> bool:
    """Return whether two matrices put the corners of an image at the same place, but for what rounding explains."""
    limit = _MOVED * np.linalg.norm(one[:3, :3], axis=0).min()
    return any(_farthest(one, matrix, shape) <= limit for matrix in (other, _unrounded(other, one)))


def _unrounded(matrix: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return a matrix with the rotation of another one if both have the same quaternion in single precision.

    A header stores three of its four numbers. Near half a turn, as between LPS and RAS, the fourth is nearly 0 and is
    lost in their rounding, so an oblique image turns by up to 0.04°.
    """
    if not np.linalg.det(matrix[:3, :3]) * np.linalg.det(exact[:3, :3]) > 0:
        return matrix
    turned, found = _frame(exact), _frame(matrix)
    near = [turned, -turned] if turned[0] ** 2 <= _ROUNDED else [turned]
    if min(np.abs((one - found)[1:]).max() for one in near) > _ROUNDED:
        return matrix
    unrounded = matrix.copy()
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    unrounded[:3, :3] = _turn(*turned) * [1, 1, np.sign(np.linalg.det(exact[:3, :3]))] * spacing
    return unrounded


def _frame(matrix: np.ndarray) -> np.ndarray:
    """Return the unit quaternion of the directions of a matrix, of which the third is turned if it is left-handed."""
    rotation = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    return _quaternion(rotation * [1, 1, np.sign(np.linalg.det(rotation))])


def _farthest(one: np.ndarray, other: np.ndarray, shape: tuple[int, int, int]) -> float:
    """Return how far apart, in mm, two matrices put a corner of an image at most."""
    corners = np.array([(*np.multiply(shape[::-1], where), 1) for where in np.ndindex(2, 2, 2)])
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """Return the unit quaternion (a, b, c, d), a ≥ 0, of a 3×3 rotation; stable also for rotations by 180°."""
    r = rotation
    symmetric = np.array(
        [
            [r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 0] - r[1, 1] - r[2, 2], r[1, 0] + r[0, 1], r[0, 2] + r[2, 0]],
            [r[0, 2] - r[2, 0], r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], r[2, 1] + r[1, 2]],
            [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1]],
        ]
    )
    quaternion = np.linalg.eigh(symmetric)[1][:, -1]
    return quaternion if quaternion[0] >= 0 else -quaternion


def _damaged(name: str, what: str) -> MedSynthError:
    return MedSynthError(f"The NIfTI header of {name} is damaged: {what}; export the image again.")
