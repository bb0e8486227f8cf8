"""The table that says which files are a case, of which patient, and which split it belongs to."""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import ITK_SUFFIXES, NIFTI_SUFFIXES
from medsynth_core.io.table import write_rows

SPLITS = ("train", "val", "test")
# Columns that are no roles.
ABOUT_THE_CASE = ("case", "split", "patient")


@dataclass(frozen=True)
class Case:
    """One examination: a name, a split, and a file for each role.

    Attributes:
        name: unlike that of every other case.
        split: ``train``, ``val``, ``test``, or ``""`` for a case that belongs to none yet.
        files: role (``ct``, ``pet``, ``mr_t1``, ``lesion``, …) → image file.
        patient: whose examination it is, for a patient with several; the case's name where it is not stated.
    """

    name: str
    split: str
    files: dict[str, Path]
    patient: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "patient", self.patient or self.name)


def read_manifest(
    path: str | Path, roles: tuple[str, ...], *, check_files: bool = True, unsplit: bool = False
) -> list[Case]:
    """Return the cases of a CSV with the columns ``case``, ``split``, ``roles`` and, optionally, ``patient``.

    Relative paths are relative to the CSV's folder. Other columns are ignored.

    Args:
        path: the CSV, in UTF-8.
        roles: the columns with the files that are asked for.
        check_files: refuse a file that is not there; else a case has the files that its line names.
        unsplit: take cases without a split, and a table without that column.

    Raises:
        MedSynthError: the table, a column or a role's file is missing, a split is unknown, a case is there twice, or
            a patient is in two splits.
    """
    path = Path(path)
    rows = _read_rows(path)
    needed = ("case", *roles) if unsplit else ("case", "split", *roles)
    missing = [column for column in needed if column not in rows[0]]
    if missing:
        raise MedSynthError(f"The manifest {path} has no column '{missing[0]}'; add it.")
    cases = [_case(path, line, row, roles, unsplit) for line, row in enumerate(rows, start=2)]
    if check_files:
        _check_files(path, cases, roles)
    twice = [name for name, count in Counter(case.name for case in cases).items() if count > 1]
    if twice:
        raise MedSynthError(f"The manifest {path} lists the case '{twice[0]}' twice; give each line a name of its own.")
    for patient, splits in shared_patients(cases).items():
        raise MedSynthError(
            f"The manifest {path} has the patient '{patient}' in the splits {' and '.join(splits)}; put all cases of a "
            "patient into one split, else a model is judged by what it was trained with."
        )
    return cases


def roles_in(path: str | Path) -> tuple[str, ...]:
    """Return the columns of a manifest that name image files, in their order.

    Raises:
        MedSynthError: the table is missing, is no CSV or has no line.
    """
    path = Path(path)
    rows = _read_rows(path)
    columns = [column for column in rows[0] if column and column not in ABOUT_THE_CASE]
    return tuple(column for column in columns if any(_is_image(path.parent, row[column]) for row in rows))


def write_manifest(cases: list[Case], path: str | Path) -> Path:
    """Write the table of ``cases`` and return its path.

    Files below the table's folder are named relative to it, so that the folder can be moved; others by their full
    path. There is a column ``patient`` if a patient is not called as the case.

    Raises:
        MedSynthError: there is no case, or the file cannot be written.
    """
    path = Path(path)
    if not cases:
        raise MedSynthError(f"There is no case to write into the manifest {path}; add one.")
    patients = any(case.patient != case.name for case in cases)
    rows = [
        {
            "case": case.name,
            "split": case.split,
            **({"patient": case.patient} if patients else {}),
            **{role: _written(file, path.parent) for role, file in case.files.items()},
        }
        for case in cases
    ]
    write_rows(rows, path)
    return path


def write_splits(cases: list[Case], source: Path, target: Path) -> None:
    """Write the manifest ``source`` with the splits of ``cases`` to ``target``, which may be the same file.

    Every other cell stays, but relative paths of image files become relative to the new place.

    Raises:
        MedSynthError: a file cannot be read or written.
    """
    splits = {case.name: case.split for case in cases}
    roles = roles_in(source)
    rows = []
    for row in _read_rows(source):
        files = {role: _written(source.parent / cell, target.parent) for role in roles if (cell := row[role])}
        # Cells beyond the last column have no name.
        cells = {column: cell for column, cell in row.items() if column is not None}
        rows.append({**cells, **files, "split": splits[row["case"] or ""]})
    write_rows(rows, target)


def split_of(cases: list[Case], split: str) -> list[Case]:
    """Return the cases of one split.

    Raises:
        MedSynthError: there are none.
    """
    chosen = [case for case in cases if case.split == split]
    if not chosen:
        raise MedSynthError(f"The manifest has no case in the split '{split}'; give it at least one.")
    return chosen


def shared_patients(cases: list[Case]) -> dict[str, list[str]]:
    """Return the patients whose cases are in several splits, each with these splits; {} when all is well."""
    found: dict[str, set[str]] = {}
    for case in cases:
        found.setdefault(case.patient, set()).update({case.split} - {""})
    return {patient: sorted(splits, key=SPLITS.index) for patient, splits in found.items() if len(splits) > 1}


def _read_rows(path: Path) -> list[dict[str, str | None]]:
    """Return the lines of a CSV, at least one; what a short line lacks is None."""
    try:
        # Spreadsheets put a byte order mark before the first column.
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows: list[dict[str, str | None]] = list(csv.DictReader(file))
    except OSError as error:
        raise MedSynthError(f"The manifest {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise MedSynthError(f"The manifest {path} is not a CSV in UTF-8: {error}; save it as one.") from error
    if not rows:
        raise MedSynthError(f"The manifest {path} lists no case; it needs a line for each.")
    return rows


def _case(path: Path, line: int, row: dict[str, str | None], roles: tuple[str, ...], unsplit: bool) -> Case:
    name, split = row["case"] or "", row.get("split") or ""
    if not name:
        raise MedSynthError(f"Line {line} of the manifest {path} has no name in the column 'case'; give it one.")
    if not split and not unsplit:
        raise MedSynthError(
            f"Line {line} of the manifest {path} has no split; use train, val or test, or divide the cases with: "
            f"medsynth pairs split {path}."
        )
    if split and split not in SPLITS:
        raise MedSynthError(f"Line {line} of the manifest {path} has the split '{split}'; use train, val or test.")
    files = {role: path.parent / cell for role in roles if (cell := row[role])}
    return Case(name, split, files, row.get("patient") or "")


def _check_files(path: Path, cases: list[Case], roles: tuple[str, ...]) -> None:
    for line, case in enumerate(cases, start=2):
        for role in roles:
            file = case.files.get(role)
            if file is None:
                raise MedSynthError(f"Line {line} of the manifest {path} names no file for '{role}'; add it.")
            if not file.is_file():
                raise MedSynthError(f"Line {line} of the manifest {path} names a missing file for '{role}': {file}.")


def _is_image(folder: Path, cell: str | None) -> bool:
    if not cell:
        return False
    return cell.lower().endswith(NIFTI_SUFFIXES + ITK_SUFFIXES) or (folder / cell).is_file()


def _written(file: Path, folder: Path) -> str:
    """Return how a manifest in ``folder`` names a file."""
    # Links are not followed: a link to a file elsewhere is named by its place here.
    whole, base = Path(os.path.abspath(file)), Path(os.path.abspath(folder))
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)
