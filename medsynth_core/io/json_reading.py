"""Reading of JSON and YAML that others may have written: whatever is wrong with a file is a `ValueError`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from medsynth_core.io.regular_file import open_regular

# Largest JSON or YAML file in bytes: a hundred times the card of a model with thousands of cases.
LARGEST_TEXT = 100_000_000


def parse_json(text: str | bytes) -> Any:
    """Return the content of a JSON text.

    Raises:
        ValueError: it is not JSON, nested too deeply, or an object has a key twice, so that programs disagree on its
            content.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")  # Windows programs write a byte order mark
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json(path: Path) -> Any:
    """Return the content of a JSON file in UTF-8.

    Raises:
        OSError: the file cannot be read.
        ValueError: as `parse_json`, or the file is larger than `LARGEST_TEXT`.
    """
    return parse_json(read_text_bytes(path))


def read_text_bytes(path: Path) -> bytes:
    """Return the content of a regular file of at most `LARGEST_TEXT` bytes.

    Raises:
        OSError: the file cannot be read, or is a pipe or device.
        ValueError: it is too large.
    """
    with open_regular(path) as file:
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise ValueError(f"it is larger than {LARGEST_TEXT // 10**6} MB")
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if twice:
        raise ValueError(f"it has the key '{twice[0]}' twice")
    return dict(pairs)
