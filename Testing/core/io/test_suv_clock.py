"""Midnight, missing dates, time zones, and clocks that disagree: each with the SUV that is right."""

from __future__ import annotations

import math

import pytest
from dicom_builder import item
from test_suv_rules import FACTOR, RATE, UNCORRECTED, convert, header, injected_at, refusal, used

ONLY_TIME = {"RadiopharmaceuticalStartDateTime": None}
PAST_MIDNIGHT = {
    "SeriesDate": "20250101",
    "SeriesTime": "235500",
    "AcquisitionDate": "20250101",
    "AcquisitionTime": "000500",
}
# 25 minutes from the injection at 23:30 to the series, 35 to the acquisition.
TO_SERIES, TO_FRAME = (70000 / (368.08e6 * 2 ** (-minutes * 60 / 6586.2)) for minutes in (25, 35))


def at(time: str) -> dict[str, str | None]:
    return {**ONLY_TIME, "RadiopharmaceuticalStartTime": time}


@pytest.mark.parametrize("injected", [injected_at("20250101233000"), at("233000")])
@pytest.mark.parametrize("offset", [None, 600000 + 149605])
def test_a_date_that_did_not_change_in_any_slice_is_corrected(injected, offset):
    slices = [header(injected, **PAST_MIDNIGHT, FrameReferenceTime=offset)] * 2
    assert convert(*slices).factors == pytest.approx([TO_SERIES] * 2)
    assert used(*slices)["warnings"][0].startswith("Acquisition Time (0008,0032) passes midnight, but Acquisition Date")


def test_it_is_corrected_for_values_that_are_not_decay_corrected():
    slices = header(injected_at("20250101233000"), **PAST_MIDNIGHT, **UNCORRECTED)
    mean = (1 - math.exp(-RATE * 300)) / (RATE * 300)
    assert convert(slices).factors == pytest.approx([TO_FRAME / mean])


def test_an_image_made_in_the_evening_of_a_scan_in_the_early_morning_stays_on_its_day():
    night = {**PAST_MIDNIGHT, "AcquisitionTime": "040000"}
    slices = header(injected_at("20250101030000"), **night)
    assert convert(slices).factors == pytest.approx([FACTOR], rel=1e-6) and used(slices)["warnings"] == []


def test_the_date_of_an_injection_before_midnight_may_be_that_of_the_scan():
    scan = {"SeriesTime": "003000", "AcquisitionTime": "003000"}
    slices = header(injected_at("20250101233000"), **scan)
    assert convert(slices).factors == pytest.approx([FACTOR])
    (warning,) = used(slices)["warnings"]
    assert "is 23.0 hours after the scan on the same date: it is taken to be on the day before" in warning
    assert "after the scan" in refusal(
        header({**injected_at("20250101233000"), "RadionuclideHalfLife": 45723.6}, **scan)
    )


NO_DATES = {"AcquisitionDate": None, "SeriesDate": None}


@pytest.mark.parametrize("injected", [ONLY_TIME, injected_at("20250101100000"), {**ONLY_TIME, **at("100000")}])
@pytest.mark.parametrize("offset", [None, 149605])
def test_without_any_date_the_times_of_a_short_lived_tracer_suffice(injected, offset):
    slices = header(injected, **NO_DATES, FrameReferenceTime=offset)
    assert convert(slices).factors == pytest.approx([FACTOR])
    (warning,) = used(slices)["warnings"]
    assert "injection and scan are taken to be less than 12 hours apart" in warning


def test_without_any_date_midnight_may_lie_between_injection_and_scan():
    times = {"SeriesTime": "001000", "AcquisitionTime": "001000"}
    assert convert(header(at("231000"), **NO_DATES, **times)).factors == pytest.approx([FACTOR])


def test_without_any_date_a_long_wait_or_a_long_half_life_is_refused():
    assert "Acquisition Date (0008,0022) is missing" in refusal(header(at("113000"), **NO_DATES))
    copper = {**ONLY_TIME, "RadionuclideHalfLife": 45723.6}
    assert "Acquisition Date (0008,0022) is missing" in refusal(header(copper, **NO_DATES))


def test_the_date_of_the_study_is_used_if_no_other_is_there():
    slices = header(**NO_DATES, StudyDate="20250101")
    assert convert(slices).factors == pytest.approx([FACTOR])
    assert used(slices)["warnings"][0].endswith("are missing: Study Date (0008,0020) is used.")


@pytest.mark.parametrize("full", ["20250101090000+0000", "20250101043000.00-0430", "20250101144500+0545"])
def test_the_time_of_day_beside_a_time_with_a_zone_states_the_zone(full):
    slices = header({"RadiopharmaceuticalStartDateTime": full})
    assert convert(slices).factors == pytest.approx([FACTOR])


def test_the_zone_that_follows_is_told():
    (warning,) = used(header({"RadiopharmaceuticalStartDateTime": "20250101090000+0000"}))["warnings"]
    assert "by the time of day beside it, the scanner is in the zone UTC+01:00" in warning


@pytest.mark.parametrize("full", ["20250101091000+0000", "20250101101500+0000"])
def test_times_that_no_zone_explains_are_refused(full):
    assert "minutes apart" in refusal(header({"RadiopharmaceuticalStartDateTime": full}))


def test_times_with_different_zones_keep_their_distance():
    injected = {"RadiopharmaceuticalStartDateTime": "20250101100000+0100", "RadiopharmaceuticalStartTime": None}
    slices = header(injected, DecayCorrectionDateTime="20250101100000+0000", FrameReferenceTime=None)
    assert convert(slices).factors == pytest.approx([FACTOR])
    assert not any("zone" in warning for warning in used(slices)["warnings"])


@pytest.mark.parametrize(("half_life", "date", "waited"), [(6586.2, "20250101", 3600), (282276.0, "20241228", 349200)])
def test_a_date_alone_is_joined_with_the_time_of_day(half_life, date, waited):
    injected = {"RadionuclideHalfLife": half_life, "RadiopharmaceuticalStartDateTime": date}
    assert convert(header(injected)).factors == pytest.approx([70000 / (368.08e6 * 2 ** (-waited / half_life))])


def test_a_date_time_whose_time_was_removed_is_joined_with_the_time_of_day():
    slices = header({"RadiopharmaceuticalStartDateTime": "20250101000000.00"})
    assert convert(slices).factors == pytest.approx([FACTOR])
    assert "is at midnight, as if its time had been removed" in used(slices)["warnings"][0]


def test_frame_times_and_decay_factors_that_agree_count_more_than_series_time():
    late = {"SeriesTime": "115000", "AcquisitionTime": "115000", "FrameReferenceTime": 3000000 + 149605}
    factor = {"DecayFactor": 2 ** ((3000 + 149.605) / 6586.2)}
    slices = header(**late, **factor)
    assert convert(slices).factors == pytest.approx([FACTOR], rel=1e-6)
    (warning,) = used(slices)["warnings"]
    assert "the scan began 50.0 minutes earlier than Series Time" in warning
    assert warning.endswith(f"the SUVs would be {2 ** (3000 / 6586.2) - 1:.1%} higher.")
    # One of them alone does not.
    for one in (header(**late), header(**late, DecayFactor=2 ** (1800 / 6586.2))):
        assert convert(one).factors == pytest.approx([FACTOR * 2 ** (3000 / 6586.2)], rel=1e-6)
        assert "50.0 minutes earlier by" in used(one)["warnings"][0]


def test_a_series_time_in_the_second_of_the_acquisition_is_its_start():
    assert convert(header(SeriesTime="110000.400", FrameReferenceTime=None)).factors == pytest.approx(
        [FACTOR], rel=1e-4
    )


def test_an_undated_injection_of_a_tracer_that_lives_for_hours_stays_refused():
    copper = {**ONLY_TIME, "RadionuclideHalfLife": 45723.6, "RadionuclideCodeSequence": [item(CodeValue="C-127A2")]}
    assert "with a half-life of 12.7 hours the injection may have been days before" in refusal(header(copper))
