"""Names and tags by which a PET says whether it was corrected for attenuation."""

from __future__ import annotations

import pytest
from test_suv_rules import header, used

from medsynth_core.io.suv.attenuation import attenuation
from medsynth_core.io.suv.attenuation_words import denies_correction, names_method

UNCORRECTED = (
    "PET WB NAC", "WB_noAC", "AC_OFF", "NO_ATTN_CORR", "Wb PET (no CTAC)", "noCTAC", "NoMRAC", "w/o CTAC", "non-CTAC",
    "AC=NONE", "PET NAC1", "NACPET", "TOFNAC", "keine AC", "ohne Schwächungskorrektur", "ohne SK", "sans CA", "sin AC",
    "sin corrección", "senza AC", "senza correzione", "sem AC", "zonder AC", "PET_NoAttn",
    "PET noAttenuationCorrection",
    "not attenuation corrected", "PET without CT-AC", "PET RAW no corr", "un-corrected", "UnCorrected", "AC no",
    "Emission only", "NATTCOR", "N-AC", "Without A.C.", "PET Body NoATN", "PET non corrigé", "nacstat", "unkorrigiert",
    "nicht schwaechungskorrigiert", "PETNonAC", "PET uncorrected", "AC uncorrected", "uncorrected for attenuation",
    "未衰减校正", "吸収補正なし",
)  # fmt: skip
CORRECTED = (
    "PET WB AC", "WB CTAC", "PET AC POST NAC", "Post NAC PET", "PET AC decay uncorrected", "MoCo uncorrected AC",
    "motion not corrected AC", "PET AC uncorrected motion", "PET no contrast", "non-contrast AC", "non gated PET AC",
    "PSF no PVC AC", "AC no arms", "no AC issues", "PET CORRECTED", "cardiac", "PET MAC", "NaCl", "PET nasopharynx",
    "unconscious AC", "PET NSK", "PET non Ca", "",
)  # fmt: skip


@pytest.mark.parametrize("name", UNCORRECTED)
def test_a_name_says_that_there_was_no_correction(name):
    assert denies_correction(name)


@pytest.mark.parametrize("name", CORRECTED)
def test_a_name_does_not_say_so(name):
    assert not denies_correction(name)


@pytest.mark.parametrize(
    ("method", "named"),
    [
        ("measured,AC_CT", True),
        ("CT-derived mu-map", True),
        ("MRAC (no bones)", True),
        ("NONE", False),
        ("NONE, 0.096 cm-1", False),
        ("No attenuation correction", False),
        ("uncorrected", False),
        ("keine", False),
        ("", None),
        ("N/A", None),
        ("UNKNOWN", None),
    ],
)
def test_the_method_is_one_or_denies_it(method, named):
    assert names_method(method) is named


WITH, WITHOUT, EMPTY = ["ATTN", "DECY"], ["NORM", "DECY"], None


@pytest.mark.parametrize(
    ("corrections", "method", "description", "corrected"),
    [
        (WITH, "", "PET", True),
        (WITH, "CTAC", "PET", True),
        (EMPTY, "CTAC", "PET", True),
        (WITH, "", "PET AC POST NAC", True),
        (WITH, "NONE", "PET AC", False),
        (WITH, "No attenuation correction", "PET", False),
        (WITH, "", "WB noCTAC", False),
        (EMPTY, "", "PET not attenuation corrected", False),
        (WITHOUT, "", "PET AC", False),
        (WITHOUT, "CTAC", "PET NAC", False),
        (WITHOUT, "MEASURED, CTAC", "PET AC", None),
        (WITH, "CTAC", "PET NAC", None),
        (EMPTY, "", "PET", None),
    ],
)
def test_the_tags_are_weighed_against_each_other(corrections, method, description, corrected):
    tags = {"CorrectedImage": corrections, "AttenuationCorrectionMethod": method, "SeriesDescription": description}
    assert attenuation([header(**tags)]).corrected is corrected
    warnings = used(header(**tags))["warnings"]
    assert [warning.endswith("without attenuation correction the SUVs are not valid.") for warning in warnings] == (
        [] if corrected else [True]
    )


def test_a_contradiction_is_told():
    tags = {"CorrectedImage": WITHOUT, "AttenuationCorrectionMethod": "MEASURED, CTAC"}
    (warning,) = used(header(**tags))["warnings"]
    assert "does not list ATTN, although Attenuation Correction Method (0054,1101) states the opposite" in warning


def test_of_several_slices_the_worst_counts():
    assert attenuation([header(), header(CorrectedImage=WITHOUT)]).corrected is False
