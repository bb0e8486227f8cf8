"""What the text headers of NRRD and MetaImage files state about the place of their voxels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from medsynth_core.errors import MedSynthError

# Signs that turn the named space of an NRRD file into RAS.
_NRRD_SPACES = {
    "right-anterior-superior": (1, 1, 1), "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1), "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1), "lps": (-1, -1, 1),
}  # fmt: skip
_METAIMAGE_ORIENTATIONS = ("transformmatrix", "orientation", "rotation")
_LONGEST_HEADER = 1 << 20


def nrrd_matrix(path: Path) -> np.ndarray:
    """Return the 4×4 matrix from voxels to RAS millimetres exactly as a 3-D NRRD file states it.

    Raises:
        MedSynthError: the header states no such matrix.
        OSError: the file cannot be opened.
    """
    fields = _fields(path, ":", "")
    signs = _NRRD_SPACES.get(fields.get("space", "").lower())
    vectors = re.findall(r"\(([^)]*)\)", fields.get("space directions", ""))
    origin = re.findall(r"\(([^)]*)\)", fields.get("space origin", ""))
    if signs is None or len(vectors) != 3 or len(origin) != 1:
        raise _unstated(path, "its header needs 'space', 'space directions' and 'space origin'")
    columns = [[float(value) for value in vector.split(",")] for vector in (*vectors, *origin)]
    matrix = np.eye(4)
    matrix[:3] = np.transpose(columns) * np.reshape(signs, (3, 1))
    return matrix


def check_metaimage_states_place(path: Path) -> None:
    """Refuse a MetaImage file whose header leaves the orientation or the spacing to the reader's fancy.

    Raises:
        MedSynthError: one of the two is missing.
        OSError: the file cannot be opened.
    """
    fields = _fields(path, "=", "elementdatafile")
    oriented = any(name in fields for name in _METAIMAGE_ORIENTATIONS)
    if not oriented or not {"elementspacing", "elementsize"} & set(fields):
        raise _unstated(path, "its header needs 'TransformMatrix' and 'ElementSpacing'")


def _fields(path: Path, separator: str, last: str) -> dict[str, str]:
    """Return the fields (names in lower case) up to the one called ``last`` or, for "", an empty line."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while file.tell() < _LONGEST_HEADER:
            line = file.readline(_LONGEST_HEADER).decode("latin-1").strip()
            name, _, value = line.partition(separator)
            fields[name.strip().lower()] = value.strip()
            if last in fields or not line:
                break
    return fields


def _unstated(path: Path, needed: str) -> MedSynthError:
    return MedSynthError(
        f"{path.name} does not state how its voxels lie in the patient ({needed}); "
        "export the image again with its orientation."
    )
