"""The decay tags of a derived PET are true of its values, for any tags of its reference."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from derived_helpers import (
    ct_reference,
    decay_event,
    enhanced_pet_reference,
    findings,
    headers,
    pet_reference,
    series_start,
    synthetic,
)
from dicom_builder import injection
from pydicom import dcmread
from pydicom.dataset import FileDataset

from medsynth_core.io.dicom.derived.series_writing import write_dicom
from medsynth_core.io.reading import read_volume
from medsynth_core.volume import Volume

INJECTED, SCANNED = datetime(2020, 3, 4, 9, 30), datetime(2020, 3, 4, 10, 30)
SECOND = timedelta(seconds=1)


def derived(reference: Path, volume: Volume | None = None) -> list[FileDataset]:
    """Return the headers of a PET on the grid of the reference, after checking that they are valid."""
    written = write_dicom(volume or synthetic(), reference.with_name(f"of-{reference.name}"), reference)
    for file in written.iterdir():
        assert findings(file) == []
    return headers(written)


def without(folder: Path, *keywords: str) -> Path:
    for path in folder.iterdir():
        dataset = dcmread(path)
        for keyword in keywords:
            del dataset[keyword]
        dataset.save_as(path)
    return folder


def test_decay_that_the_conversion_to_suv_corrected_is_stated(tmp_path):
    reference = pet_reference(tmp_path / "pet", DecayCorrection="NONE", CorrectedImage=["ATTN", "SCAT"])
    suv, activity = read_volume(reference, unit="SUVbw"), read_volume(reference, unit="Bq/mL")
    per_dose = 71.5e3 / 370e6
    for k, header in enumerate(derived(reference, suv)):
        assert header.DecayCorrection == "ADMIN" and list(header.CorrectedImage) == ["ATTN", "SCAT", "DECY"]
        # The values are the measured ones times the factor that the slice states.
        stated = activity.voxels[k].astype(np.float64) * per_dose * header.DecayFactor
        assert np.allclose(suv.voxels[k], stated, rtol=1e-6)
        assert header.FrameReferenceTime == 60000 + k and header.SeriesTime == "103000"
        assert abs(decay_event(header) - INJECTED) < 2 * SECOND


def test_an_suv_that_the_scanner_stored_is_as_the_scanner_states(tmp_path):
    stored = {"Units": "GML", "SUVType": "BW"}
    none = derived(pet_reference(tmp_path / "none", **stored, DecayCorrection="NONE", CorrectedImage=["ATTN"]))[0]
    assert none.DecayCorrection == "NONE" and none.CorrectedImage == "ATTN" and "DecayFactor" not in none
    start = derived(pet_reference(tmp_path / "start", **stored))[2]
    assert start.DecayCorrection == "START" and "DECY" in start.CorrectedImage and start.DecayFactor == 1.03


def test_corrections_and_decay_correction_never_contradict_each_other(tmp_path):
    stored = {"Units": "GML", "SUVType": "BW"}
    none = derived(pet_reference(tmp_path / "none", **stored, DecayCorrection="NONE"))[0]
    assert list(none.CorrectedImage) == ["ATTN", "SCAT"]
    unlisted = derived(pet_reference(tmp_path / "unlisted", **stored, CorrectedImage="ATTN"))[0]
    assert unlisted.DecayCorrection == "START" and list(unlisted.CorrectedImage) == ["ATTN", "DECY"]
    untold = derived(pet_reference(tmp_path / "untold", DecayCorrection=None))[0]
    assert untold.DecayCorrection == "START" and "DECY" in untold.CorrectedImage


@pytest.mark.parametrize(("correction", "event"), [("START", SCANNED), ("ADMIN", INJECTED)])
def test_a_decay_factor_that_the_reference_lacks_follows_from_its_times(tmp_path, correction, event):
    reference = without(pet_reference(tmp_path / "pet", DecayCorrection=correction), "DecayFactor")
    for k, header in enumerate(derived(reference)):
        assert header.DecayCorrection == correction
        began, half_life = SCANNED + k * SECOND, 6586.2
        # The mean activity of a frame of two minutes is that of its middle, to a millionth.
        assert header.DecayFactor == pytest.approx(
            2 ** ((began + 60 * SECOND - event).total_seconds() / half_life), rel=1e-5
        )


def test_every_correction_of_an_enhanced_pet_is_a_term_of_the_standard(tmp_path):
    stated = (
        "DeadTimeCorrected", "GantryMotionCorrected", "PatientMotionCorrected", "CountLossNormalizationCorrected",
        "RandomsCorrected", "NonUniformRadialSamplingCorrected", "SensitivityCalibrated",
        "DetectorNormalizationCorrection",
    )  # fmt: skip
    reference = enhanced_pet_reference(tmp_path / "pet", **dict.fromkeys(stated, "YES"))
    # The defined terms of PS3.3 C.8.9.1.1.4.
    terms = ["DECY", "ATTN", "SCAT", "DTIM", "MOTN", "PMOT", "CLN", "RAN", "RADL", "DCAL", "NORM"]
    assert list(derived(reference, read_volume(reference))[0].CorrectedImage) == terms


@pytest.mark.parametrize(
    "tags",
    [{"RadiopharmaceuticalInformationSequence": None}, {"DecayCorrectionDateTime": "19000101000000"}],
    ids=["no tracer", "dates that were removed"],
)
def test_an_unknown_decay_factor_is_omitted(tmp_path, tags):
    reference = without(pet_reference(tmp_path / "pet", **tags), "DecayFactor")
    header = headers(write_dicom(synthetic(), tmp_path / "out", reference))[0]
    assert header.DecayCorrection == "START" and "DecayFactor" not in header
    assert header.FrameReferenceTime == 60000


def test_the_reference_time_of_the_frames_replaces_a_later_series_time(tmp_path):
    made_later = pet_reference(tmp_path / "pet", SeriesTime="120000")
    for k, header in enumerate(derived(without(made_later, "DecayFactor"))):
        assert abs(series_start(header) - SCANNED) < 2 * SECOND
        assert header.FrameReferenceTime == pytest.approx(60000 + 1000 * k, abs=500)
        assert abs(decay_event(header) - SCANNED) < 2 * SECOND


def test_an_enhanced_pet_is_stated_as_a_classic_one(tmp_path):
    reference = enhanced_pet_reference(tmp_path / "pet")
    for header, began in zip(derived(reference, read_volume(reference)), (0, 0, 30), strict=True):
        assert header.DecayCorrection == "START" and list(header.CorrectedImage) == ["DECY", "ATTN", "SCAT"]
        assert (header.SeriesDate, header.SeriesTime) == ("20250101", "110000.000000")
        assert (header.AcquisitionDate, header.AcquisitionTime) == ("20250101", f"11{began:02d}00.000000")
        assert header.ActualFrameDuration == 300000
        assert header.FrameReferenceTime == pytest.approx((began * 60 + 150) * 1000, abs=500)
        assert header.DecayFactor == pytest.approx(2 ** ((began * 60 + 150) / 6586.2), rel=1e-4)
        assert decay_event(header) == pytest.approx(datetime(2025, 1, 1, 11), abs=SECOND / 1000)
        # Classic PET states it in Bq, enhanced PET in MBq.
        assert header.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose == 368.08e6


@pytest.mark.parametrize(
    "tags",
    [{"DecayCorrectionDateTime": "20250101100000"}, {"DecayCorrected": "NO", "DecayCorrectionDateTime": None}],
    ids=["corrected to it", "not corrected"],
)
def test_an_enhanced_pet_whose_values_are_for_the_injection(tmp_path, tags):
    reference = enhanced_pet_reference(tmp_path / "pet", **tags)
    for header in derived(reference, read_volume(reference)):
        assert header.DecayCorrection == "ADMIN" and "DECY" in header.CorrectedImage
        assert decay_event(header) == pytest.approx(datetime(2025, 1, 1, 10), abs=SECOND / 1000)


def test_a_pet_made_from_a_ct_has_no_decay_correction(tmp_path):
    for header in derived(ct_reference(tmp_path / "ct")):
        assert header.DecayCorrection == "NONE" and "DecayFactor" not in header
        assert not header.CorrectedImage and header.FrameReferenceTime == 0


@pytest.mark.parametrize(
    "facts",
    [
        {"source": {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.40"}},
        {"input_modality": "CT", "source": {}},
        {"input_modality": "PT", "source": {"input_modality": "CT", "source": {"SeriesInstanceUID": "1.2.3.40"}}},
    ],
    ids=["CT by its series", "CT by its modality", "CT by way of another PET"],
)
def test_a_pet_made_from_a_ct_takes_no_tags_from_a_real_pet_beside_it(tmp_path, facts):
    volume = synthetic(metadata={**synthetic().metadata, **facts})
    for header in derived(pet_reference(tmp_path / "pet"), volume):
        assert "SourceImageSequence" not in header
        assert header.DecayCorrection == "NONE" and "DecayFactor" not in header and not header.CorrectedImage
        assert len(header.RadiopharmaceuticalInformationSequence) == 0
        assert not header.AcquisitionTime and not header.ActualFrameDuration and header.FrameReferenceTime == 0
        assert list(header.SeriesType) == ["STATIC", "IMAGE"]


def test_a_tracer_without_a_nuclide_stays_valid(tmp_path):
    bare = injection(RadiopharmaceuticalStartDateTime=None)
    header = derived(pet_reference(tmp_path / "pet", **bare))[0]
    assert len(header.RadiopharmaceuticalInformationSequence[0].RadionuclideCodeSequence) == 0


def test_times_keep_their_zone(tmp_path):
    for header in derived(pet_reference(tmp_path / "pet", TimezoneOffsetFromUTC="+1300")):
        assert header.TimezoneOffsetFromUTC == "+1300"
        made = datetime.strptime(f"{header.ContentDate}{header.ContentTime}+1300", "%Y%m%d%H%M%S%z")
        assert abs(made - datetime.now(made.tzinfo)) < timedelta(minutes=5)
    odd = ct_reference(tmp_path / "ct", TimezoneOffsetFromUTC="CET")
    assert "TimezoneOffsetFromUTC" not in derived(odd)[0]
