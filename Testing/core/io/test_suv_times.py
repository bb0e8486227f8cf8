"""Reference times that other tags contradict, midnight, dynamic scans: each with the SUV that is right."""

from __future__ import annotations

from typing import Any

import pytest
from dicom_builder import item
from test_suv_rules import FACTOR, convert, header, injected_at, refusal, used

from medsynth_core.io.suv.notes import Notes
from medsynth_core.io.suv.times import acquisition_times

GE, SIEMENS, INJECTED = (0x0009, 0x100D), (0x0071, 0x1022), (0x0009, 0x103B)
CREATORS = {GE: "GEMS_PETD_01", SIEMENS: "SIEMENS MED PT", INJECTED: "GEMS_PETD_01"}


def stated(tag: tuple[int, int], moment: str) -> dict[str, Any]:
    """Return a vendor's private time with its creator."""
    return {"private": {(tag[0], 0x10): ("LO", CREATORS[tag]), tag: ("DT", moment)}}


def doubts(*slices) -> list[str]:
    return used(*slices)["warnings"]


NO_FRAMES = {"FrameReferenceTime": None}


@pytest.mark.parametrize("minutes", [2, 10, 14, 20, -2, -10])
@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (lambda clock: {**stated(GE, f"20250101{clock}00.00"), **NO_FRAMES}, "GE Scan DateTime (0009,100D)"),
        (
            lambda clock: {**stated(SIEMENS, f"20250101{clock}00.00"), **NO_FRAMES},
            "Siemens Decay Correction DateTime (0071,1022)",
        ),
    ],
)
def test_the_scanners_own_time_that_contradicts_series_time_is_doubted(tags, name, minutes):
    clock = f"{(660 + minutes) // 60:02d}{(660 + minutes) % 60:02d}"
    slices = header(AcquisitionTime="112000", **tags(clock))
    assert convert(slices).factors == pytest.approx([FACTOR])
    (doubt,) = doubts(slices)
    direction = "later" if minutes > 0 else "earlier"
    assert f"{abs(minutes)}.0 minutes {direction} by {name}" in doubt
    assert f"{abs(2 ** (minutes * 60 / 6586.2) - 1):.1%} too {'low' if minutes > 0 else 'high'}" in doubt


@pytest.mark.parametrize("minutes", [4, 5, 10, 20, 60])
def test_frames_that_contradict_series_time_are_doubted(minutes):
    clock = f"{11 + minutes // 60:02d}{minutes % 60:02d}00"
    (doubt,) = doubts(header(AcquisitionTime=clock))
    assert f"{minutes}.0 minutes later by Acquisition Time (0008,0032) minus Frame Reference Time (0054,1300)" in doubt


@pytest.mark.parametrize("minutes", [4, 10])
def test_a_decay_factor_that_contradicts_series_time_is_doubted(minutes):
    slices = header(DecayFactor=2 ** ((149.605 - 60 * minutes) / 6586.2), **NO_FRAMES)
    (doubt,) = doubts(slices)
    assert f"{minutes}.0 minutes later by Decay Factor (0054,1321)" in doubt


def test_two_tags_are_named_in_one_sentence():
    (doubt,) = doubts(header(SeriesTime="105000", **stated(GE, "20250101110000")))
    assert "by GE Scan DateTime (0009,100D) and 10.0 minutes later by Acquisition Time (0008,0032) minus" in doubt


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"FrameReferenceTime": 150000},  # the middle of the frame
        {"AcquisitionTime": "110030", "FrameReferenceTime": 30000},  # its start
        {"AcquisitionTime": "110050"},
        {"DecayFactor": 2 ** (149.605 / 6586.2)},
        {"DecayFactor": 1},
        {"AcquisitionTime": "110400", **NO_FRAMES},
        {"AcquisitionTime": "114000", "FrameReferenceTime": 2400000 + 149605},
        stated(GE, "20250101110000"),
        stated(GE, "not a time"),
        {"FrameReferenceTime": 1e300},
        {"ActualFrameDuration": 1e300},
        {"DecayFactor": -1},
    ],
)
def test_times_that_agree_are_not_doubted(tags):
    assert doubts(header(**tags)) == []


def test_a_tag_that_agrees_with_the_time_that_is_used_is_named_too():
    # A bed position whose frame times count from itself, in a scan whose start the scanner recorded.
    (doubt,) = doubts(header(AcquisitionTime="113000", **stated(GE, "20250101110000")))
    assert doubt.endswith("20.9% too low. GE Scan DateTime (0009,100D) agrees with the time that is used.")


def test_beds_may_all_state_the_start_of_the_first_or_count_from_themselves():
    beds = [header(FrameReferenceTime=offset) for offset in (0, 243000, 486000)]
    assert doubts(*beds) == []
    beds = [header(AcquisitionTime=time) for time in ("110000", "110403", "110806")]
    assert doubts(*beds) == []


def test_a_series_time_minutes_before_the_acquisition_is_doubted_if_no_tag_explains_it():
    (doubt,) = doubts(header(AcquisitionTime="110600", **NO_FRAMES))
    assert doubt.startswith("Series Time (0008,0031) is 6.0 minutes earlier than the first acquisition, and no other")


def test_seconds_count_for_a_short_lived_nuclide():
    rubidium = {"RadionuclideHalfLife": 75.45, **injected_at("20250101105950")}
    tags = {"ActualFrameDuration": 300000, "AcquisitionTime": "110010"}
    assert doubts(header(rubidium, **tags, **NO_FRAMES)) == []
    (doubt,) = doubts(header(rubidium, **tags, **NO_FRAMES, private=stated(GE, "20250101110010")["private"]))
    assert "10 s later by GE Scan DateTime" in doubt and "9.6% too low" in doubt
    assert any("no other tag" in doubt for doubt in doubts(header(rubidium, AcquisitionTime="110040", **NO_FRAMES)))


def test_a_decay_correction_time_that_the_frames_contradict_is_doubted():
    enhanced = header(DecayCorrectionDateTime="20250101105000")
    assert any("corrected to Decay Correction DateTime (0018,9701), but" in doubt for doubt in doubts(enhanced))


def test_the_injection_that_the_scanner_recorded_is_compared():
    (doubt,) = doubts(header(**stated(INJECTED, "20250101101000")))
    assert doubt.startswith("GE Administration DateTime (0009,103B) states an injection 10.0 minutes later")
    assert doubt.endswith("the SUVs are too high.") and doubts(header(**stated(INJECTED, "20250101100030"))) == []


LATE_EVENING = {"SeriesDate": "20250101", "SeriesTime": "235000", "AcquisitionDate": None}
INJECTED_AT_2250 = {"RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": "225000"}


def test_a_scan_across_midnight_without_acquisition_date_is_read():
    beds = [
        header(INJECTED_AT_2250, **LATE_EVENING, AcquisitionTime=time, FrameReferenceTime=offset)
        for time, offset in (("235000", 149605), ("235900", 689605), ("000500", 1049605))
    ]
    assert convert(*beds).factors == pytest.approx([FACTOR] * 3)
    (doubt,) = doubts(*beds)
    assert doubt.startswith(
        "Acquisition Date (0008,0022) is missing: Acquisition Time (0008,0032) is taken to be on the"
    )
    only_after = header(INJECTED_AT_2250, **LATE_EVENING, AcquisitionTime="000500", FrameReferenceTime=1049605)
    assert convert(only_after).factors == pytest.approx([FACTOR])


def test_a_date_that_did_not_change_at_midnight_is_corrected():
    dated = {"SeriesDate": "20250101", "SeriesTime": "235000", "AcquisitionDate": "20250101"}
    beds = [
        header(INJECTED_AT_2250, **dated, AcquisitionTime=time, FrameReferenceTime=offset)
        for time, offset in (("235000", 149605), ("000500", 1049605))
    ]
    assert convert(*beds).factors == pytest.approx([FACTOR] * 2)
    assert "passes midnight, but Acquisition Date (0008,0022) stays the same" in doubts(*beds)[0]


def test_a_series_made_after_midnight_is_on_the_day_after_its_scan():
    made_later = {"SeriesDate": "20250102", "SeriesTime": "003000", "AcquisitionDate": None}
    slices = header(INJECTED_AT_2250, **made_later, AcquisitionTime="235000")
    assert convert(slices).factors == pytest.approx([FACTOR], rel=1e-4)
    assert "on the day before Series Date" in doubts(slices)[0]


def test_without_any_date_the_reason_is_the_missing_date():
    assert "Acquisition Date (0008,0022) is missing" in refusal(
        header(AcquisitionDate=None, SeriesDate=None, AcquisitionTime="000500")
    )


def test_a_full_acquisition_time_counts_where_the_date_is_missing():
    tags = {"AcquisitionDate": None, "AcquisitionDateTime": "20250101110000.00", "SeriesTime": "143000"}
    assert convert(header(**tags, SeriesDate="20250103")).factors == pytest.approx([FACTOR], rel=1e-4)


def test_a_late_frame_of_a_dynamic_scan_that_began_before_the_injection_is_read():
    late = {"AcquisitionTime": "114000", "FrameReferenceTime": 2400000 + 149605}
    slices = header(injected_at("20250101110020"), **late)
    assert convert(slices).factors == pytest.approx([70000 / (368.08e6 * 2 ** (20 / 6586.2))])
    assert doubts(slices) == [
        "The injection is 20 s after the start of the scan (Radiopharmaceutical Start DateTime (0018,1078); Series "
        "Time (0008,0031))."
    ]
    assert "the injection is 120 s after the scan" in refusal(header(injected_at("20250101110200"), **late))


NUCLIDES = {
    "C-11": ("C-105A1", 1221.8, 1800),
    "N-13": ("C-107A1", 597.9, 900),
    "O-15": ("C-B1038", 122.24, 60),
    "F-18": ("C-111A1", 6586.2, 3600),
    "Cu-61": ("C-127A1", 12020.4, 3600),
    "Cu-64": ("C-127A2", 45723.6, 86400),
    "Ga-68": ("C-131A3", 4057.74, 3600),
    "Rb-82": ("C-159A2", 75.45, 90),
    "Y-86": ("C-162A3", 53064.0, 86400),
    "Y-90": ("C-162A7", 230400.0, 73 * 3600),
    "Zr-89": ("C-168A4", 282276.0, 6 * 86400),
    "I-124": ("C-114A5", 360806.4, 7 * 86400),
}


@pytest.mark.parametrize("name", NUCLIDES)
@pytest.mark.parametrize("stated", [True, False])
def test_each_nuclide_decays_by_its_half_life(name, stated):
    from datetime import datetime, timedelta

    code, half_life, waited = NUCLIDES[name]
    injected = {
        **injected_at(f"{datetime(2025, 1, 1, 11) - timedelta(seconds=waited):%Y%m%d%H%M%S}"),
        "RadionuclideHalfLife": half_life if stated else None,
        "RadionuclideCodeSequence": [item(CodeValue=code)],
    }
    slices = header(injected, FrameReferenceTime=None)
    assert convert(slices).factors == pytest.approx([70000 / (368.08e6 * 2 ** (-waited / half_life))])
    assert [doubt for doubt in doubts(slices) if "is missing" not in doubt] == []


@pytest.mark.parametrize(
    ("dose", "weight"),
    [
        (10e6, 0.025),  # a mouse
        (40e6, 0.3),  # a rat
        (100e6, 3.2),  # a rabbit
        (6e9, 70),  # Y-90 in the liver
        (37e6, 110),  # I-124
        (2.2e9, 60),  # Rb-82
    ],
)
def test_usual_doses_of_animals_and_patients_are_not_doubted(dose, weight):
    slices = header({"RadionuclideTotalDose": dose}, PatientWeight=weight)
    assert convert(slices).factors == pytest.approx([weight * 1000 / (dose * 2 ** (-3600 / 6586.2))])
    assert doubts(slices) == []


@pytest.mark.parametrize(("dose", "weight"), [(12e6, 100), (60e9, 70)])
def test_unusual_doses_are_doubted_but_read(dose, weight):
    slices = header({"RadionuclideTotalDose": dose}, PatientWeight=weight)
    assert convert(slices).factors == pytest.approx([weight * 1000 / (dose * 2 ** (-3600 / 6586.2))])
    (doubt,) = doubts(slices)
    assert "MBq per kg, which is unusual; check the dose" in doubt


@pytest.mark.parametrize(
    "species",
    [
        {"PatientSpeciesDescription": "Mus musculus"},
        {"PatientSpeciesDescription": "Rat (Wistar)"},
        {"PatientSpeciesCodeSequence": [item(CodeValue="447612001", CodingSchemeDesignator="SCT")]},
    ],
)
def test_the_weight_of_a_rodent_is_in_grams_if_it_cannot_be_in_kilograms(species):
    slices = header({"RadionuclideTotalDose": 10e6}, PatientWeight=25, **species)
    assert convert(slices).factors == pytest.approx([25 / (10e6 * 2 ** (-3600 / 6586.2))])
    assert doubts(slices) == ["Patient's Weight (0010,1030) is 25: taken as grams."]
    kilograms = header({"RadionuclideTotalDose": 10e6}, PatientWeight=0.025, **species)
    assert convert(kilograms).factors == convert(slices).factors and doubts(kilograms) == []


def test_small_voxels_and_heavy_patients_raise_doubts():
    from medsynth_core.io.suv.conversion import pet_conversion

    slices = [header({"RadionuclideTotalDose": 10e6}, PatientWeight=25)]
    told = pet_conversion(slices, 0.4**3 / 1000, "the series X", "SUVbw").metadata["suv"]["warnings"]
    assert len(told) == 1 and "as small as those of an animal scanner; if it is in g" in told[0]
    assert doubts(*slices) == []
    assert "is 350: taken as kg; if it is in g or lb" in doubts(header(PatientWeight=350))[0]


@pytest.mark.parametrize("time", ["noon", "12-00", "99:99:99"])
def test_a_damaged_series_time_is_refused_in_a_sentence(time):
    assert "Series Time (0008,0031)" in refusal(header(AcquisitionDate=None, SeriesTime=time))


def test_dates_that_differ_are_not_moved():
    days = [header(AcquisitionDate=date, AcquisitionTime="100000") for date in ("20250101", "20250102")]
    notes = Notes()
    assert [moment.day for moment in acquisition_times(days, notes)] == [1, 2]
    assert notes.warnings == []
