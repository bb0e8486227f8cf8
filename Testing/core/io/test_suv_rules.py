"""The rules that turn headers into SUV factors, each compared with numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from dicom_builder import SUV_TAGS, injection, item
from pydicom.dataset import Dataset

from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.conversion import Conversion, pet_conversion

FACTOR = 70000 / (368.08e6 * 2 ** (-3600 / 6586.2))
RATE = math.log(2) / 6586.2
VOXEL_ML = 0.048
UNCORRECTED = {"DecayCorrection": "NONE", "CorrectedImage": ["NORM", "ATTN"]}
LATE = {"SeriesTime": "143000"}


def header(injected: dict[str, Any] | None = None, **tags: Any) -> Dataset:
    private = tags.pop("private", {})
    stated = {**SUV_TAGS, **injection(**(injected or {})), **tags}
    made = item(**{keyword: value for keyword, value in stated.items() if value is not None})
    for tag, (vr, value) in private.items():
        made.add_new(tag, vr, value)
    return made


def injected_at(moment: str) -> dict[str, Any]:
    return {"RadiopharmaceuticalStartDateTime": moment, "RadiopharmaceuticalStartTime": moment[8:]}


def convert(*slices: Dataset, unit: str = "SUVbw") -> Conversion:
    return pet_conversion(slices, VOXEL_ML, "the series X", unit)


def factor(injected: dict[str, Any] | None = None, unit: str = "SUVbw", **tags: Any) -> float:
    (only,) = convert(header(injected, **tags), unit=unit).factors
    return only


def refusal(*slices: Dataset, unit: str = "SUVbw") -> str:
    with pytest.raises(MedSynthError) as caught:
        convert(*slices, unit=unit)
    message = str(caught.value)
    assert message.startswith("The values of the series X cannot be converted to ") and message.endswith(".")
    return message


def used(*slices: Dataset, unit: str = "SUVbw") -> dict[str, Any]:
    return convert(*slices, unit=unit).metadata["suv"]


@pytest.mark.parametrize(
    ("injected", "tags", "tag"),
    [
        ({}, {"PatientWeight": None}, "Patient's Weight (0010,1030) is missing or 0"),
        ({}, {"PatientWeight": 0}, "Patient's Weight (0010,1030) is missing or 0"),
        ({"RadionuclideTotalDose": None}, {}, "Radionuclide Total Dose (0018,1074) is missing or 0"),
        ({"RadionuclideTotalDose": 0}, {}, "Radionuclide Total Dose (0018,1074) is missing or 0"),
        ({"RadionuclideHalfLife": None}, {}, "Radionuclide Half Life (0018,1075) is missing or 0"),
        (
            {"RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": None},
            {},
            "Radiopharmaceutical Start DateTime (0018,1078) is missing",
        ),
        ({}, {"RadiopharmaceuticalInformationSequence": None}, "Information Sequence (0054,0016) is missing"),
        ({}, {"DecayCorrection": None}, "Decay Correction (0054,1102) is missing"),
        ({}, {"Units": None}, "Units (0054,1001) is missing"),
        ({}, {"AcquisitionTime": None}, "Acquisition Time (0008,0032) is missing"),
        (
            {"RadionuclideHalfLife": 45723.6},
            {"AcquisitionDate": None, "SeriesDate": None},
            "Acquisition Date (0008,0022) is missing",
        ),
        ({}, {**LATE, "FrameReferenceTime": None}, "Frame Reference Time (0054,1300) is missing"),
        ({}, {**LATE, "ActualFrameDuration": None}, "Actual Frame Duration (0018,1242) is missing"),
        ({}, {**UNCORRECTED, "ActualFrameDuration": 0}, "Actual Frame Duration (0018,1242) is missing"),
        ({}, {"Units": "CPS"}, "(Dose Calibration Factor (0054,1322)); export the series in Bq/mL"),
        ({}, {"Units": "CNTS"}, "(Dose Calibration Factor (0054,1322), Philips SUV Scale Factor (7053,1000) and"),
        ({}, {"Units": "PROPCNTS"}, "in 'PROPCNTS', proportional to counts, according to Units (0054,1001)"),
        ({}, {"Units": "PROPCPS"}, "in 'PROPCPS', proportional to counts per second,"),
        ({}, {"Units": "1CM"}, "in '1CM', attenuation per centimetre,"),
        ({}, {"Units": "MLMINML"}, "in 'MLMINML' according to Units (0054,1001)"),
        ({}, {"Units": "GML", "SUVType": "BSA"}, "Units (0054,1001) GML and SUV Type (0054,1006) 'BSA' contradict"),
        ({}, {"Units": "CM2ML", "SUVType": "BW"}, "Units (0054,1001) CM2ML and SUV Type (0054,1006) 'BW' contradict"),
        ({}, {"Units": "GML", "SUVType": "LBM", "PatientSize": None}, "Patient's Size (0010,1020) is missing or 0"),
        ({}, {"Units": "GML", "SUVType": "IBW", "PatientSex": ""}, "Patient's Sex (0010,0040) is missing"),
        (
            {},
            {"Units": "CM2ML", "PatientSize": 175},
            "Patient's Size (0010,1020) is 175, which is not a valid height in metres",
        ),
        ({}, {"DecayCorrection": "SCAN"}, "Decay Correction (0054,1102) is 'SCAN', not START, ADMIN or NONE"),
        ({}, {"CorrectedImage": ["ATTN"]}, "Corrected Image (0028,0051) does not list DECY"),
        ({}, {"DecayCorrection": "NONE"}, "is NONE, but Corrected Image (0028,0051) lists DECY"),
        ({}, {"SeriesTime": "noon"}, "Series Time (0008,0031) is not a valid date and time; correct"),
    ],
)
def test_the_error_names_the_tag(injected, tags, tag):
    assert tag in refusal(header(injected, **tags))


def test_times_that_contradict_each_other_are_refused():
    after = injected_at("20250101110230")
    assert "the injection is 150 s after the scan (Radiopharmaceutical Start DateTime (0018,1078); Series" in (
        refusal(header(after))
    )
    after = {"RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": "110020"}
    assert "the injection is 20 s after the scan (Radiopharmaceutical Start Time (0018,1072)" in (
        refusal(header(after))
    )
    shifted = {"RadiopharmaceuticalStartDateTime": "20241231100000"}
    assert "the scan is 25.0 hours after the injection" in refusal(header(shifted))


def test_the_two_tags_of_the_injection_must_not_contradict_each_other():
    says = {"RadiopharmaceuticalStartDateTime": "20250101101500", "RadiopharmaceuticalStartTime": "100000"}
    assert "(0018,1078) and Radiopharmaceutical Start Time (0018,1072) state injection times that are 15.0 minutes" in (
        refusal(header(says))
    )
    rounded = {"RadiopharmaceuticalStartDateTime": "20250101100000", "RadiopharmaceuticalStartTime": "100030"}
    assert factor(rounded) == pytest.approx(FACTOR)


@pytest.mark.parametrize(("code", "half_life"), [("C-168A4", 282276.0), ("C-114A5", 360806.4), ("C-127A2", 45723.6)])
def test_a_time_without_a_date_is_ambiguous_for_a_long_lived_tracer(code, half_life):
    tracer = {"RadionuclideHalfLife": half_life, "RadionuclideCodeSequence": [item(CodeValue=code)]}
    undated = {**tracer, "RadiopharmaceuticalStartDateTime": None, "RadiopharmaceuticalStartTime": "100000"}
    message = refusal(header(undated))
    assert "the injection may have been days before; enter Radiopharmaceutical Start DateTime (0018,1078)" in message
    days = {**tracer, "RadiopharmaceuticalStartDateTime": "20241228110000", "RadiopharmaceuticalStartTime": None}
    assert factor(days) == pytest.approx(70000 / (368.08e6 * 2 ** (-4 * 86400 / half_life)))


def test_a_long_wait_is_doubted():
    assert used(header(injected_at("20250101030000")))["warnings"] == [
        "The scan is 8.0 hours after the injection (Radiopharmaceutical Start DateTime (0018,1078); Series Time "
        "(0008,0031)), more than 4 half-lives."
    ]
    assert used(header(injected_at("20250101040000")))["warnings"] == []


def test_a_series_time_of_midnight_is_no_start_of_the_scan():
    for stated in ({"SeriesTime": "000000"}, {"SeriesDate": "19000101"}):
        blanked = header({"RadiopharmaceuticalStartDateTime": None}, **stated)
        assert convert(blanked).factors == pytest.approx([FACTOR], rel=1e-6)
        assert used(blanked)["reference_time"].endswith("minus Frame Reference Time (0054,1300)")
        (warning,) = used(blanked)["warnings"]
        assert warning.startswith("Series Time (0008,0031) is more than 2 hours before the first acquisition, so it is")
    unknown = header(SeriesTime="000000", FrameReferenceTime=None)
    assert "and no other tag states when the scan began; set it" in refusal(unknown)


def test_a_series_time_long_before_the_slices_is_accepted_if_the_frames_confirm_it():
    late = {"SeriesTime": "110000", "AcquisitionTime": "140000", "FrameReferenceTime": 3 * 3600_000 + 149605}
    counted = header(injected_at("20250101100000"), **late)
    assert convert(counted).factors == pytest.approx([FACTOR]) and used(counted)["warnings"] == []


def test_a_late_bed_whose_frames_count_from_itself_is_doubted():
    (warning,) = used(header(AcquisitionTime="113000"))["warnings"]
    assert "corrected to Series Time (0008,0031), but the scan began 30.0 minutes later by Acquisition Time" in warning
    assert warning.endswith("if that is right, the SUVs are 20.9% too low.")


@pytest.mark.parametrize(
    ("dose", "weight", "words"),
    [
        (368080, 70, "give 0.00526 MBq per kg, which is implausible"),
        (9.95, 70, "give 0.142 MBq per kg"),
        (368.08e6, 0.07, "give 5.26e+03 MBq per kg"),
    ],
)
def test_an_implausible_dose_is_refused(dose, weight, words):
    message = refusal(header({"RadionuclideTotalDose": dose}, PatientWeight=weight))
    assert words in message and "enter the dose in Bq and the weight in kg" in message


def test_two_injections_are_refused():
    for other in (
        {"RadionuclideTotalDose": 100e6},
        {"RadionuclideHalfLife": 1221.8},
        {"RadiopharmaceuticalStartTime": "103000"},
        {"RadionuclideCodeSequence": [item(CodeValue="C-105A1")]},
    ):
        coded = injection(RadionuclideCodeSequence=[item(CodeValue="C-111A1")])
        both = [injected["RadiopharmaceuticalInformationSequence"][0] for injected in (coded, injection(**other))]
        assert "(0054,0016) lists 2 injections" in refusal(header(RadiopharmaceuticalInformationSequence=both))


def test_items_that_are_no_other_injection_are_passed_over():
    (one,) = injection()["RadiopharmaceuticalInformationSequence"]
    (without,) = injection(RadionuclideHalfLife=None, RadiopharmaceuticalStartDateTime=None)[
        "RadiopharmaceuticalInformationSequence"
    ]
    contrast = item(Radiopharmaceutical="CT contrast", RadiopharmaceuticalStartTime="105500")
    for several in ([one, one], [one, contrast], [contrast, one], [without, one], [contrast, without, one, contrast]):
        slices = header(RadiopharmaceuticalInformationSequence=several)
        assert convert(slices).factors == pytest.approx([FACTOR]) and used(slices)["warnings"] == []
    assert "Radionuclide Total Dose (0018,1074) is missing" in refusal(
        header(RadiopharmaceuticalInformationSequence=[contrast, contrast])
    )


@pytest.mark.parametrize(("keyword", "values"), [("PatientWeight", (70, 71)), ("Units", ("BQML", "CNTS"))])
def test_slices_that_disagree_are_refused(keyword, values):
    message = refusal(*(header(**{keyword: value}) for value in values))
    assert "differs between its slices" in message and str(values[1]) in message


def test_the_same_number_may_be_written_differently():
    assert convert(header(PatientWeight="70"), header(PatientWeight="70.00")).factors == pytest.approx([FACTOR] * 2)


def test_weight_in_grams_and_dose_in_mbq_give_warnings():
    converted = convert(header({"RadionuclideTotalDose": 368.08}, PatientWeight=70000))
    assert converted.factors == pytest.approx([FACTOR])
    assert [words in "".join(converted.metadata["suv"]["warnings"]) for words in ("as grams", "as MBq")] == [True, True]


def test_without_attenuation_correction_there_is_a_warning():
    assert used(header())["warnings"] == []
    (warning,) = used(header(CorrectedImage=["DECY"]))["warnings"]
    assert "does not list ATTN" in warning


@pytest.mark.parametrize(("unit", "male", "female"), [
    ("SUVlbm", 77 - 120 * 0.16, 74.9 - 148 * 0.16),
    ("SUVlbm-james", 77 - 128 * 0.16, 74.9 - 148 * 0.16),
    ("SUVlbm-janma", 648900 / (6680 + 216 * 70 / 3.0625), 648900 / (8780 + 244 * 70 / 3.0625)),
    ("SUVibw", 72.38, 66.43),
    ("SUVbsa", 18.481430, 18.481430),
])  # fmt: skip
def test_other_suvs_follow_from_the_body_and_lead_back(unit, male, female):
    types = {"SUVlbm": "LBM", "SUVlbm-james": "LBMJAMES128", "SUVlbm-janma": "LBMJANMA", "SUVibw": "IBW"}
    stored = {"Units": "GML", "SUVType": types[unit]} if unit in types else {"Units": "CM2ML"}
    for sex, mass in (("M", male), ("F", female), ("O", (male + female) / 2)):
        assert factor(unit=unit, PatientSex=sex) == pytest.approx(FACTOR * mass / 70, rel=1e-6)
        assert factor(PatientSex=sex, **stored) == pytest.approx(70 / mass, rel=1e-6)
    assert factor(unit=unit, PatientWeight=None, **stored) == 1


def test_a_body_for_which_a_formula_was_not_made_is_refused():
    child = header(PatientSize=0.95, PatientWeight=14, PatientSex="F")
    assert "the formula of SUVibw gives -6.4 kg" in refusal(child, unit="SUVibw")


@pytest.mark.parametrize("unit", ["SUVlbm", "SUVlbm-james"])
def test_a_lean_mass_beyond_the_range_of_its_formula_gives_a_warning_and_then_an_error(unit):
    woman = {"PatientSex": "F", "PatientSize": 1.60}
    assert used(header(**woman, PatientWeight=92), unit=unit)["warnings"] == []
    (doubt,) = used(header(**woman, PatientWeight=94), unit=unit)["warnings"]
    assert f"{unit} is not valid for Patient's Weight (0010,1030) 94 kg and" in doubt and "SUVlbm-janma" in doubt
    assert "gives 5.3 kg for" in refusal(header(**woman, PatientWeight=180), unit=unit)
    assert used(header(**woman, PatientWeight=180), unit="SUVlbm-janma")["warnings"] == []


def test_an_ideal_weight_of_the_short_is_doubted():
    child = header(PatientSize=1.45, PatientWeight=40)
    assert "SUVibw is not valid for Patient's Size (0010,1020) 1.45 m" in used(child, unit="SUVibw")["warnings"][0]


@pytest.mark.parametrize(
    ("stored", "unit", "absent"),
    [
        ({"Units": "GML", "SUVType": "LBM"}, "SUVlbm", "PatientSize"),
        ({"Units": "GML", "SUVType": "LBM"}, "SUVlbm", "PatientSex"),
        ({"Units": "CM2ML"}, "SUVbsa", "PatientSize"),
    ],
)
def test_a_stored_suv_that_no_other_follows_from_can_be_read_as_it_is(stored, unit, absent):
    stored = header(**stored, **{absent: None})
    assert refusal(stored).endswith(f"or read it as {unit}, its stored unit.")
    assert convert(stored, unit=unit).factors == [1.0]


def test_suv_of_body_weight_needs_no_other_tag():
    bare = Dataset()
    bare.Units = "GML"
    converted = convert(bare)
    assert converted.factors == [1.0] and converted.unit == "SUVbw"


@pytest.mark.parametrize(
    "private",
    [
        {(0x7053, 0x1000): ("UN", b"0.0005\0")},
        {(0x7053, 0x0010): ("LO", "Philips PET Private Group"), (0x7053, 0x1000): ("DS", "0.0005")},
        {(0x7053, 0x0012): ("UN", b"Philips PET Private Group "), (0x7053, 0x1200): ("UN", b"5e-4")},
    ],
)
def test_private_elements_are_found_by_creator_or_where_vendors_put_them(private):
    assert factor(Units="CNTS", private=private, PatientWeight=None) == 0.0005


def test_an_element_of_another_creator_does_not_count():
    foreign = {(0x7053, 0x0010): ("LO", "SOMEBODY"), (0x7053, 0x1000): ("DS", "0.0005")}
    assert "the factor that converts them to activity is missing" in refusal(header(Units="CNTS", private=foreign))


@pytest.mark.parametrize(
    ("ratio", "tags", "doubted"),
    [
        (1.0, {}, False),
        (1.04, {}, False),
        (1.5, {}, True),
        (0.5, {}, True),
        (1000, {}, True),
        (1.5, {"PatientWeight": None}, False),  # nothing to compare with
        (1.5, {"DecayCorrection": None}, False),
    ],
)
def test_the_two_factors_of_philips_that_contradict_each_other_are_doubted(ratio, tags, doubted):
    both = {(0x7053, 0x1000): ("DS", "0.0005"), (0x7053, 0x1009): ("DS", f"{0.0005 * ratio / FACTOR:.10g}")}
    converted = convert(header(Units="CNTS", private=both, **tags))
    assert converted.factors == [0.0005]
    found = [each for each in converted.metadata["suv"]["warnings"] if "Activity Concentration Scale Factor" in each]
    assert len(found) == doubted
    assert not doubted or f"would be {ratio:.3g} times as high" in found[0]


def test_a_factor_of_zero_does_not_count():
    both = {(0x7053, 0x1000): ("DS", "0"), (0x7053, 0x1009): ("DS", "1.5")}
    assert factor(Units="CNTS", private=both) == pytest.approx(1.5 * FACTOR)


def test_counts_become_activity_by_the_dose_calibration():
    assert factor(Units="CPS", DoseCalibrationFactor=40) == pytest.approx(FACTOR * 40 / VOXEL_ML)
    corrected = [*SUV_TAGS["CorrectedImage"], "DCAL"]
    assert factor(Units="CPS", CorrectedImage=corrected) == pytest.approx(FACTOR / VOXEL_ML)
    assert factor(Units="CNTS", DoseCalibrationFactor=40) == pytest.approx(FACTOR * 40 / VOXEL_ML / 300)
    assert factor(Units="CNTS", DoseCalibrationFactor=40, unit="Bq/mL") == pytest.approx(40 / VOXEL_ML / 300)


def test_activity_is_what_is_stored():
    assert convert(header(PatientWeight=None), unit="Bq/mL") == Conversion("Bq/mL", [1.0])
    activity = {(0x7053, 0x1009): ("DS", "1.5")}
    assert factor(Units="CNTS", private=activity, unit="Bq/mL") == 1.5
    assert "its values are already SUV (Units (0054,1001) GML)" in refusal(header(Units="GML"), unit="Bq/mL")


@pytest.mark.parametrize(
    ("code", "half_life"),
    [("C-111A1", 6586.2), ("77004003", 6586.2), ("C-131A3", 4057.74), ("C-105A1", 1221.8), ("C-B1038", 122.24)],
)
def test_a_missing_half_life_follows_from_the_nuclide(code, half_life):
    coded = {"RadionuclideHalfLife": None, "RadionuclideCodeSequence": [item(CodeValue=code)]}
    coded |= injected_at("20250101105900")
    told = used(header(coded))
    assert told["half_life_s"] == half_life and "is missing: " in told["warnings"][0]
    assert told["factor"] == pytest.approx(70000 / (368.08e6 * 2 ** (-60 / half_life)))


def test_a_half_life_of_another_nuclide_is_doubted():
    coded = {"RadionuclideHalfLife": 4057.74, "RadionuclideCodeSequence": [item(CodeValue="C-111A1")]}
    assert "but F-18 has 6586.2 s" in used(header(coded))["warnings"][0]


@pytest.mark.parametrize(("minutes", "code"), [(109.77, "C-111A1"), (109.77, "other"), (67.7, "C-131A3")])
def test_a_half_life_in_minutes_is_refused(minutes, code):
    stated = {"RadionuclideHalfLife": minutes, "RadionuclideCodeSequence": [item(CodeValue=code)]}
    assert f"is {minutes:g} s, but that is the half-life of" in refusal(header(stated)) and "in minutes" in refusal(
        header(stated)
    )


def test_the_series_time_counts_unless_an_acquisition_began_before_it():
    beds = [header(AcquisitionTime=time) for time in ("110000", "110300", "110600")]
    assert convert(*beds).factors == pytest.approx([FACTOR] * 3)
    assert used(*beds)["reference_time"] == "Series Time (0008,0031)"


def test_late_series_are_referred_to_the_scan_by_what_the_frames_say():
    beds = [
        header(AcquisitionTime=time, FrameReferenceTime=reference, **LATE)
        for time, reference in (("110000", 149605), ("110300", 329605), ("110600", 509605))
    ]
    assert convert(*beds).factors == pytest.approx([FACTOR] * 3, rel=1e-6)
    assert used(*beds)["reference_time"] == "Acquisition Time (0008,0032) minus Frame Reference Time (0054,1300)"


def test_frames_that_contradict_each_other_are_refused():
    beds = [header(FrameReferenceTime=reference, **LATE) for reference in (149605, 449605)]
    assert "scan start times that are 300 s apart" in refusal(*beds)


def test_frame_times_that_count_from_zero_count_from_the_first_acquisition():
    beds = [header(FrameReferenceTime=reference, **LATE) for reference in (0, 243000)]
    assert convert(*beds).factors == pytest.approx([FACTOR] * 2)
    assert "starts at 0" in used(*beds)["warnings"][0]


@pytest.mark.parametrize("value", [("DT", "20250101110000.00"), ("UN", b"20250101110000.00 ")])
def test_the_scan_time_of_ge_comes_before_frame_times(value):
    late = {**LATE, "AcquisitionTime": "113000", "private": {(0x0009, 0x100D): value}}
    assert factor(**late) == pytest.approx(FACTOR)


@pytest.mark.parametrize("times", [("104000", "110000"), ("110000", "104000"), ("110000", "")])
def test_slices_with_different_scan_times_of_ge_are_refused(times):
    private = [{(0x0009, 0x100D): ("DT", "20250101" + time)} if time else {} for time in times]
    slices = [header(**LATE, private=of_slice) for of_slice in private]
    assert "GE Scan DateTime (0009,100D) differs between its slices" in refusal(*slices)


def test_the_decay_correction_time_takes_precedence():
    stated = header(DecayCorrectionDateTime="20250101110000.000", SeriesTime="170000", AcquisitionTime="112000")
    assert convert(stated).factors == pytest.approx([FACTOR])


def test_values_that_are_not_corrected_are_corrected_slice_by_slice():
    beds = [header(AcquisitionTime=time, **UNCORRECTED) for time in ("110000", "120000")]
    mean = (1 - math.exp(-RATE * 300)) / (RATE * 300)
    assert convert(*beds).factors == pytest.approx([FACTOR / mean, FACTOR * 2 ** (3600 / 6586.2) / mean])
    assert used(*beds)["injection_to_reference_s"] == [3600, 7200]


@pytest.mark.parametrize("corrected", [["ATTN"], ["ATTN", "DECY"]])
def test_slices_of_which_some_are_corrected_are_refused(corrected):
    stated = "START" if "DECY" in corrected else "NONE"
    slices = [header(DecayCorrection=stated, CorrectedImage=corrections) for corrections in (corrected, ["ATTN"])]
    slices.append(header(DecayCorrection=stated, CorrectedImage=["ATTN", "DECY"]))
    assert "so it is unclear whether the values are decay-corrected" in refusal(*slices)


def test_time_zones_are_respected():
    utc = {"RadiopharmaceuticalStartDateTime": "20250101090000.000+0000"}
    assert factor(utc, TimezoneOffsetFromUTC="+0100") == pytest.approx(FACTOR)
    zone = {"RadiopharmaceuticalStartDateTime": "20250101100000+0530"}
    alone = header({**zone, "RadiopharmaceuticalStartTime": None})
    assert convert(alone).factors == pytest.approx([FACTOR])
    assert used(header(zone))["warnings"] == []
    assert "states a time zone, but not Timezone Offset From UTC (0008,0201)" in used(alone)["warnings"][0]


def test_a_date_without_a_time_is_not_an_injection_time():
    dated = {"RadiopharmaceuticalStartDateTime": "20250101"}
    assert factor(dated) == pytest.approx(FACTOR)
    assert used(header(dated))["injection_time"] == "Radiopharmaceutical Start Time (0018,1072)"


def test_what_is_kept_has_numbers_and_tags_but_no_date():
    told = used(header({"RadiopharmaceuticalStartDateTime": None}, DecayCorrection="START"))
    assert told == {
        "units": "BQML",
        "weight_kg": 70,
        "dose_bq": 368.08e6,
        "decay_correction": "START",
        "half_life_s": 6586.2,
        "reference_time": "Series Time (0008,0031)",
        "injection_time": "Radiopharmaceutical Start Time (0018,1072)",
        "injection_to_reference_s": 3600,
        "factor": pytest.approx(FACTOR),
        "warnings": [],
    }
