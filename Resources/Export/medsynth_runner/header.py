"""The header of a NIfTI-1 file, whose statements must not contradict each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .position import matrix_of
from .refusal import RefusalError

BYTES = 348
FIELDS = {
    "sizeof_hdr": ("i4", 0), "dim": ("8i2", 40), "datatype": ("i2", 70), "bitpix": ("i2", 72),
    "pixdim": ("8f4", 76), "vox_offset": ("f4", 108), "scl_slope": ("f4", 112), "scl_inter": ("f4", 116),
    "xyzt_units": ("u1", 123), "descrip": ("S80", 148), "qform_code": ("i2", 252), "sform_code": ("i2", 254),
    "quatern": ("3f4", 256), "qoffset": ("3f4", 268), "srow": ("(3,4)f4", 280), "magic": ("V4", 344),
}  # fmt: skip
# Fields that state the position of the voxels.
POSITION = ("pixdim", "xyzt_units", "qform_code", "sform_code", "quatern", "qoffset", "srow")
# Voxels that are one number each, by code.
KINDS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
FLOAT = 16
LAST_BEGIN = 1 << 30
LENGTH_UNITS = (0, 2)  # not stated, and millimetres
SMALLEST_SLOPE = float(np.finfo(np.float64).eps)


class Header:
    """What the first bytes of a NIfTI-1 file state.

    Attributes:
        order: byte order, ``<`` or ``>``.
        shape: number of voxels (k, j, i).
        dtype: data type of the voxels.
        begin: first byte of the voxels.
        scale: slope and intercept.
        matrix: from voxels (i, j, k) to LPS millimetres.

    Raises:
        RefusalError: it is no such header, or states something that the runner does not read or that programs read
            differently.
    """

    def __init__(self, content: bytes, path: Path) -> None:
        self.order = "<" if content[:4] == BYTES.to_bytes(4, "little") else ">"
        if len(content) < BYTES or content[:4] not in (BYTES.to_bytes(4, end) for end in ("little", "big")):
            raise _refused(path, "is not a NIfTI-1 file, which alone is read")
        self.fields = np.frombuffer(content, _layout(self.order), 1)[0]
        if bytes(self.fields["magic"]) != b"n+1\0":
            raise _refused(path, "is not a single NIfTI-1 file (magic n+1), which alone is read")
        self.shape, self.dtype = _shape(self.fields, path), self._dtype(path)
        self.begin, self.scale = _begin(self.fields, path), _scale(self.fields, path)
        if int(self.fields["xyzt_units"]) & 7 not in LENGTH_UNITS:
            raise _refused(path, "states lengths in another unit than millimetres")
        try:
            self.matrix = np.diag([-1.0, -1, 1, 1]) @ matrix_of(self.fields, self.shape)
        except ValueError as error:
            raise _refused(path, str(error)) from error

    def of_result(self, description: str) -> bytes:
        """Return the header of a float32 image at the same place."""
        made = np.zeros((), _layout(self.order))
        made["sizeof_hdr"], made["magic"], made["vox_offset"] = BYTES, np.void(b"n+1\0"), BYTES + 4
        made["dim"] = [3, *self.shape[::-1], 1, 1, 1, 1]
        made["datatype"], made["bitpix"], made["scl_slope"] = FLOAT, 32, 1
        made["descrip"] = description.encode("ascii", "replace")[:79]
        for name in POSITION:
            made[name] = self.fields[name]
        return made.tobytes()

    def _dtype(self, path: Path) -> np.dtype:
        code = int(self.fields["datatype"])
        if code not in KINDS:
            raise _refused(path, f"has voxels that are not one number each (data type {code})")
        return np.dtype(self.order + KINDS[code])


def _layout(order: str) -> np.dtype:
    formats = [np.dtype(kind).newbyteorder("<" if order == "<" else ">") for kind, _ in FIELDS.values()]
    offsets = [offset for _, offset in FIELDS.values()]
    return np.dtype({"names": list(FIELDS), "formats": formats, "offsets": offsets, "itemsize": BYTES})


def _shape(fields: np.void, path: Path) -> tuple[int, int, int]:
    count, *sides = (int(n) for n in fields["dim"])
    if not 3 <= count <= 7 or any(side != 1 for side in sides[3:count]):
        raise _refused(path, f"has {count} dimensions and not three")
    i, j, k = sides[:3]
    if min(i, j, k) < 1:
        raise _refused(path, f"has {i} × {j} × {k} voxels")
    return k, j, i


def _begin(fields: np.void, path: Path) -> int:
    stated = float(fields["vox_offset"])
    if not (np.isfinite(stated) and BYTES + 4 <= stated <= LAST_BEGIN and stated == int(stated)):
        raise _refused(path, f"states that its voxels start at byte {stated:g}, but they start at 352 or later")
    return int(stated)


def _scale(fields: np.void, path: Path) -> tuple[float, float]:
    slope, intercept = float(fields["scl_slope"]), float(fields["scl_inter"])
    if (slope, intercept) == (0, 0):
        return 1.0, 0.0
    if np.isfinite([slope, intercept]).all() and abs(slope) >= SMALLEST_SLOPE:
        return slope, intercept
    raise _refused(path, f"states a scale that programs read differently (slope {slope:g}, intercept {intercept:g})")


def _refused(path: Path, reason: str) -> RefusalError:
    return RefusalError(f"{path} {reason}; export the image again as NIfTI-1 with one number in each voxel.")
