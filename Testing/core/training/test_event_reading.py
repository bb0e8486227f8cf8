"""Of a damaged log of events, or one of another program, only what can be used is read."""

import json
import os

import pytest

from medsynth_core.errors import MedSynthError
from medsynth_core.training.background import main, read_request
from medsynth_core.training.event_reading import events_in
from medsynth_core.training.run_watch import RunWatch

GOOD = [
    {"event": "started", "time": 1.5, "name": "ct-to-pet", "epochs": 3, "steps": 7},
    {"event": "progress", "time": 1, "progress": 1.0, "message": "Epoch 1", "epoch": 1, "seconds_left": None},
    {"event": "metric", "time": 2, "split": "val", "name": "mae", "step": 1, "value": -0.5},
    {"event": "preview", "time": 3, "file": "previews/epoch_0001.png", "epoch": 1, "case": "P1"},
    {"event": "device", "time": 4, "name": "CPU", "used_bytes": 10**12, "total_bytes": None},
    {"event": "error", "time": 5, "kind": "input", "message": "Größe", "hint": ""},
    {"event": "of a later version", "time": 6, "more": [1]},
]
WRONG = {
    "event": [[], 5, None, {}],
    "name": [["x"], 5, None, "\ud800"],
    "message": [5, [1], None],
    "split": [[], 1],
    "case": [["P1"], 1],
    "file": [5, "/etc/hostname", "../other/preview.png", "a/../../b.png", "a\0b"],
    "epoch": [1.5, "1", True, 10**400],
    "epochs": ["3", None],
    "step": [0.5, []],
    "value": ["x", float("nan"), float("inf"), 10**400, True],
    "progress": ["x", float("nan"), -0.1, 1.1, None],
    "seconds_left": ["x", float("nan"), float("inf")],
    "time": ["x", float("nan"), -1.0, 1e300, None],
    "hint": [5],
    "used_bytes": ["1", float("inf")],
    "total_bytes": [[]],
}


def test_what_a_training_writes_is_read_as_it_is():
    lines = "".join(json.dumps(event) + "\n" for event in GOOD).encode()
    assert events_in(lines) == GOOD


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WRONG.items() for value in values])
def test_a_line_with_a_wrong_value_is_left_out(key, value):
    of_kind = next((event for event in GOOD if key in event and key != "event"), GOOD[0])
    line = json.dumps({**of_kind, key: value}) + "\n"
    assert events_in(line.encode() + json.dumps(GOOD[0]).encode()) == [GOOD[0]]


@pytest.mark.parametrize("name", ["..", "../other", "/tmp", "a\0b", "", "a/b"])
def test_the_package_of_a_run_is_in_its_folder(name):
    assert events_in(json.dumps({**GOOD[0], "name": name}).encode()) == []


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"event": ' + b"[" * 100_000, b"\xff", b'{"event": "log", "event": "x"}']
)
def test_a_line_that_is_no_event_is_left_out(line):
    assert events_in(line + b"\n" + json.dumps(GOOD[0]).encode()) == [GOOD[0]]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "events.jsonl")
    watch = RunWatch(tmp_path)
    assert watch.events() == [] and watch.glance() == []


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"recipe": 5, "data": 6, "output": "o"}', '{"recipe": "r", "data": "d"}', '{"a": 1, "a": 2}',
             '{"recipe": "r", "data": "d", "output": "o", "resume": "no"}', "\xfc"],
)  # fmt: skip
def test_a_damaged_request_is_refused_in_a_sentence(tmp_path, text, capsys):
    file = tmp_path / "request.json"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(MedSynthError, match="start the training again"):
        read_request(file)
    assert main(file) == 2
    assert capsys.readouterr().err.count("start the training again") == 1


def test_a_request_has_its_defaults(tmp_path):
    file = tmp_path / "request.json"
    file.write_text('{"recipe": "r.yaml", "data": "d.csv", "output": "o"}')
    assert read_request(file) == {
        "recipe": "r.yaml", "data": "d.csv", "output": "o", "resume": False, "device": "auto",
    }  # fmt: skip
