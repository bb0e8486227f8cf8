"""Kaggle's "Finding and Measuring Lungs in CT Data": slices and volumes of CT with the lungs segmented.

Mader K (2017), www.kaggle.com/kmader/finding-lungs-in-ct-data. As downloaded and unpacked::

    2d_images/ID_0000_Z_0142.tif    267 slices
    2d_masks/ID_0000_Z_0142.tif
    3d_images/IMG_0002.nii.gz, MASK_0002.nii.gz

Slices and volumes are not cases of one training: where both are, the slices are listed, and the volumes if their
folder is chosen.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from medsynth_core.datasets.layouts.data_sets.data_set import DataSetReader, Listed, names_above

_SLICE = re.compile(r"(?P<case>ID_\d+_Z_\d+)\.tiff?", re.IGNORECASE)
_VOLUME = re.compile(r"(?P<kind>IMG|MASK)_(?P<number>\d+)\.nii(?:\.gz)?", re.IGNORECASE)
_OF_FOLDER = {"2d_images": "ct", "2d_masks": "lung"}
_OF_NAME = {"img": "ct", "mask": "lung"}
_DOUBT = (
    "The names do not tell patients, so each {} is taken for a patient of its own; if you know more, correct the "
    "column patient of the manifest."
)


def _slice(path: PurePath) -> Listed | None:
    found, role = _SLICE.fullmatch(path.name), _OF_FOLDER.get(path.parent.name.lower())
    return Listed(found["case"], found["case"], role) if found and role else None


def _volume(path: PurePath) -> Listed | None:
    found = _VOLUME.fullmatch(path.name)
    if not found or "3d_images" not in names_above(path, 1):
        return None
    case = f"IMG_{found['number']}"
    return Listed(case, case, _OF_NAME[found["kind"].lower()])


LUNG_VOLUMES = DataSetReader(
    "volumes of Kaggle's lung CT", "the number of the volume", ("ct",), _volume, labels=("lung",),
    doubt=_DOUBT.format("volume"),
)  # fmt: skip
LUNG_SLICES = DataSetReader(
    "slices of Kaggle's lung CT", "the number of the slice", ("ct",), _slice, labels=("lung",),
    doubt=_DOUBT.format("slice"), instead_of=(LUNG_VOLUMES.name,),
)  # fmt: skip
