"""PET objects of every family of headers, built so that their SUV is 0.20, 1.00 and 4.00, and read from disk."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_builder import item, write_pet

from medsynth_core.io.reading import read_volume

RATE = math.log(2) / 6586.2
# What SUVbw 1 is in the units of the file: 3600 Bq/mL at the scan, 5258.286 at the injection.
AT_SCAN = 368.08e6 * 2 ** (-3600 / 6586.2) / 70000
AT_INJECTION = 368.08e6 / 70000
NOT_CORRECTED = [
    AT_INJECTION * math.exp(-RATE * (3600 + later)) * (1 - math.exp(-RATE * 300)) / (RATE * 300)
    for later in (0, 300, 600, 900)
]
LATE_SERIES = {"SeriesTime": "143000"}
NIGHT = {"SeriesDate": "20250102", "SeriesTime": "003000", "AcquisitionDate": "20250102", "AcquisitionTime": "003000"}
ONLY_TIME = {"RadiopharmaceuticalStartDateTime": None}


def nuclide(code: str) -> dict[str, Any]:
    """Return an injection of a nuclide whose half-life the scanner left out."""
    return {"RadionuclideHalfLife": None, "RadionuclideCodeSequence": [item(CodeValue=code)]}


FAMILIES: dict[str, tuple[float | list[float], dict[str, Any], dict[str, Any]]] = {
    "0_0 Bq/mL, START": (AT_SCAN, {}, {}),
    "1_0 a slope a slice": (AT_SCAN, {"stored_one": [10000, 5000, 8000, 15000]}, {}),
    "2_0 g/mL": (1.0, {"Units": "GML", "SUVType": "BW"}, {}),
    "2_1 lean body mass": (56.52 / 70, {"Units": "GML", "SUVType": "LBMJAMES128", "PatientSex": "M"}, {}),
    "2_2 ideal weight": (69.405 / 70, {"Units": "GML", "SUVType": "IBW"}, {}),
    "2_3 body surface": (1.848143 / 7, {"Units": "CM2ML", "SUVType": "BSA"}, {}),
    "2_4 Philips SUV": (1 / 0.0005, {"Units": "CNTS", "private": {(0x7053, 0x1000): ("DS", "0.0005")}}, {}),
    "2_5 Philips activity": (AT_SCAN / 1.5, {"Units": "CNTS", "private": {(0x7053, 0x1009): ("DS", "1.5")}}, {}),
    "3_0 dose in MBq": (AT_SCAN, {}, {"RadionuclideTotalDose": 368.08}),
    "3_1 ADMIN": (AT_INJECTION, {"DecayCorrection": "ADMIN"}, {}),
    "3_2 series after acquisition": (AT_SCAN, LATE_SERIES, {}),
    "3_3 GE": (
        AT_SCAN,
        {**LATE_SERIES, "AcquisitionTime": "113000", "private": {(0x0009, 0x100D): ("DT", "20250101110000.00")}},
        {},
    ),
    "3_4 NONE": (NOT_CORRECTED, {"DecayCorrection": "NONE", "CorrectedImage": ["ATTN"]}, {}),
    "4_0 date with time alone": (AT_SCAN, {}, {"RadiopharmaceuticalStartTime": None}),
    "4_1 time alone": (AT_SCAN, {}, ONLY_TIME),
    "4_2 over midnight": (AT_SCAN, NIGHT, {**ONLY_TIME, "RadiopharmaceuticalStartTime": "233000"}),
    "5_0 Ga-68": (368.08e6 * 2 ** (-3600 / 4057.74) / 70000, {}, {"RadionuclideHalfLife": 4057.74}),
    # Beyond the reference objects: a line for each quirk.
    "Zr-89 without half-life": (368.08e6 * 2 ** (-3600 / 282276) / 70000, {}, nuclide("C-168A4")),
}


def write_object(folder: Path, one: float | list[float], tags: dict[str, Any], injected: dict[str, Any]) -> None:
    """Write four slices of SUV 1 with a cold and a hot voxel in each.

    ``one`` is SUV 1 in the units of the file, for all slices or for each; ``stored_one`` among the tags how it is
    stored.
    """
    tags = {**tags}
    stored = np.array(tags.pop("stored_one", [10000] * 4), np.uint16)
    ones = one if isinstance(one, list) else [one] * 4
    pixels = np.tile(stored[:, None, None], (1, 4, 5))
    pixels[:, 1, 1], pixels[:, 2, 3] = stored // 5, stored * 4
    per_slice = [{"RescaleSlope": f"{value / count:.10g}"} for value, count in zip(ones, stored, strict=True)]
    if tags.get("DecayCorrection") == "NONE":
        per_slice = [{**own, "AcquisitionTime": f"11{5 * k:02d}00"} for k, own in enumerate(per_slice)]
    write_pet(folder, injected, positions=[(0, 0, 4 * k) for k in range(4)], pixels=pixels, per_slice=per_slice, **tags)


def test_all_seventeen_families_of_the_reference_objects_are_here():
    assert sum(bool(re.match(r"\d_\d ", name)) for name in FAMILIES) == 17


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("unit", ["SUVbw", ""])
def test_minimum_median_and_maximum(tmp_path, family, unit):
    write_object(tmp_path, *FAMILIES[family])
    volume = read_volume(tmp_path, unit=unit)
    assert (volume.modality, volume.unit) == ("PT", "SUVbw")
    for voxels in volume.voxels:
        assert [voxels.min(), np.median(voxels), voxels.max()] == pytest.approx([0.2, 1.0, 4.0], rel=2e-6)
    assert volume.metadata["suv"]["factor"] and "suv_refused" not in volume.metadata
