"""A computed SUV is looked at: a unit that was stated wrongly shows in the values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dicom_builder import INJECTION, write_pet

from medsynth_core.io.dicom.suv_file import write_suv
from medsynth_core.io.reading import read_volume
from medsynth_core.io.suv.plausible import implausible_suv
from medsynth_core.io.writing import write_volume
from medsynth_core.volume import Volume

# SUVbw of 1 Bq/mL in the series of `write_pet`.
FACTOR = 70000 / (INJECTION["RadionuclideTotalDose"] * 2 ** (-3600 / 6586.2))
SHAPE = (10, 20, 20)


def body(tissue: float = 1.0, hottest: float = 8.0) -> np.ndarray:
    """Return SUVs (k, j, i) of a body of tissue with one hot voxel and air around it."""
    _, j, i = np.indices(SHAPE)
    image = np.where(np.hypot(j - 10, i - 10) < 7, tissue, 0.0)
    image[4, 10, 10] = hottest
    return image


def pet(folder: Path, values: np.ndarray, **tags: object) -> Path:
    """Write a PET series that shows values, as it is stored."""
    slope = float(values.max()) / 30000
    write_pet(
        folder,
        positions=[(0, 0, 3 * k) for k in range(len(values))],
        pixels=np.rint(values / slope).astype("uint16"),
        RescaleSlope=f"{slope:.9g}",
        **tags,
    )
    return folder


def doubts(folder: Path, unit: str = "") -> list[str]:
    return [each for each in read_volume(folder, unit=unit).metadata["suv"]["warnings"] if "The values of" in each]


@pytest.mark.parametrize("unit", ["", "SUVbw", "SUVlbm-janma", "SUVbsa"])
@pytest.mark.parametrize(
    ("scale", "units", "words"),
    [
        (1 / FACTOR, "GML", "too high for"),  # Bq/mL
        (0.1 / FACTOR, "GML", "too high for"),  # of a tenth of the dose
        (1.0, "BQML", "too low for"),  # SUV
        (1e-3 / FACTOR, "BQML", "too low for"),  # kBq/mL
        (1e3 / FACTOR, "BQML", "too high for"),
    ],
)
def test_a_unit_that_is_not_that_of_the_values_is_doubted(tmp_path, scale, units, words, unit):
    (doubt,) = doubts(pet(tmp_path / "pet", scale * body(), Units=units), unit)
    assert words in doubt and "check the unit" in doubt
    volume = write_suv(tmp_path / "pet", tmp_path / "suv.nii.gz", unit or "SUVbw")
    assert doubt.partition(";")[0][:30] in str(volume.metadata["suv"]["warnings"])


@pytest.mark.parametrize(
    "values",
    [
        body(),
        body(0.2, 0.2),  # a phantom
        body(4.0, 4.0),
        body(0.1, 0.3),  # legs
        body(0.0, 60.0),  # a small source and nothing else
        body(1.0, 900.0),  # an injection site
        body(12.0, 300.0),  # the liver after radioembolization, a small animal
    ],
)
def test_patients_animals_and_phantoms_are_not_doubted(tmp_path, values):
    folder = pet(tmp_path, values / FACTOR)
    assert doubts(folder) == []
    assert np.allclose(read_volume(folder).voxels, values, atol=values.max() / 20000)


def test_a_part_of_an_image_is_not_doubted(tmp_path):
    folder = pet(tmp_path, body() / FACTOR / 1000)
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    assert doubts(folder / "slice000.dcm") == []


def test_values_that_are_nan_do_not_count():
    image = body()
    image[0] = np.nan
    assert implausible_suv(image, "SUVbw") == ""
    assert "too low" in implausible_suv(image / 3000, "SUVbw")


# PET-BIDS

FACTS = {
    "Modality": "PT",
    "Units": "Bq/mL",
    "TracerRadionuclide": "F18",
    "InjectedRadioactivity": 368.08,
    "InjectedRadioactivityUnits": "MBq",
    "PatientWeight": 70,
    "InjectionStart": 0,
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 3600,
    "AttenuationCorrection": "model-based",
}


def bids(folder: Path, name: str, values: np.ndarray, **own: object) -> Path:
    """Write an image of a subject, with a JSON of its own if it states something, and that of the raw PET."""
    place = folder / "sub-01" / "pet"
    place.mkdir(parents=True, exist_ok=True)
    (place / "sub-01_pet.json").write_text(json.dumps(FACTS))
    if own:
        (place / f"{name}.json").write_text(json.dumps(own))
    return write_volume(Volume(values.astype("float32"), np.diag([2.0, 2, 2, 1])), place / f"{name}.nii.gz")


NAMES = ["sub-01_desc-SUV_pet", "sub-01_desc-suvbw_pet", "sub-01_space-ct_desc-SUV_pet", "sub-01_rec-SUVbw_pet"]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_whose_name_says_suv_does_not_inherit_activity(tmp_path, name):
    path = bids(tmp_path, name, body())
    volume = read_volume(path)
    assert np.allclose(volume.voxels, body()) and volume.unit == ""
    assert "its name says SUV" in volume.metadata["suv_refused"]
    for unit in ("SUVbw", "Bq/mL"):
        stated = read_volume(path, "PT", unit)
        assert np.allclose(stated.voxels, body()) and stated.unit == unit


@pytest.mark.parametrize("name", NAMES)
def test_its_own_json_counts(tmp_path, name):
    volume = read_volume(bids(tmp_path, name, body(), Units="g/mL"))
    assert np.allclose(volume.voxels, body()) and volume.unit == "SUVbw"


@pytest.mark.parametrize("name", ["sub-01_pet", "sub-01_desc-smooth_pet", "sub-01_ses-suv_pet"])
def test_other_images_inherit_it(tmp_path, name):
    volume = read_volume(bids(tmp_path, name, body() / FACTOR))
    assert np.allclose(volume.voxels, body(), rtol=1e-4) and volume.metadata["suv"]["warnings"] == []


@pytest.mark.parametrize("unit", ["", "SUVbw"])
@pytest.mark.parametrize(
    ("scale", "stated", "words"), [(1.0, "Bq/mL", "too low"), (1 / FACTOR, "SUV", "too high"), (1.0, "SUV", "")]
)
def test_the_values_of_a_json_are_looked_at(tmp_path, scale, stated, words, unit):
    path = bids(tmp_path, "sub-01_desc-x_pet", scale * body(), **{**FACTS, "Units": stated})
    found = read_volume(path, unit=unit).metadata["suv"]["warnings"] if words else []
    assert [words in each for each in found] == [True] * bool(words)


def test_the_json_of_an_image_in_capitals_is_not_that_of_another(tmp_path):
    path = bids(tmp_path, "sub-01_pet", body() / FACTOR)
    path = path.rename(path.with_name("sub-01_pet.NII.GZ"))
    other = path.with_name("sub-01_pet.nrrd")
    write_volume(Volume(body(), np.eye(4)), other)
    assert read_volume(path).unit == "SUVbw" and read_volume(other).unit == ""
    path.with_name("sub-01_pet.nii").write_bytes(b"")
    assert any("describe both" in each for each in read_volume(path).metadata["suv"]["warnings"])
