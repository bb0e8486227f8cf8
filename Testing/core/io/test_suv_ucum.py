"""Units of PET have one name, whether UCUM codes or DICOM's tags state them."""

from __future__ import annotations

import pytest

from medsynth_core.io.suv.body import SUV_UNITS
from medsynth_core.io.suv.ucum import PREFERENCE, unit_of_tags


@pytest.mark.parametrize(
    ("units", "suv_type", "unit"),
    [
        ("GML", "", "SUVbw"),
        ("GML", "BW", "SUVbw"),
        ("GML", "LBMJANMA", "SUVlbm-janma"),
        ("GML", "NEW", "SUV"),
        ("CM2ML", "", "SUVbsa"),
        ("CM2ML", "BSA", "SUVbsa"),
        ("BQML", "BW", "Bq/mL"),
        ("CNTS", "", "CNTS"),
        ("PERCENT", "", "PERCENT"),
        ("", "", ""),
    ],
)
def test_tags_are_named_as_a_volume_states_its_unit(units: str, suv_type: str, unit: str) -> None:
    assert unit_of_tags(units, suv_type) == unit


def test_tags_and_codes_agree() -> None:
    for known in PREFERENCE:
        assert unit_of_tags(known.units, known.suv_type) == known.unit
    assert set(SUV_UNITS) <= {unit_of_tags(known.units, known.suv_type) for known in PREFERENCE}
