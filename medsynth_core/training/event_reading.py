"""Events of a training from the lines of its log, which may be damaged or written by another program."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from medsynth_core.datasets.case_names import folder_name_problem
from medsynth_core.io.json_reading import parse_json

# Far above anything that is logged, and a time in the year 2888: everybody can compute with smaller ones.
_LARGEST, _LATEST = 1e15, 2.9e10
# JSON can state them, but no window or file can hold them.
_HALVES_OF_CHARACTERS = re.compile("[\ud800-\udfff]")


def events_in(lines: bytes) -> list[dict[str, Any]]:
    """Return the events in lines of JSON, each with the text ``event`` and what else the line has.

    Values under keys that a training writes have their types and ranges, numbers are finite, and ``file`` is below the
    run folder. A line in which one has not is left out, like one that is incomplete.
    """
    return [event for line in lines.splitlines() if (event := _parsed(line)) is not None]


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        event = parse_json(line)
    except ValueError:
        # An incomplete line of a process that was killed.
        return None
    if not isinstance(event, dict) or not _is_text(event.get("event")):
        return None
    usable = all(_CHECKS[key](value) for key, value in event.items() if key in _CHECKS)
    # The package is in a folder of the run folder that has the model's name.
    is_start = usable and event["event"] == "started" and "name" in event
    return event if usable and not (is_start and folder_name_problem(event["name"])) else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not _HALVES_OF_CHARACTERS.search(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value)


def _is_fraction(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_time(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= _LATEST


def _is_inside(value: Any) -> bool:
    """Return whether a value is the path of a file below the run folder."""
    if not _is_text(value) or "\0" in value:
        return False
    path = PurePath(value)
    return not path.is_absolute() and not path.drive and ".." not in path.parts


def _or_none(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


# By key: the same in events of every kind.
_CHECKS: dict[str, Callable[[Any], bool]] = {
    "time": _is_time, "name": _is_text, "message": _is_text, "split": _is_text, "case": _is_text, "kind": _is_text,
    "file": _is_inside, "epoch": _is_whole, "epochs": _is_whole, "step": _is_whole, "value": _is_number,
    "progress": _is_fraction, "hint": _or_none(_is_text), "seconds_left": _or_none(_is_number),
    "used_bytes": _or_none(_is_number), "total_bytes": _or_none(_is_number),
}  # fmt: skip
