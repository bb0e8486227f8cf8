"""Tables as CSV files."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Literal

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.regular_file import open_regular

# Spreadsheet programs run a cell that begins like this as a formula, which can start programs and send data.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_STATED = re.compile(r"sep=.", re.IGNORECASE)
# The mark by which they keep it as text.
_TEXT = "'"


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a CSV with one line per row; the columns are all keys in order of first appearance.

    Missing values become empty cells. Text that a spreadsheet program would run as a formula (``=…``) gets an
    apostrophe in front, which `read_rows` removes. The file is written atomically.

    Raises:
        MedSynthError: its name does not end with .csv, or the file cannot be written.
    """
    check_table_name(path)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    # Until Python 3.12 the writer does not quote a carriage return, which the reader takes for the end of the row.
    split = any("\r" in str(value) for row in rows for value in row.values())
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        quoting: Literal[0, 1] = csv.QUOTE_ALL if split else csv.QUOTE_MINIMAL
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n", quoting=quoting)
        writer.writeheader()
        writer.writerows({column: _harmless(value) for column, value in row.items()} for row in rows)


def check_table_name(path: Path) -> None:
    """Check, before long work, that a table does not get the name of another kind of file, which it may replace.

    Raises:
        MedSynthError: the name does not end with .csv.
    """
    if path.suffix.lower() != ".csv":
        raise MedSynthError(
            f"{path} cannot be written: tables are written as .csv; choose a name that ends with .csv.", kind="output"
        )


def read_rows(path: Path, delimiters: str = ",", column: str = "") -> list[dict[str, str | None]]:
    """Return the rows of a CSV in UTF-8 by column, as they were given to `write_rows`; missing cells are None.

    Cells beyond the last column are left out.

    Args:
        path: the CSV.
        delimiters: what may separate the columns; it is the one that gives the header the most columns, of those that
            give it ``column``, if any does.
        column: name of a column, in any letter case.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a CSV in UTF-8, or two columns have the same name.
    """
    # Spreadsheet programs write a byte order mark before the first column.
    with TextIOWrapper(open_regular(path), encoding="utf-8-sig", newline="") as file:
        try:
            begin, header = 0, file.readline()
            # Excel may be told the delimiter in a line of its own.
            while header and (not header.strip() or _STATED.fullmatch(header.strip())):
                begin, header = file.tell(), file.readline()
            reader = csv.DictReader(_from(file, begin), delimiter=_delimiter(header, delimiters, column))
            columns = list(reader.fieldnames or [])
            _check_columns(columns)
            return [{column: _given(row[column]) for column in columns} for row in reader]
        except csv.Error as error:
            raise ValueError(str(error)) from error


def _from(file: TextIOWrapper, begin: int) -> TextIOWrapper:
    file.seek(begin)
    return file


def _delimiter(header: str, delimiters: str, column: str) -> str:
    def columns(delimiter: str) -> tuple[bool, int]:
        names = next(csv.reader([header], delimiter=delimiter), [])
        return column in [name.strip().lower() for name in names], len(names)

    return max(delimiters, key=columns)


def _check_columns(columns: Sequence[str]) -> None:
    twice = [column for column in columns if column and columns.count(column) > 1]
    if twice:
        raise ValueError(f"it has the column '{twice[0]}' twice")


def _harmless(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith((*_FORMULA, _TEXT)) or _is_number(value):
        return value
    return _TEXT + value


def _given(cell: str | None) -> str | None:
    """Return a cell without the apostrophe of `_harmless`."""
    return cell[1:] if cell and cell[0] == _TEXT and cell[1:].startswith((*_FORMULA, _TEXT)) else cell


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
