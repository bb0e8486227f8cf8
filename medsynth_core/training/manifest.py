"""The table of cases that a model is trained and judged on."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from medsynth_core.errors import MedSynthError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Case:
    """One patient: a name, a split (``train``, ``val`` or ``test``), and a file for each role."""

    name: str
    split: str
    files: dict[str, Path]


def read_manifest(path: str | Path, roles: tuple[str, ...]) -> list[Case]:
    """Return the cases of a CSV with the columns ``case``, ``split`` and ``roles``.

    Relative paths are relative to the CSV's folder. Other columns are ignored.

    Raises:
        MedSynthError: the file, a column or a role's file is missing, a split is unknown, or a case is there twice.
    """
    path = Path(path)
    try:
        # Spreadsheets put a byte order mark before the first column.
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise MedSynthError(f"The manifest {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise MedSynthError(f"The manifest {path} is not a CSV in UTF-8: {error}; save it as one.") from error
    if not rows:
        raise MedSynthError(f"The manifest {path} lists no case; it needs a line for each.")
    missing = [column for column in ("case", "split", *roles) if column not in rows[0]]
    if missing:
        raise MedSynthError(f"The manifest {path} has no column '{missing[0]}'; add it.")
    cases = [_case(path, line, row, roles) for line, row in enumerate(rows, start=2)]
    names = [case.name for case in cases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise MedSynthError(f"The manifest {path} lists the case '{twice}' twice; a patient has one line.")
    return cases


def _case(path: Path, line: int, row: dict[str, str], roles: tuple[str, ...]) -> Case:
    if row["split"] not in SPLITS:
        raise MedSynthError(
            f"Line {line} of the manifest {path} has the split '{row['split']}'; use train, val or test."
        )
    files = {role: path.parent / (row[role] or "") for role in roles}
    for role, file in files.items():
        if not file.is_file():
            raise MedSynthError(f"Line {line} of the manifest {path} names a missing file for '{role}': {file}.")
    return Case(row["case"], row["split"], files)


def split_of(cases: list[Case], split: str) -> list[Case]:
    """Return the cases of one split.

    Raises:
        MedSynthError: there are none.
    """
    chosen = [case for case in cases if case.split == split]
    if not chosen:
        raise MedSynthError(f"The manifest has no case in the split '{split}'; give it at least one.")
    return chosen
