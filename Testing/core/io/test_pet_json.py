"""A PET-BIDS JSON beside an image gives modality, unit and SUV, or the reason why not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from io_helpers import noise_volume

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_labelled, write_volume

HALF_LIFE = 6586.2
# 70 kg, 350 MBq, corrected to one hour after the injection.
FACTS = {
    "Modality": "PT",
    "Units": "Bq/mL",
    "TracerRadionuclide": "F18",
    "InjectedRadioactivity": 350,
    "InjectedRadioactivityUnits": "MBq",
    "InjectionStart": 0,
    "ImageDecayCorrected": True,
    "ImageDecayCorrectionTime": 3600,
    "PatientWeight": 70,
}
FACTOR = 70000 / (350e6 * math.exp(-math.log(2) * 3600 / HALF_LIFE))
# In Bq/mL: SUVs up to 3.
ACTIVITY = noise_volume().replace(voxels=100 * noise_volume(dtype="float32").voxels)


def pet_with(folder: Path, suffix: str = ".nii.gz", **changes: object) -> Path:
    """Write a PET and its JSON; a fact that is None is left out."""
    path = write_volume(ACTIVITY, folder / f"pet{suffix}")
    facts = {name: value for name, value in {**FACTS, **changes}.items() if value is not None}
    (folder / "pet.json").write_text(json.dumps(facts))
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("unit", ["", "SUVbw"])
def test_suv_follows_from_dose_weight_and_times(tmp_path, suffix, unit):
    volume = read_volume(pet_with(tmp_path, suffix), unit=unit)
    assert (volume.modality, volume.unit) == ("PT", "SUVbw")
    assert np.allclose(volume.voxels, ACTIVITY.voxels * FACTOR, rtol=1e-6)
    assert volume.metadata["suv"]["weight_kg"] == 70 and volume.metadata["suv"]["dose_bq"] == 350e6


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({"InjectedRadioactivity": 350e6, "InjectedRadioactivityUnits": "Bq"}, FACTOR),
        ({"InjectedRadioactivity": [350.0]}, FACTOR),
        ({"InjectionStart": 1800, "ImageDecayCorrectionTime": 5400}, FACTOR),
        ({"TracerRadionuclide": "18F"}, FACTOR),
        ({"TracerRadionuclide": "[11C]"}, 70000 / (350e6 * 2 ** (-3600 / 1221.8))),
        ({"ImageDecayCorrectionTime": 0}, 70000 / 350e6),
        ({"Units": "kBq/mL"}, 1000 * FACTOR),
        ({"Units": "BQML"}, FACTOR),
        ({"PatientWeight": None, "BodyWeight": 35}, FACTOR / 2),
        ({"Units": "SUV"}, 1.0),
    ],
)
def test_units_and_times_in_other_forms(tmp_path, changes, factor):
    volume = read_volume(pet_with(tmp_path, **changes))
    assert volume.unit == "SUVbw"
    assert np.allclose(volume.voxels, ACTIVITY.voxels * factor, rtol=1e-6)


def test_the_stored_activity_can_be_had(tmp_path):
    volume = read_volume(pet_with(tmp_path), unit="Bq/mL")
    assert volume.unit == "Bq/mL" and np.array_equal(volume.voxels, ACTIVITY.voxels)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"PatientWeight": None}, "no PatientWeight"),
        ({"PatientWeight": -1}, "impossible"),
        ({"InjectedRadioactivity": None}, "no valid InjectedRadioactivity"),
        ({"InjectedRadioactivity": "many"}, "no valid InjectedRadioactivity"),
        ({"InjectedRadioactivityUnits": "spoons"}, r"InjectedRadioactivityUnits \('spoons'\)"),
        ({"TracerRadionuclide": "X99"}, r"no known TracerRadionuclide \('X99'\)"),
        ({"InjectionStart": None}, "no valid InjectionStart"),
        ({"InjectionStart": 7200}, "the injection is 3600 s after the scan"),
        ({"ImageDecayCorrected": False}, "ImageDecayCorrected"),
        ({"ImageDecayCorrectionTime": None}, "no valid ImageDecayCorrectionTime"),
    ],
)
def test_what_is_missing_is_named(tmp_path, changes, reason):
    path = pet_with(tmp_path, **changes)
    with pytest.raises(MedSynthError, match=f"cannot be converted to SUVbw: .*{reason}"):
        read_volume(path, unit="SUVbw")
    stored = read_volume(path)
    assert stored.unit == "Bq/mL" and np.array_equal(stored.voxels, ACTIVITY.voxels)
    with pytest.raises(MedSynthError, match=reason):
        raise MedSynthError(stored.metadata["suv_refused"])


def test_the_weight_may_stand_in_the_table_of_participants(tmp_path):
    folder = tmp_path / "sub-01" / "ses-a" / "pet"
    folder.mkdir(parents=True)
    path = pet_with(folder, PatientWeight=None)
    with pytest.raises(MedSynthError, match=r"neither .* nor participants.tsv states the weight of 'sub-01'"):
        read_volume(path, unit="SUVbw")
    (tmp_path / "participants.tsv").write_text("participant_id\tsex\tweight\nsub-00\tF\t50\nsub-01\tM\t35\n")
    assert np.allclose(read_volume(path).voxels, ACTIVITY.voxels * FACTOR / 2, rtol=1e-6)


def test_without_attenuation_correction_the_suv_is_doubted(tmp_path):
    (doubt,) = read_volume(pet_with(tmp_path, AttenuationCorrection="none")).metadata["suv"]["warnings"]
    assert "without attenuation correction" in doubt


@pytest.mark.parametrize("unit", ["HU", "SUVlbm", "SUVbw"])
def test_a_unit_that_the_json_contradicts_is_refused(tmp_path, unit):
    path = pet_with(tmp_path, Units="CNTS" if unit == "SUVbw" else "Bq/mL")
    with pytest.raises(MedSynthError, match=f"cannot be read in {unit}, as the JSON beside it states"):
        read_volume(path, unit=unit)


def test_another_modality_is_refused(tmp_path):
    with pytest.raises(MedSynthError, match="requested as CT, but the JSON beside it states that it is a PET"):
        read_volume(pet_with(tmp_path), modality="CT")


def test_medsynths_own_json_comes_first(tmp_path):
    own = noise_volume().replace(modality="PT", unit="Bq/mL", metadata={"medsynth_version": "1"})
    path = write_labelled(own, pet_with(tmp_path))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["pet.json", "pet.nii.gz", "pet.nii.gz.json"]
    assert json.loads((tmp_path / "pet.json").read_text()) == FACTS
    assert np.array_equal(read_volume(path).voxels, own.voxels) and read_volume(path).unit == "Bq/mL"


@pytest.mark.parametrize("weight", ["nan", "inf", "-inf", "n/a", ""])
def test_a_weight_of_participants_that_is_no_number_is_asked_for(tmp_path, weight):
    folder = tmp_path / "sub-01" / "pet"
    folder.mkdir(parents=True)
    (tmp_path / "participants.tsv").write_text(f"participant_id\tweight\nsub-01\t{weight}\n")
    volume = read_volume(pet_with(folder, PatientWeight=None))
    assert volume.unit == "Bq/mL" and "weight of 'sub-01'" in volume.metadata["suv_refused"]


def test_a_weight_in_grams_is_taken_as_such_and_an_unusual_dose_is_doubted(tmp_path):
    volume = read_volume(pet_with(tmp_path, PatientWeight=70000))
    assert np.allclose(volume.voxels, ACTIVITY.voxels * FACTOR, rtol=1e-6)
    assert volume.metadata["suv"]["warnings"] == ["'PatientWeight' is 70000: taken as grams."]
    (doubt,) = read_volume(pet_with(tmp_path, InjectedRadioactivity=20000)).metadata["suv"]["warnings"]
    assert "286 MBq per kg, which is unusual" in doubt


def test_a_dynamic_scan_may_begin_seconds_before_the_injection(tmp_path):
    volume = read_volume(pet_with(tmp_path, InjectionStart=10, ImageDecayCorrectionTime=0))
    assert np.allclose(volume.voxels, ACTIVITY.voxels * (70000 / 350e6) / 2 ** (10 / HALF_LIFE), rtol=1e-6)
    (doubt,) = volume.metadata["suv"]["warnings"]
    assert doubt.startswith("The injection is 10 s after the start of the scan")
    late = pet_with(tmp_path, InjectionStart=70, ImageDecayCorrectionTime=0)
    assert "the injection is 70 s after the scan" in read_volume(late).metadata["suv_refused"]


@pytest.mark.parametrize(
    ("changes", "factor"),
    [
        ({"TracerRadionuclide": "^18^Fluorine"}, FACTOR),
        ({"TracerRadionuclide": "fluorine-18"}, FACTOR),
        ({"TracerRadionuclide": "68Ga-PSMA-11"}, 70000 / (350e6 * 2 ** (-3600 / 4057.74))),
        ({"TracerRadionuclide": "K38", "RadionuclideHalfLife": 2000}, 70000 / (350e6 * 2 ** (-3600 / 2000))),
        ({"InjectedRadioactivityUnits": "mbq"}, FACTOR),
        ({"PatientWeight": "70"}, FACTOR),
        ({"PatientWeight": None, "weight_lb": 154.3235835}, FACTOR),
        ({"Units": "nCi/cc"}, 37 * FACTOR),
    ],
)
def test_more_names_of_nuclides_and_units(tmp_path, changes, factor):
    volume = read_volume(pet_with(tmp_path, **changes))
    of_values = [each for each in volume.metadata["suv"]["warnings"] if "The values of the volume" in each]
    assert volume.unit == "SUVbw" and volume.metadata["suv"]["warnings"] == of_values
    assert np.allclose(volume.voxels, ACTIVITY.voxels * factor, rtol=1e-6)


def test_an_unknown_unit_is_said(tmp_path):
    volume = read_volume(pet_with(tmp_path, Units="arbitrary"))
    assert volume.unit == "" and "in 'arbitrary', which cannot be converted" in volume.metadata["suv_refused"]


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_another_image_of_the_stem_is_not_scaled_by_the_json_of_the_nifti(tmp_path, suffix):
    pet_with(tmp_path)
    other = read_volume(write_volume(ACTIVITY, tmp_path / f"pet{suffix}"))
    assert np.array_equal(other.voxels, ACTIVITY.voxels)
    assert (other.modality, other.unit) == ("", "") and "describes 'pet.nii.gz'" in other.metadata["suv_refused"]
    assert read_volume(tmp_path / "pet.nii.gz").unit == "SUVbw"


def test_two_nifti_files_of_one_json_are_doubted(tmp_path):
    write_volume(ACTIVITY, tmp_path / "pet.nii")
    (doubt,) = read_volume(pet_with(tmp_path)).metadata["suv"]["warnings"]
    assert "describe both 'pet.nii.gz' and 'pet.nii'" in doubt


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AttenuationCorrection": "No attenuation correction"}, "AttenuationCorrection is 'No attenuation"),
        ({"AttenuationCorrection": False}, "AttenuationCorrection is 'False'"),
        ({"AttenuationCorrectionMethod": "NONE"}, "AttenuationCorrectionMethod is 'NONE'"),
        ({"SeriesDescription": "WB noCTAC"}, "It is named as uncorrected: "),
        ({"SeriesDescription": "PET NAC", "AttenuationCorrection": "CT-based"}, "although AttenuationCorrection"),
        ({"SeriesDescription": "PET AC post NAC", "AttenuationCorrection": "MR-based"}, ""),
    ],
)
def test_each_sign_of_a_missing_attenuation_correction_is_told(tmp_path, changes, words):
    warnings = read_volume(pet_with(tmp_path, **changes)).metadata["suv"]["warnings"]
    assert [words in warning for warning in warnings] == ([True] if words else [])
