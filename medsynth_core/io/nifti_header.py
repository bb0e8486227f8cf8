"""The header of a NIfTI file, read and written field by field.

Image libraries hand out spacing, direction and origin that they derived from the header in single
precision, fall back silently to an invented orientation where none is stated, and do so again on writing.
Here the matrix of the file is kept as it is, bit by bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medsynth_core.errors import MedSynthError

DATATYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_OTHER_DATATYPES = {
    1: "single bits", 32: "complex numbers", 128: "colours", 1536: "128-bit numbers", 1792: "complex numbers",
    2048: "complex numbers", 2304: "colours",
}  # fmt: skip
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # by the code of the unit of length; 0 is unstated

_NIFTI1 = {
    "sizeof_hdr": ("i4", 0), "dim": ("8i2", 40), "datatype": ("i2", 70), "bitpix": ("i2", 72),
    "pixdim": ("8f4", 76), "vox_offset": ("f4", 108), "scl_slope": ("f4", 112), "scl_inter": ("f4", 116),
    "xyzt_units": ("u1", 123), "descrip": ("S80", 148), "qform_code": ("i2", 252), "sform_code": ("i2", 254),
    "quatern": ("3f4", 256), "qoffset": ("3f4", 268), "srow": ("(3,4)f4", 280), "magic": ("S4", 344),
}  # fmt: skip
_NIFTI2 = {
    "sizeof_hdr": ("i4", 0), "magic": ("S8", 4), "datatype": ("i2", 12), "dim": ("8i8", 16),
    "pixdim": ("8f8", 104), "vox_offset": ("i8", 168), "scl_slope": ("f8", 176), "scl_inter": ("f8", 184),
    "qform_code": ("i4", 344), "sform_code": ("i4", 348), "quatern": ("3f8", 352), "qoffset": ("3f8", 376),
    "srow": ("(3,4)f8", 400), "xyzt_units": ("i4", 500),
}  # fmt: skip


def parse_header(start: bytes, name: str) -> np.void:
    """Return the fields of the header that ``start`` (540 bytes or more, fewer in tiny files) begins with.

    Raises:
        MedSynthError: these are not the first bytes of a single-file NIfTI image.
    """
    for fields, size in ((_NIFTI1, 348), (_NIFTI2, 540)):
        for order in "<>":
            dtype = _header_dtype(fields, size, order)
            if len(start) < size or np.frombuffer(start, order + "i4", 1)[0] != size:
                continue
            header: np.void = np.frombuffer(start, dtype, 1)[0]
            if header["magic"][:3] in (b"n+1", b"n+2"):
                return header
    raise MedSynthError(
        f"{name} is not a NIfTI image, or its header is damaged; export the image again as a single .nii file."
    )


def voxel_layout(header: np.void, name: str) -> tuple[tuple[int, int, int], np.dtype[Any]]:
    """Return the shape (k, j, i) and the data type of the voxels in the file.

    Raises:
        MedSynthError: more than three dimensions, no voxels, colours or complex numbers.
    """
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise MedSynthError(f"The NIfTI header of {name} is damaged: it states {count} dimensions.")
    sizes = [int(size) for size in header["dim"][1 : count + 1]]
    if min(sizes) < 1:
        raise MedSynthError(f"{name} holds no voxels (its size is {'×'.join(map(str, sizes))}).")
    if any(size > 1 for size in sizes[3:]):
        raise MedSynthError(
            f"{name} has {count} dimensions ({'×'.join(map(str, sizes))}), but a volume has three; "
            "extract one frame or channel first."
        )
    code = int(header["datatype"])
    if code not in DATATYPES:
        stored = _OTHER_DATATYPES.get(code, f"an unknown data type ({code})")
        raise MedSynthError(
            f"{name} stores {stored} in its voxels, but a volume has one number in each; convert it to a scalar image."
        )
    i, j, k = (*sizes[:3], 1, 1)[:3]
    order = ">" if header.dtype["sizeof_hdr"].str.startswith(">") else "<"
    return (k, j, i), np.dtype(order + DATATYPES[code])


def stated_affine(header: np.void, name: str) -> np.ndarray:
    """Return the 4×4 matrix from voxels (i, j, k) to RAS millimetres that the header states.

    A file may state two. Then ITK's rule holds, so that the image lies here where it lies in Slicer: the
    sform counts where it has the spacing that the header states and is either meant for scanner coordinates
    or agrees with the qform; else the qform counts.

    Raises:
        MedSynthError: the header states neither.
    """
    sform = _sform(header) if header["sform_code"] > 0 else None
    qform = _qform(header) if header["qform_code"] > 0 else None
    scale = np.diag([_MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)] * 3 + [1.0])
    if sform is not None and (qform is None or _prefer_sform(header, sform, qform)):
        return scale @ sform
    if qform is None:
        raise MedSynthError(
            f"{name} does not state how its voxels lie in the patient (its sform and qform codes are both 0); "
            "export the image again with its orientation."
        )
    return scale @ qform


def build_header(shape: tuple[int, int, int], dtype: np.dtype[Any], ijk_to_ras: np.ndarray) -> np.ndarray:
    """Return the NIfTI-1 header of a volume of ``shape`` (k, j, i) with perpendicular axes."""
    header = np.zeros((), _header_dtype(_NIFTI1, 348, "<"))
    spacing = np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
    rotation = ijk_to_ras[:3, :3] / spacing
    handedness = 1.0 if np.linalg.det(rotation) > 0 else -1.0
    header["sizeof_hdr"], header["magic"], header["vox_offset"] = 348, b"n+1", 352
    header["dim"] = [3, *reversed(shape), 1, 1, 1, 1]
    header["datatype"] = next(code for code, kind in DATATYPES.items() if np.dtype(kind) == dtype)
    header["bitpix"] = dtype.itemsize * 8
    header["pixdim"] = [handedness, *spacing, 0, 0, 0, 0]
    header["scl_slope"], header["xyzt_units"] = 1, 2
    header["qform_code"] = header["sform_code"] = 1
    header["quatern"] = _quaternion(rotation * [1, 1, handedness])[1:]
    header["qoffset"] = ijk_to_ras[:3, 3]
    header["srow"] = ijk_to_ras[:3]
    return header


def _header_dtype(fields: dict[str, tuple[str, int]], size: int, order: str) -> np.dtype[Any]:
    formats = [np.dtype(kind).newbyteorder("<" if order == "<" else ">") for kind, _ in fields.values()]
    offsets = [offset for _, offset in fields.values()]
    return np.dtype({"names": list(fields), "formats": formats, "offsets": offsets, "itemsize": size})


def _sform(header: np.void) -> np.ndarray:
    return np.vstack([header["srow"].astype(np.float64), [0, 0, 0, 1]])


def _qform(header: np.void) -> np.ndarray:
    b, c, d = header["quatern"].astype(np.float64)
    a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    spacing = np.abs(header["pixdim"][1:4].astype(np.float64))
    spacing[2] *= -1.0 if header["pixdim"][0] < 0 else 1.0
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * spacing
    matrix[:3, 3] = header["qoffset"]
    return matrix


def _prefer_sform(header: np.void, sform: np.ndarray, qform: np.ndarray) -> bool:
    """Tell whether ITK would take the sform of a header that states both."""
    scale = np.linalg.norm(sform[:3, :3], axis=0)
    axes = sform[:3, :3] / np.maximum(scale, 1e-30)
    perpendicular = np.allclose(axes.T @ axes, np.eye(3), atol=1e-3)
    if not perpendicular or not np.allclose(scale, np.abs(header["pixdim"][1:4]), atol=1e-3):
        return False
    size = header["dim"][1:4].astype(np.float64)
    difference = np.abs(sform - qform) @ [*size, 1.0]
    return bool(header["sform_code"] == 1 or difference.max() < 0.05)


def _quaternion(rotation: np.ndarray) -> np.ndarray:
    """Return the unit quaternion (a, b, c, d), a ≥ 0, of a 3×3 rotation, stable for half turns too."""
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
