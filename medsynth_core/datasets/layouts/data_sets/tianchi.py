"""Tianchi 2019: CT of the chest with boxes around lesions of four kinds.

Medical AI challenge of Alibaba Cloud's Tianchi, 2019, on lung CT. As downloaded::

    train_part1/318818.mhd, 318818.raw, …, train_part5/…
    test/…, without boxes
    chestCT_round1_annotation.csv

The table has a line for each lesion: ``seriesuid`` (the name of the file), ``coordX``, ``coordY``, ``coordZ`` (the
centre in mm, in the coordinates of the MetaImage, which point left, back and up), ``diameterX``, ``diameterY``,
``diameterZ`` (mm) and ``label``. Its meaning is that of the readers that others have published: 1 nodule, 5 stripe,
31 artery, 32 lymph (calcified arteries and lymph nodes).
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from medsynth_core.datasets.boxes import Box
from medsynth_core.datasets.layouts.data_sets.data_set import DataSetReader, Listed
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.table import read_rows

_FILE = re.compile(r"\d{6}\.mhd", re.IGNORECASE)
_FOLDER = re.compile(r"(?P<part>train|test)(?:set)?(?:_?part\d+|_?[ab])?", re.IGNORECASE)
KINDS = {"1": "nodule", "5": "stripe", "31": "artery", "32": "lymph"}
_CENTRE, _SIZE = ("coordX", "coordY", "coordZ"), ("diameterX", "diameterY", "diameterZ")


def _read(path: PurePath) -> Listed | None:
    folder = _FOLDER.fullmatch(path.parent.name)
    if not folder or not _FILE.fullmatch(path.name):
        return None
    return Listed(path.stem, path.stem, "ct", folder["part"].lower())


def boxes_by_case(table: Path) -> dict[str, list[Box]]:
    """Return the boxes of each case (``seriesuid``) in the table of annotations.

    Raises:
        MedSynthError: the table cannot be read, lacks a column, or has a cell that is no number.
    """
    try:
        rows = read_rows(table)
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise MedSynthError(f"The annotations {table} cannot be read: {reason}; download them again.") from error
    missing = [name for name in ("seriesuid", *_CENTRE, *_SIZE, "label") if name not in (rows[0] if rows else {})]
    if missing:
        raise MedSynthError(f"The annotations {table} have no column '{missing[0]}'; download them again.")
    found: dict[str, list[Box]] = {}
    for line, row in enumerate(rows, start=2):
        found.setdefault((row["seriesuid"] or "").strip(), []).append(_box(table, line, row))
    return found


def _box(table: Path, line: int, row: dict[str, str | None]) -> Box:
    try:
        left, back, up = (float(row[name] or "") for name in _CENTRE)
        width, depth, height = (float(row[name] or "") for name in _SIZE)
        label = (row["label"] or "").strip()
        return Box((-left, -back, up), (width, depth, height), KINDS.get(label, label))
    except ValueError as error:
        raise MedSynthError(
            f"Line {line} of the annotations {table} has a cell that is not a number, or a size that is not above 0; "
            "correct or remove it."
        ) from error


TIANCHI = DataSetReader(
    "Tianchi 2019", "the name of the file", ("ct",), _read, labels=("boxes",),
    doubt="The names do not tell patients, so each CT is taken for a patient of its own; if you know more, correct the "
    "column patient of the manifest.",
    annotations="chestCT_round1_annotation.csv",
)  # fmt: skip
