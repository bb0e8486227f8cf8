"""What the commands print, progress for people and JSON for machines, and where they write."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from medsynth_core.errors import MedSynthError
from medsynth_core.io.sidecar import sidecar_path
from medsynth_core.progress import Progress

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress]:
    """Give a `Progress` that draws a bar on stderr, or nothing when ``quiet``."""
    if quiet:
        yield Progress()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting", total=1.0)
        yield Progress(
            lambda fraction, message: bar.update(task, completed=fraction, description=message),
            log=lambda message: bar.console.print(message, highlight=False),
        )


def print_json(content: Any) -> None:
    """Print ``content`` as JSON, in ASCII: what a pipe is encoded in differs between systems."""
    print(json.dumps(content, indent=2))


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; the first column is text, the others are numbers when they look so."""
    table = Table()
    for index, column in enumerate(columns):
        numeric = bool(rows) and index > 0 and all(row[index][:1] in "-+0123456789" for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    # A file or a pipe has no width of its own; 80 columns would break most rows.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def check_distinct(paths: list[Path]) -> None:
    """Make sure that no file is written over one that is read, or over another result.

    Raises:
        MedSynthError: two paths lead to one file, or to two with the same JSON beside them.
    """
    found = [path.resolve() for path in paths]
    for path in found:
        if found.count(path) > 1:
            raise MedSynthError(f"{path} is named twice, as a file to read or to write; give each its own name.")
    beside = [sidecar_path(path) for path in found if not path.is_dir()]
    for path in beside:
        if beside.count(path) > 1:
            raise MedSynthError(
                f"{path} would speak of two images whose names differ by their suffix alone; give each its own name."
            )
