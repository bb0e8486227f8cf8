"""A table whose rows are finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsynth_core.io.table import write_rows

DIGITS = 4


def rounded(scores: Mapping[str, float]) -> dict[str, Any]:
    """Return scores as the tables of the experiments show them."""
    return {name: round(value, DIGITS) for name, value in scores.items()}


@dataclass(frozen=True)
class PlainTable:
    """A table of an experiment.

    Attributes:
        rows: rows with the same keys.
        shown: keys of the printed columns.
        folder: where the table is written, as ``results.csv``.
        cases_name: file with its details in the same folder.
    """

    rows: Sequence[Mapping[str, Any]]
    shown: tuple[str, ...]
    folder: Path
    cases_name: str = "cases.csv"

    @property
    def path(self) -> Path:
        """File of the table."""
        return self.folder / "results.csv"

    @property
    def cases_path(self) -> Path:
        """File with details."""
        return self.folder / self.cases_name

    @property
    def columns(self) -> list[str]:
        """Head of the printed table."""
        return list(self.shown)

    def text_rows(self) -> list[list[str]]:
        """Return the printed table."""
        return [[str(row[name]) for name in self.shown] for row in self.rows]

    def card_rows(self) -> list[dict[str, Any]]:
        """Return all rows."""
        return [dict(row) for row in self.rows]

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain data."""
        return {"rows": self.card_rows()}

    def write(self) -> None:
        """Write the table."""
        write_rows(self.card_rows(), self.path)
