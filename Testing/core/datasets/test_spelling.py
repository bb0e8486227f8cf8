"""Names that differ only in their spelling are of one patient, others are not."""

import pytest

from medsynth_core.datasets.spelling import same_spelling, spelling


@pytest.mark.parametrize(
    "names",
    [
        ("P1", "p1", "P-1", "P 01", "p_001", " P1\u00a0", "P\u200b1", "\uff301"),
        ("1", "01", "1.0", " 1"),
        ("M\u00fcller", "Mu\u0308ller", "M\u00dcLLER"),
        ("Stra\u00dfe", "STRASSE"),
        ("Smith^John", "smith, john"),
        ("\u0930\u093e\u092e", "\u0930\u093e\u092e "),
    ],
)
def test_spellings_of_one_name(names):
    assert len({spelling(name) for name in names}) == 1
    assert len(set(same_spelling(names).values())) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("P1", "P10", "P11", "P1a", "P1-1"),
        ("1", "10", "0", "1.5"),
        ("12-3", "1-23", "123"),
        ("M\u00fcller", "Muller"),
        ("\u0930\u093e\u092e", "\u0930\u0940\u092e"),
        ("-", "+"),
    ],
)
def test_names_that_are_not_the_same(names):
    assert len({spelling(name) for name in names}) == len(names)
