"""JSON files are UTF-8 and are written completely or not at all."""

import json

import numpy as np
import pytest

from medsynth_core import MedSynthError
from medsynth_core.io.json_file import write_json


def test_letters_are_kept_and_the_file_ends_with_a_line(tmp_path):
    write_json(tmp_path / "facts.json", {"name": "Grüße", "values": [1, 2.5]})
    text = (tmp_path / "facts.json").read_text(encoding="utf-8")
    assert "Grüße" in text and text.endswith("}\n") and json.loads(text)["values"] == [1, 2.5]


def test_numbers_of_numpy_are_written_as_plain_ones(tmp_path):
    write_json(tmp_path / "facts.json", {"a": np.float32(0.5), "b": np.arange(3), "c": np.bool_(True)})
    assert json.loads((tmp_path / "facts.json").read_text()) == {"a": 0.5, "b": [0, 1, 2], "c": True}


def test_what_cannot_be_written_leaves_the_file_that_was_there(tmp_path):
    write_json(tmp_path / "facts.json", {"kept": True})
    with pytest.raises(MedSynthError, match="of type set cannot be written to a JSON file"):
        write_json(tmp_path / "facts.json", {"kept": {1, 2}})
    with pytest.raises(MedSynthError, match="does not exist"):
        write_json(tmp_path / "nowhere" / "facts.json", {})
    assert json.loads((tmp_path / "facts.json").read_text()) == {"kept": True}
    assert [path.name for path in tmp_path.iterdir()] == ["facts.json"]
