"""SUV of real series and of the reference objects of the development data."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from dicom_builder import item
from io_helpers import unzip
from pydicom.dataset import Dataset

from medsynth_core.io.reading import read_volume
from medsynth_core.io.suv.conversion import pet_conversion

OBJECTS = ("0_0", "1_0", "2_0", "2_1", "2_3", "2_4", "3_0", "3_1", "3_3", "4_0", "4_2")
ISOTOPE = (
    "RadionuclideTotalDose",
    "RadionuclideHalfLife",
    "RadiopharmaceuticalStartTime",
    "RadiopharmaceuticalStartDateTime",
)
# Weight in kg, dose in Bq, half-life and time from injection to reference in s, read from the files.
BY_ACTIVITY = {
    "SIEMENS": (67, 374e6, 6586.2, 8264),
    "GE_MEDICAL_AND_BQML": (52, 152022720, 6586.2, 4281),
    "RADIOPHARM_DATETIME_UNDEFINED": (102, 412e6, 6586.2, 3871.843),
    "PHILIPS_BQML": (64, 126e6, 6586.2, 3657),
    "BQML_AC_DT_lessThan_S_DT_SIEMENS": (65, 225e6, 6586.2, 3255),
    "CPS_AND_BQML_AC_DT_-_S_DT": (69, 388e6, 6586.2, 3791.234),
}
PHILIPS_SUV, PHILIPS_ACTIVITY = (0x7053, 0x1000), (0x7053, 0x1009)


@pytest.mark.parametrize("name", OBJECTS)
def test_minimum_median_and_maximum_of_a_reference_object(shared_data, name):
    folder = shared_data / "suv_dro" / f"DRO_{name}"
    volume, mask = read_volume(folder / "PT", unit="SUVbw"), read_volume(folder / "mask" / "DRO_mask.nii.gz")
    assert volume.same_grid(mask, tolerance=0.1)
    inside = volume.voxels[mask.voxels > 0]
    found = [inside.min(), np.median(inside), inside.max()]
    assert found == pytest.approx([0.2, 1.0, 4.0], abs=0.025 if name == "2_3" else 0.005)


def test_a_whole_body_pet_gives_the_suv_that_others_published(shared_data, tmp_path):
    unzip(shared_data / "pet-wb-dicom" / "STS_001_FDG_PET_GE_DiscoveryST_BQML.zip", tmp_path)
    whole = read_volume(tmp_path)
    part = read_volume(shared_data / "sts" / "STS_001" / "pet.nii.gz", "PT", "SUVbw")
    to_whole = np.linalg.inv(whole.ijk_to_ras) @ part.ijk_to_ras
    assert np.allclose(to_whole[:3, :3], np.eye(3), atol=1e-3)
    i, j, k = np.rint(to_whole[:3, 3]).astype(int)
    slices, rows, columns = part.shape
    overlap = whole.voxels[k : k + slices, j : j + rows, i : i + columns]
    assert overlap.shape == part.shape and part.voxels.max() > 5
    assert np.abs(overlap - part.voxels).max() <= 8.5e-4
    assert whole.metadata["suv"]["injection_to_reference_s"] == 2711


def test_a_series_that_is_suv_already_stays_so(shared_data, tmp_path):
    unzip(shared_data / "sts-dicom" / "STS_008.zip", tmp_path)
    volume = read_volume(tmp_path / "PET")
    reference = read_volume(shared_data / "sts" / "STS_008" / "pet.nii.gz", "PT", "SUVbw")
    assert np.abs(volume.voxels - reference.voxels).max() <= 1e-5
    assert volume.metadata["suv"] == {"units": "GML", "suv_type": "BW", "factor": 1.0, "warnings": []}
    lean = read_volume(tmp_path / "PET", unit="SUVlbm")
    assert np.allclose(lean.voxels, volume.voxels * (1.07 * 55 - 148 * (55 / 153) ** 2) / 55, rtol=1e-6)


@pytest.mark.parametrize(("name", "late"), [("1.dcm", 3976.921), ("2.dcm", 0.109)])
def test_slices_of_a_scanner_without_a_name(shared_data, name, late):
    told = read_volume(shared_data / "dicom-edge" / "suyashkumar" / name).metadata["suv"]
    left = told["dose_bq"] * 2 ** (-late / 6586.2)
    assert told["injection_to_reference_s"] == pytest.approx(late)
    assert told["factor"] == pytest.approx(told["weight_kg"] * 1000 / left)


def vendor_slices(shared_data, name: str) -> list[Dataset]:
    path = shared_data / "dicom-edge" / "vendor-pet-metadata-json" / f"{name}-instances.json"
    return [_slice(stated) for stated in json.loads(path.read_text())]


def _slice(stated: dict) -> Dataset:
    private = stated.pop("PhilipsPETPrivateGroup")
    isotope = {keyword: stated.pop(keyword) for keyword in ISOTOPE if keyword in stated}
    dataset = item(**stated, RadiopharmaceuticalInformationSequence=[item(**isotope)])
    for tag, key in ((PHILIPS_SUV, "SUVScaleFactor"), (PHILIPS_ACTIVITY, "ActivityConcentrationScaleFactor")):
        if key in private:
            dataset.add_new(tag, "DS", private[key])
    return dataset


def factors(slices: list[Dataset], unit: str = "SUVbw") -> list[float]:
    return pet_conversion(slices, 0.05, name="the series", unit=unit).factors


@pytest.mark.parametrize("name", BY_ACTIVITY)
def test_headers_of_vendors_in_activity(shared_data, name):
    weight, dose, half_life, late = BY_ACTIVITY[name]
    expected = weight * 1000 / (dose * math.exp(-math.log(2) * late / half_life))
    assert factors(vendor_slices(shared_data, name)) == pytest.approx([expected] * 3, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "scale"), [("PHILIPS_CNTS_AND_SUV", 0.000728), ("PHILIPS_CNTS_AND_BQML_SUV", 0.000551)]
)
def test_headers_of_philips_in_counts(shared_data, name, scale):
    assert factors(vendor_slices(shared_data, name)) == [scale] * 3


@pytest.mark.parametrize("name", ["PHILIPS_BQML", "PHILIPS_CNTS_AND_BQML_SUV"])
def test_suv_from_dose_and_times_agrees_with_the_philips_factor(shared_data, name):
    slices = vendor_slices(shared_data, name)
    vendors = float(slices[0][PHILIPS_SUV].value) / float(slices[0][PHILIPS_ACTIVITY].value)
    activity = factors(slices, unit="Bq/mL")
    for dataset in slices:
        del dataset[PHILIPS_SUV]
    ours = [suv / bq for suv, bq in zip(factors(slices), activity, strict=True)]
    assert ours == pytest.approx([vendors] * 3, rel=1e-3)
