"""Fields of NIfTI headers, and what they say of the voxels.

Field by field, because image libraries mend, guess or ignore values that contradict each other, each in its own way.
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

_NIFTI1 = {
    "sizeof_hdr": ("i4", 0), "dim": ("8i2", 40), "datatype": ("i2", 70), "bitpix": ("i2", 72),
    "pixdim": ("8f4", 76), "vox_offset": ("f4", 108), "scl_slope": ("f4", 112), "scl_inter": ("f4", 116),
    "xyzt_units": ("u1", 123), "descrip": ("S80", 148), "qform_code": ("i2", 252), "sform_code": ("i2", 254),
    "quatern": ("3f4", 256), "qoffset": ("3f4", 268), "srow": ("(3,4)f4", 280), "magic": ("V4", 344),
}  # fmt: skip
_NIFTI2 = {
    "sizeof_hdr": ("i4", 0), "magic": ("V8", 4), "datatype": ("i2", 12), "dim": ("8i8", 16),
    "pixdim": ("8f8", 104), "vox_offset": ("i8", 168), "scl_slope": ("f8", 176), "scl_inter": ("f8", 184),
    "qform_code": ("i4", 344), "sform_code": ("i4", 348), "quatern": ("3f8", 352), "qoffset": ("3f8", 376),
    "srow": ("(3,4)f8", 400), "xyzt_units": ("i4", 500),
}  # fmt: skip
HEADER_SIZES = (348, 540)
LONGEST_HEADER = 540
_SINGLE = (b"n+1\0", b"n+2\0\r\n\x1a\n")
_PAIR = (b"ni1\0", b"ni2\0\r\n\x1a\n")


def parse_header(start: bytes, name: str, pair: bool = False) -> np.void:
    """Return the fields of the header that the first bytes of a file hold.

    Args:
        start: the first `LONGEST_HEADER` bytes, or all of a shorter file.
        name: name of the file, for messages.
        pair: whether the voxels are in a second file.

    Raises:
        MedSynthError: the bytes are not the start of such a NIfTI file.
    """
    for fields, size in ((_NIFTI1, 348), (_NIFTI2, 540)):
        for order in "<>":
            if len(start) < size or np.frombuffer(start, order + "i4", 1)[0] != size:
                continue
            header: np.void = np.frombuffer(start, _header_dtype(fields, size, order), 1)[0]
            magic = bytes(header["magic"])
            if magic in (_PAIR if pair else _SINGLE):
                return header
            if pair and size == 348 and not magic.startswith((b"n+", b"ni")):
                raise _analyze(name)
    what = "the header of a NIfTI pair (.hdr, .img)" if pair else "a NIfTI image"
    raise MedSynthError(
        f"{name} is not {what}, or its header is damaged; export the image again as a single .nii file."
    )


def empty_header() -> np.ndarray:
    """Return a NIfTI-1 header of zeros (a 0-dimensional array) with size, magic and offset of a single file."""
    header = np.zeros((), _header_dtype(_NIFTI1, 348, "<"))
    header["sizeof_hdr"], header["magic"], header["vox_offset"] = 348, np.void(_SINGLE[0]), 352
    return header


def is_nifti2(header: np.void) -> bool:
    """Return whether the header is that of version 2, which stores double precision."""
    return int(header["sizeof_hdr"]) == 540


def voxel_layout(header: np.void, name: str) -> tuple[tuple[int, int, int], np.dtype[Any]]:
    """Return the shape (k, j, i) and the data type of the voxels in the file.

    Raises:
        MedSynthError: the image has more than three dimensions or no voxels, or holds colours or complex numbers.
    """
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise MedSynthError(f"The NIfTI header of {name} is damaged: it states {count} dimensions.")
    sizes = [int(size) for size in header["dim"][1 : count + 1]]
    if min(sizes) < 1:
        raise MedSynthError(f"{name} has no voxels (its size is {'×'.join(map(str, sizes))}).")
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


def first_byte(header: np.void, name: str, pair: bool = False) -> int:
    """Return the position of the first voxel in its file, in bytes.

    Raises:
        MedSynthError: the position (``vox_offset``) is no whole number, or lies within the header. Programs disagree
            about such files: some take the header for voxels, some skip four bytes, some refuse.
    """
    stated = float(header["vox_offset"])
    lowest = 0 if pair else (544 if is_nifti2(header) else 352)
    if not np.isfinite(stated) or stated != int(stated) or stated < lowest:
        raise MedSynthError(
            f"The NIfTI header of {name} is damaged: it states that the voxels start at byte {stated:g} (vox_offset), "
            f"but they start at byte {lowest} or later; export the image again."
        )
    return int(header["vox_offset"])


def scale(header: np.void, name: str) -> tuple[float, float]:
    """Return slope and intercept of the voxels; (1, 0) if the header states no scale.

    Raises:
        MedSynthError: the intercept is not a number, or the slope is 0, tiny or not a number although there is an
            intercept. Some programs then add the intercept and some do not.
    """
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite(slope):
        if intercept == 0 or not np.isfinite(intercept):
            return 1.0, 0.0
    elif np.isfinite(intercept) and abs(slope) >= np.finfo(np.float64).eps:
        return slope, intercept
    raise MedSynthError(
        f"The NIfTI header of {name} states a scale of the voxels that programs read differently (scl_slope "
        f"{slope:g}, scl_inter {intercept:g}); export the image again."
    )


def _header_dtype(fields: dict[str, tuple[str, int]], size: int, order: str) -> np.dtype[Any]:
    formats = [np.dtype(kind).newbyteorder("<" if order == "<" else ">") for kind, _ in fields.values()]
    offsets = [offset for _, offset in fields.values()]
    return np.dtype({"names": list(fields), "formats": formats, "offsets": offsets, "itemsize": size})


def _analyze(name: str) -> MedSynthError:
    return MedSynthError(
        f"{name} is an Analyze image, which does not state the position of its voxels in the patient, not even which "
        "side is left; export the image again as NIfTI, with its orientation."
    )
