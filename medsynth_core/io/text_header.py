"""Geometry from the text headers of NRRD and MetaImage files.

Implemented here because ITK splits the matrix into spacing and direction, which rounds it, and invents a matrix if none
is stated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.regular_file import check_regular, open_regular

# Signs that turn the named space of an NRRD file into RAS.
_NRRD_SPACES = {
    "right-anterior-superior": (1, 1, 1), "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1), "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1), "lps": (-1, -1, 1),
}  # fmt: skip
# Spaces that name no direction in the patient. ITK takes their numbers for LPS, other programs for RAS.
_NRRD_SPACES_WITHOUT_PATIENT = {"scanner-xyz", "3d-right-handed", "3d-left-handed"}
_LONGEST_HEADER = 1 << 20
_DATA_FILE = re.compile(r"data ?file:(?!=)\s*(.*)", re.IGNORECASE)
# Encodings that ITK's NRRD library reads; it can be built with bzip2, but is not.
_NRRD_ENCODINGS = {"raw", "txt", "text", "ascii", "hex", "gz", "gzip"}
# Units of length that are millimetres, or none: "?" is what MetaImage writes for unknown.
_MILLIMETRES = re.compile(r"(mm\.?|milli-?met(er|re)s?|\?*|none|unknown|other)?", re.IGNORECASE)
# Characters of a line. ITK's NRRD library quotes a field that it cannot parse in a buffer that is not much longer.
_LONGEST_FIELD = 900


def nrrd_matrix(path: Path) -> np.ndarray:
    """Return the 4×4 matrix from voxels to RAS millimetres exactly as stated in a 3-D NRRD file.

    Raises:
        MedSynthError: the header states no such matrix.
        OSError: the file cannot be opened.
    """
    fields = _fields(path)
    space = fields.get("space", "").lower()
    vectors = re.findall(r"\(([^)]*)\)", fields.get("space directions", ""))
    origin = re.findall(r"\(([^)]*)\)", fields.get("space origin", ""))
    if space in _NRRD_SPACES_WITHOUT_PATIENT:
        raise MedSynthError(
            f"{path.name} states its position in the space '{fields['space']}', which does not say where the patient's "
            "left and front are; export the image again in the space left-posterior-superior."
        )
    if space not in _NRRD_SPACES or len(vectors) != 3 or len(origin) != 1:
        raise unstated(path, "its header needs 'space', 'space directions' and 'space origin'")
    matrix = np.eye(4)
    matrix[:3] = np.transpose([_numbers(vector, path) for vector in (*vectors, *origin)])
    matrix[:3] *= np.reshape(_NRRD_SPACES[space], (3, 1))
    return matrix


def check_nrrd_lines(path: Path) -> None:
    """Check, before ITK reads a NRRD file, that no line of its header is longer than its library can bear.

    Raises:
        MedSynthError: a field is too long, or this is no NRRD header.
        OSError: the file cannot be opened.
    """
    if not next(_lines(path)).startswith(b"NRRD"):
        raise unreadable(path, "NRRD")
    for line in _lines(path):
        name, colon, value = line.partition(b":")
        free = line.startswith(b"#") or value.startswith(b"=") or name == b"content"
        if len(line) > _LONGEST_FIELD and not (free and (colon or line.startswith(b"#"))):
            raise MedSynthError(
                f"The NRRD header of {path.name} is damaged: a line has {len(line)} characters, and a field at most "
                f"{_LONGEST_FIELD}; export the image again."
            )


def check_nrrd_files(path: Path) -> None:
    """Check, before ITK opens them, that the files in which a NRRD header says its voxels are can be read to an end.

    Raises:
        MedSynthError: one of them is missing, or the header does not say which.
        OSError: one of them is a pipe, socket or device.
    """
    try:
        for file in data_files(path):
            if not os.path.exists(file):
                raise MedSynthError(
                    f"The voxels of {path.name} should be in the file '{file.name}', which is not there; keep both "
                    "together."
                )
            check_regular(file)
    except (TypeError, ValueError) as error:
        raise unreadable(path, "NRRD") from error


def check_nrrd_fields(path: Path) -> None:
    """Check, before ITK reads a NRRD file, that it states nothing of which ITK takes no notice, and can be unpacked.

    Raises:
        MedSynthError: its unit of length is not mm, its values were quantized, or it has another encoding.
        OSError: the file cannot be opened.
    """
    fields = _fields(path)
    encoding = fields.get("encoding", "raw")
    if encoding.lower() not in _NRRD_ENCODINGS:
        raise MedSynthError(
            f"{path.name} has the encoding '{encoding[:60]}', which MedSynth does not read; save it with the encoding "
            "gzip or raw."
        )
    for quoted, bare in re.findall(r'"([^"]*)"|([^\s"]+)', fields.get("space units", "")):
        check_millimetres(quoted or bare, "space units", path)
    if quantized := [name for name in ("old min", "oldmin", "old max", "oldmax") if name in fields]:
        raise rescaled_by(quantized[0], path)


def check_millimetres(unit: str, field: str, path: Path) -> None:
    """Check the unit of length that a field of a header states; "" if none.

    Raises:
        MedSynthError: it is not mm.
    """
    if not _MILLIMETRES.fullmatch(unit.strip()):
        raise MedSynthError(
            f"{path.name} states its position and voxel size in '{unit[:60]}' ('{field}' of its header), but they are "
            "read in mm; convert it to mm."
        )


def rescaled_by(field: str, path: Path) -> MedSynthError:
    """Return the error for a header with a scale of the values that other programs, and ITK, take no notice of."""
    return MedSynthError(
        f"The values of {path.name} have to be rescaled by '{field}' of its header, which MedSynth does not do; save "
        "the file with the rescaled values."
    )


def data_files(path: Path) -> Iterator[Path]:
    """Yield the files of a detached header: one, those of a numbered pattern, or those of the list at its end."""
    lines = (line.decode("latin-1") for line in _lines(path))
    stated = next((found[1] for line in lines if (found := _DATA_FILE.match(line))), "")
    pattern, *numbers = stated.split() or [""]
    if pattern == "LIST":
        yield from (path.parent / name for name in lines if name)
    elif re.search(r"%\d*d", pattern) and len(numbers) >= 3:
        first, last, step = (int(number) for number in numbers[:3])
        yield from (path.parent / (pattern % number) for number in range(first, last + (1 if step > 0 else -1), step))
    elif stated:
        yield path.parent / stated


def metaimage_fields(path: Path, last: str) -> tuple[dict[str, str], int]:
    """Return the fields of a MetaImage header up to ``last``, and the position behind them in the file.

    Raises:
        MedSynthError: a field is there twice; programs may use either.
        OSError: the file cannot be opened.
    """
    fields: dict[str, str] = {}
    with open_regular(path) as file:
        while file.tell() < _LONGEST_HEADER and last not in fields:
            line = file.readline(_LONGEST_HEADER)
            if not line:
                break
            name, sign, value = (part.strip() for part in line.decode("latin-1").partition("="))
            if not sign and not name:
                continue
            # ITK takes the next line for the value of a name that stands alone.
            if not sign or len(name.split()) != 1:
                raise unreadable(path, "MetaImage")
            if name in fields:
                raise MedSynthError(f"The header of {path.name} states '{name[:60]}' twice; export the image again.")
            fields[name] = value
        return fields, file.tell()


def _numbers(text: str, path: Path) -> list[float]:
    """Return the three numbers of a vector."""
    try:
        x, y, z = (float(value) for value in text.split(","))
    except ValueError as error:
        raise unstated(path, f"({text[:60]}) are not three numbers") from error
    return [x, y, z]


def _fields(path: Path) -> dict[str, str]:
    """Return the fields of a NRRD header, with names in lower case; ``key:=value`` is none, whatever the key."""
    parts = (line.decode("latin-1").partition(":") for line in _lines(path))
    return {name.strip().lower(): value.strip() for name, _, value in parts if not value.startswith("=")}


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a text header, without the space around them, up to the first empty one."""
    with open_regular(path) as file:
        while file.tell() < _LONGEST_HEADER:
            line = file.readline(_LONGEST_HEADER).strip()
            yield line
            if not line:
                break


def unreadable(path: Path, kind: str) -> MedSynthError:
    """Return the error for a file that cannot be read as an image of its ``kind``."""
    return MedSynthError(
        f"{path.name} cannot be read as a {kind} image: it is damaged, truncated or in another format; export it again."
    )


def unstated(path: Path, needed: str) -> MedSynthError:
    """Return the error for a file whose header lacks what is ``needed`` to place its voxels."""
    return MedSynthError(
        f"{path.name} does not state the position of its voxels in the patient ({needed}); "
        "export the image again with its orientation."
    )
