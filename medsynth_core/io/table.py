"""Tables as CSV files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medsynth_core.io.atomic import atomic_write


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a CSV with a line a row; its columns are all keys, in the order of first appearance.

    What a row does not have is an empty cell. The file appears only when it is whole.

    Raises:
        MedSynthError: the file cannot be written.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
