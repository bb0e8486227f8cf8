"""A run is followed by reading only new events, even if the file is replaced or cut meanwhile."""

import json
import os

import pytest

from medsynth_core.training.event_log import append_event
from medsynth_core.training.run_watch import GLANCE_BYTES, RunWatch


@pytest.fixture
def watch(tmp_path):
    return RunWatch(tmp_path)


def tell(watch, *steps):
    for step in steps:
        append_event(watch.folder, "progress", step=step)


def steps(events):
    return [event["step"] for event in events]


def bytes_read(watch, read):
    """Return what ``read`` returns, and how many bytes this process has read for it (Linux)."""

    def count():
        with open("/proc/self/io") as file:
            return int(file.readline().split()[1])

    before = count()
    returned = read()
    return returned, count() - before


def test_each_event_is_told_once(watch):
    assert watch.events() == [] and not watch.restarted
    tell(watch, 1, 2)
    assert steps(watch.events()) == [1, 2] and watch.restarted
    assert watch.events() == [] and not watch.restarted
    tell(watch, 3)
    assert steps(watch.events()) == [3] and not watch.restarted


def test_a_partly_written_line_is_reported_once_it_is_complete(watch):
    tell(watch, 1)
    file = watch.folder / "events.jsonl"
    line = json.dumps({"event": "progress", "time": 0, "step": 2, "message": "Größe"}, ensure_ascii=False).encode()
    assert steps(watch.events()) == [1]
    half = line.index("ß".encode()) + 1  # in the middle of a letter
    for part in (line[:1], line[1:half], line[half:]):
        with file.open("ab") as events:
            events.write(part)
        assert watch.events() == []
    with file.open("ab") as events:
        events.write(b"\n")
    assert steps(watch.events()) == [2]


def test_what_a_killed_process_was_writing_is_passed_over(watch):
    with (watch.folder / "events.jsonl").open("ab") as events:
        events.write(b'{"event": "progress", "st\n\xff\n[1]\n{"step": 0}\n')
    tell(watch, 1)
    assert steps(watch.events()) == [1] and steps(watch.glance()) == [1]


@pytest.mark.parametrize("longer", [0, 1, 9])
def test_a_file_that_has_replaced_another_is_read_from_its_beginning(watch, longer):
    tell(watch, *range(10, 15))
    assert len(watch.events()) == 5
    new = range(20, 25 + longer)
    (watch.folder / "new").mkdir()
    tell(RunWatch(watch.folder / "new"), *new)
    os.replace(watch.folder / "new" / "events.jsonl", watch.folder / "events.jsonl")
    assert steps(watch.events()) == list(new) and watch.restarted


def test_a_file_that_was_cut_is_read_from_its_beginning(watch):
    tell(watch, *range(10))
    watch.events()
    (watch.folder / "events.jsonl").write_bytes(b"")
    assert watch.events() == [] and not watch.restarted
    tell(watch, *range(50, 70))
    assert steps(watch.events()) == list(range(50, 70)) and watch.restarted


def test_a_file_that_went_away_and_came_back_goes_on(watch):
    tell(watch, 1)
    watch.events()
    file = watch.folder / "events.jsonl"
    file.rename(watch.folder / "elsewhere")
    assert watch.events() == []
    (watch.folder / "elsewhere").rename(file)
    tell(watch, 2)
    assert steps(watch.events()) == [2] and not watch.restarted


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_summary_of_a_short_run_has_all_events(watch, count):
    tell(watch, *range(count))
    assert steps(watch.glance()) == list(range(count))


@pytest.mark.parametrize("padding", range(3))
def test_a_summary_of_a_long_run_has_its_first_and_latest_events(watch, padding):
    count = 1000
    with (watch.folder / "events.jsonl").open("a") as file:
        for step in range(count):
            line = json.dumps({"event": "progress", "step": step, "message": "x" * (49 + padding)})
            file.write(f"{line}\n")
    seen = steps(watch.glance())
    length = len(line) + 1
    assert seen[0] == 0 and seen[1:] == list(range(seen[1], count))
    assert GLANCE_BYTES - 2 * length < len(seen[1:]) * length <= GLANCE_BYTES + length
    assert steps(watch.events()) == list(range(count))


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="counts what was read as Linux does")
def test_only_what_is_new_is_read(watch):
    with (watch.folder / "events.jsonl").open("a") as file:
        file.writelines(json.dumps({"event": "progress", "step": step}) + "\n" for step in range(200_000))
    size = (watch.folder / "events.jsonl").stat().st_size
    _, glanced = bytes_read(watch, watch.glance)
    events, whole = bytes_read(watch, watch.events)
    assert len(events) == 200_000 and whole >= size
    tell(watch, -1)
    new, read = bytes_read(watch, watch.events)
    assert steps(new) == [-1]
    assert read < 100_000 and glanced < 200_000 < size
