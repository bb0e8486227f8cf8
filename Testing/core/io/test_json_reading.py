"""Whatever is wrong with a JSON file is said, and reading one ends."""

from __future__ import annotations

import os

import pytest

from medsynth_core.io import json_reading
from medsynth_core.io.json_reading import parse_json, read_json


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' twice"),
        ('{"a": [{"b": 1, "b": 1}]}', "the key 'b' twice"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ("", "Expecting value"),
        (b"\xff\xfe{}", "codec can't decode"),
        ("[" + "1" * 5000 + "]", "4300"),
    ],
)
def test_a_text_that_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse_json(text)


def test_a_text_with_a_byte_order_mark(tmp_path):
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{"unit": "\xc2\xb5Sv"}')
    assert read_json(tmp_path / "a.json") == {"unit": "µSv"}


def test_a_file_that_never_ends(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(OSError, match="not a regular file"):
        read_json(tmp_path / "pipe.json")
    with pytest.raises(OSError, match="not a regular file"):
        read_json(json_reading.Path("/dev/zero"))


def test_a_file_that_is_too_large(tmp_path):
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(json_reading.LARGEST_TEXT + 1)
    with pytest.raises(ValueError, match="larger than 100 MB"):
        read_json(tmp_path / "large.json")


@pytest.mark.parametrize("kind", ["missing", "folder", "dangling", "circle", "long"])
def test_what_is_no_file_is_an_error_of_the_system(kind, tmp_path):
    path = tmp_path / ("n" * 300 if kind == "long" else "a.json")
    if kind == "folder":
        path.mkdir()
    elif kind in ("dangling", "circle"):
        path.symlink_to(path if kind == "circle" else tmp_path / "nowhere")
    with pytest.raises(OSError, match="a.json|nnn"):
        read_json(path)
