"""Reading of MetaImage files.

Implemented here because ITK's library crashes on damaged headers, fills the missing part of damaged voxels with noise,
and invents an orientation if none is stated. The numbers mean what they mean to ITK, with which
`Testing/core/io/test_reader_oracles.py` compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.regular_file import open_regular
from medsynth_core.io.stored_voxels import PACKED_DAMAGE, ZlibReader, check_fits, fill, truncated
from medsynth_core.io.text_header import check_millimetres, metaimage_fields, rescaled_by, unreadable, unstated
from medsynth_core.volume import LPS_TO_RAS, StatedGrid, Volume

FORMAT = "MetaImage"
_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
_TRUTH = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
# Names that mean the same.
_DIRECTIONS = ("TransformMatrix", "Orientation", "Rotation")
_ORIGINS = ("Offset", "Origin", "Position")
_SPACINGS = ("ElementSpacing", "ElementSize")
_LAST = "ElementDataFile"
_UNIT = "DistanceUnits"
_SCALES = {"ElementToIntensityFunctionSlope": 1.0, "ElementToIntensityFunctionOffset": 0.0}


def read_metaimage(path: Path) -> Volume:
    """Return the volume of a MetaImage file, with the geometry exactly as stated in it.

    Raises:
        MedSynthError: the file is damaged, states no orientation, is not a scalar 3-D image, is not in mm, or its
            voxels are text, spread over several files or to be rescaled.
        OSError: a file cannot be opened.
    """
    fields, end = metaimage_fields(path, _LAST)
    if _LAST not in fields or "DimSize" not in fields:
        raise unreadable(path, FORMAT)
    _check_dimensions(fields, path)
    _check_scales(fields, path)
    spacing, direction, origin = _frame(fields, path)
    voxels = _voxels(fields, path, end)
    # As ITK computes it; the columns of its direction are the rows of the file's matrix.
    lps = np.eye(4)
    lps[:3, :3], lps[:3, 3] = direction * spacing, origin
    numbers = {"Spacing": spacing.tolist(), "Direction": direction.ravel().tolist(), "Origin": origin.tolist()}
    matrix = LPS_TO_RAS @ lps
    return Volume(voxels, matrix, stated=StatedGrid(FORMAT, numbers, matrix))


def voxels_file(path: Path) -> Path | None:
    """Return the file in which a header of its own says its voxels are; None if it does not say, or cannot be read."""
    try:
        name = metaimage_fields(path, _LAST)[0].get(_LAST, "")
    except (MedSynthError, OSError):
        return None
    return path.parent / name if name and "\0" not in name and name.upper() != "LOCAL" else None


def _check_dimensions(fields: Mapping[str, str], path: Path) -> None:
    count, channels = _whole(fields, "NDims", path), _whole(fields, "ElementNumberOfChannels", path, 1)
    if channels != 1:
        raise MedSynthError(
            f"{path.name} has {channels} values per voxel (colours or vectors), but a volume has one; convert it to a "
            "scalar image."
        )
    if count != 3:
        raise MedSynthError(
            f"{path.name} has {count} dimensions, but a volume has three; extract one three-dimensional frame."
        )


def _check_scales(fields: Mapping[str, str], path: Path) -> None:
    """Refuse a unit of length other than mm, and a scale of the values, of which other programs take no notice."""
    check_millimetres(fields.get(_UNIT, ""), _UNIT, path)
    for name, identity in _SCALES.items():
        try:
            other = name in fields and float(fields[name]) != identity
        except ValueError as error:
            raise unreadable(path, FORMAT) from error
        if other:
            raise rescaled_by(name, path)


def _frame(fields: Mapping[str, str], path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return spacing (3), direction (3×3) and origin (3) in LPS."""
    stated = [[name for name in names if name in fields] for names in (_SPACINGS, _DIRECTIONS, _ORIGINS)]
    if not stated[0] or not stated[1]:
        raise unstated(path, "its header needs 'TransformMatrix' and 'ElementSpacing'")
    if len(stated[1]) > 1 or len(stated[2]) > 1:
        raise MedSynthError(
            f"{path.name} states the position of its voxels in the patient twice ({', '.join(stated[1] + stated[2])}); "
            "export the image again."
        )
    spacing = _numbers(fields[stated[0][0]], 3, path)
    direction = _numbers(fields[stated[1][0]], 9, path).reshape(3, 3).T
    origin = _numbers(fields[stated[2][0]], 3, path) if stated[2] else np.zeros(3)
    if spacing.min() <= 0:
        raise unstated(path, f"its voxel size is {' × '.join(f'{each:g}' for each in spacing)} mm")
    return spacing, direction, origin


def _voxels(fields: Mapping[str, str], path: Path, end: int) -> np.ndarray:
    """Return the voxels (k, j, i); ``end`` is the position behind the header."""
    name = fields[_LAST]
    local = name.upper() == "LOCAL"
    if name.upper().startswith("LIST") or "%" in name or not _is(fields, "BinaryData", path, default=True):
        raise MedSynthError(
            f"{path.name} keeps its voxels in several files or as text, which MedSynth does not read; save it as one "
            "binary file."
        )
    (k, j, i), dtype = _layout(fields, path)
    if not name or "\0" in name:
        raise unreadable(path, FORMAT)
    data = path if local else path.parent / name
    try:
        size = data.stat().st_size
    except OSError as error:
        raise MedSynthError(
            f"{path.name} cannot be read: {data}, which holds its voxels, is missing ({reason_of(error)}); copy both."
        ) from error
    begin = _whole(fields, "HeaderSize", path, 0) or (end if local else 0)
    if not _is(fields, "CompressedData", path):
        return _plain(data, (k, j, i), dtype, begin if begin >= 0 else size - i * j * k * dtype.itemsize)
    # Without the length ITK takes a whole file for the stream, but finds no voxels behind a header.
    length = _whole(fields, "CompressedDataSize", path, None if local else size)
    if not (0 < length <= size - begin <= size):
        raise truncated(data)
    return _packed(data, (k, j, i), dtype, begin, length)


def _layout(fields: Mapping[str, str], path: Path) -> tuple[tuple[int, int, int], np.dtype]:
    """Return the shape (k, j, i) and the data type of the voxels in the file."""
    sides, kind = fields["DimSize"].split(), _TYPES.get(fields.get("ElementType", ""))
    if kind is None or len(sides) != 3 or not all(side.isdecimal() and int(side) for side in sides):
        raise unreadable(path, FORMAT)
    big = any(_is(fields, name, path) for name in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"))
    i, j, k = (int(side) for side in sides)
    return (k, j, i), np.dtype((">" if big else "<") + kind)


def _plain(path: Path, shape: tuple[int, int, int], dtype: np.dtype, begin: int) -> np.ndarray:
    check_fits(path, shape, dtype, max(begin, 0), packed=False)
    voxels = np.empty(shape, dtype)
    with open_regular(path) as file:
        file.seek(begin)
        fill(file, voxels, path)
    return voxels.astype(dtype.newbyteorder("="), copy=False)


def _packed(path: Path, shape: tuple[int, int, int], dtype: np.dtype, begin: int, length: int) -> np.ndarray:
    check_fits(path, shape, dtype, 0, packed=True)
    voxels = np.empty(shape, dtype)
    with open_regular(path) as file:
        file.seek(begin)
        stream = ZlibReader(file, length)
        try:
            fill(stream, voxels, path)
            complete = stream.ended()
        except PACKED_DAMAGE as error:
            raise truncated(path) from error
    if not complete:
        raise truncated(path)
    return voxels.astype(dtype.newbyteorder("="), copy=False)


def _is(fields: Mapping[str, str], name: str, path: Path, default: bool = False) -> bool:
    try:
        return _TRUTH[fields[name].lower()] if name in fields else default
    except KeyError as error:
        raise unreadable(path, FORMAT) from error


def _whole(fields: Mapping[str, str], name: str, path: Path, default: int | None = None) -> int:
    try:
        return int(fields[name]) if name in fields or default is None else default
    except (KeyError, ValueError) as error:
        raise unreadable(path, FORMAT) from error


def _numbers(text: str, count: int, path: Path) -> np.ndarray:
    try:
        found = np.array([float(value) for value in text.split()])
    except ValueError:
        found = np.zeros(0)
    if found.size != count or not np.isfinite(found).all():
        raise unstated(path, f"'{text[:60]}' are not {count} numbers")
    return found
