"""How an SUV was computed, in words."""

import re
from pathlib import Path

from dicom_builder import write_pet

import medsynth_core.io.suv
from medsynth_core import read_volume
from medsynth_core.io.suv.notes import Notes, describe_suv


def test_each_fact_of_a_series_has_a_line_with_its_unit(tmp_path):
    write_pet(tmp_path / "pet")
    lines = describe_suv(read_volume(tmp_path / "pet", unit="SUVbw").metadata["suv"])
    assert {"Stored in: BQML", "Weight: 70 kg", "Injected activity: 368.08 MBq", "Half-life: 6586.2 s"} <= set(lines)
    assert "From injection to reference time: 3600 s" in lines and "Decay correction: START" in lines


def test_differing_values_are_shown_as_a_range_and_unknown_ones_omitted():
    notes = Notes({"units": "CNTS", "scale": "Philips SUV Scale Factor (7053,1000)"}, ["It is doubtful."])
    notes.span("factor", [0.5, 0.25, 1.0])
    assert describe_suv(notes.to_dict()) == [
        "Stored in: CNTS Philips SUV Scale Factor (7053,1000)",
        "Factor: 0.25 to 1",
        "Warning: It is doubtful.",
    ]


def test_every_fact_that_the_rules_note_is_described():
    """Every recorded fact must appear in the description."""
    rules = "".join(file.read_text() for file in Path(medsynth_core.io.suv.__path__[0]).glob("*.py"))
    noted = set(re.findall(r'notes\.used\["(\w+)"\]', rules)) | set(re.findall(r'notes\.span\("(\w+)"', rules))
    assert len(noted) >= 10
    for key in noted:
        assert describe_suv({key: 7.0}), key
