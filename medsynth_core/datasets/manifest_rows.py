"""The lines of a manifest, whatever its columns are called and separated by."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import Path

from medsynth_core.datasets.spelling import is_placeholder, spelling
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.table import read_rows
from medsynth_core.preparation.roles import ABOUT_THE_CASE
from medsynth_core.text import visible

Rows = list[dict[str, str]]

# What spreadsheet programs separate columns by, as their country wants it.
_DELIMITERS = ",;\t"
# Columns by which others tell patients: patient_id, SubjectID, MRN, Probandennummer.
_BESIDE = (
    r"id|ids|no|nr|num|number|nummer|name|code|key|label|uid|identifier|pseudonym|pseudo|anon|anonymi[sz]ed|"
    r"hospital|dicom|of|the"
)
# These may be the reader or the species, unless a number of them is meant: person_id, animal no.
_PERSON = r"persons?|people|animal|mouse|sub"
_PATIENT = re.compile(
    rf"(?:{_BESIDE})*(?:patient(?:s|en|in|innen)?|pat|pid|mrn|subj(?:ect|ekt)?s?|participants?|"
    rf"individuals?|volunteers?|proband(?:s|en)?|paciente|paziente|sujet|sujeto)(?:{_BESIDE})*|"
    rf"(?:{_BESIDE})+(?:{_PERSON})|(?:{_PERSON})(?:{_BESIDE})+|id"
)


def manifest_rows(path: Path, *, people: bool = True) -> Rows:
    """Return the lines of a manifest by column, at least one; a missing cell is empty.

    Spaces around names of columns and cells are left out. ``case``, ``split``, ``patient`` and ``class`` are recognised
    in capital and small letters. Columns may be separated by commas, semicolons or tabs.

    Args:
        path: the table.
        people: whether it must tell patients as a training needs it.

    Raises:
        MedSynthError: the table cannot be read, has no line, has a column twice, or tells patients in a column that is
            not called ``patient`` where that one is empty.
    """
    rows = [{_column(column): (cell or "").strip() for column, cell in row.items()} for row in _read(path)]
    # Spreadsheet programs add lines of nothing but separators.
    rows = [row for row in rows if any(row.values())] or rows[:1]
    if people:
        _refuse_other_patients(path, rows)
    return rows


def _read(path: Path) -> list[dict[str, str | None]]:
    try:
        rows = read_rows(path, _DELIMITERS, "case")
    except OSError as error:
        raise MedSynthError(f"The manifest {path} cannot be read: {reason_of(error)}.") from error
    except ValueError as error:
        raise MedSynthError(f"The manifest {path} is not a CSV in UTF-8: {error}; save it in that format.") from error
    if not rows:
        raise MedSynthError(f"The manifest {path} lists no cases; add a line for each case.")
    for column, count in Counter(map(_column, rows[0])).items():
        if column and count > 1:
            spelled = " and ".join(f"'{visible(each)}'" for each in rows[0] if _column(each) == column)
            raise MedSynthError(f"The manifest {path} has the column '{column}' twice, as {spelled}; remove one.")
    return rows


def _column(name: str) -> str:
    known = unicodedata.normalize("NFKC", name).strip().casefold()
    return known if known in ABOUT_THE_CASE else name.strip()


def _refuse_other_patients(path: Path, rows: Rows) -> None:
    """Refuse a column by which a case without an entry in ``patient`` is of the same patient as another case."""
    for column in rows[0]:
        if not _PATIENT.fullmatch("".join(re.findall(r"[^\W_]", column.casefold()))) or column in ABOUT_THE_CASE:
            continue
        count = Counter(spelling(row[column]) for row in rows)
        untold = [row[column] for row in rows if not (row.get("patient") or is_placeholder(row[column]))]
        if any(count[spelling(cell)] > 1 for cell in untold):
            raise MedSynthError(
                f"The manifest {path} does not tell the patient of each case in a column 'patient', but has a column "
                f"'{visible(column)}', in which several cases have the same entry; copy it to the column patient, or "
                "give it another name if it does not tell the patient."
            )
