"""Output of the commands: progress bars and tables, or JSON."""

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
from rich.text import Text

from medsynth_core.errors import MedSynthError
from medsynth_core.interruption import check_terminated
from medsynth_core.progress import Progress
from medsynth_core.text import visible
from medsynth_core.version import __version__
from medsynth_core.volume import Volume

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress]:
    """Yield a `Progress` that draws a bar on stderr; silent if ``quiet``."""
    if quiet:
        yield Progress(lambda fraction, message: check_terminated())
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Starting", total=1.0)

        def show(fraction: float, message: str) -> None:
            check_terminated()
            bar.update(task, completed=fraction, description=visible(message))

        yield Progress(show, log=lambda message: bar.console.print(Text(visible(message))))


def say(sentence: str) -> None:
    """Print a sentence in one line, as it is: control characters in names and paths are shown, not sent."""
    print(visible(sentence))


def complain(sentence: str) -> None:
    """Print a sentence to stderr as `say` does."""
    print(visible(sentence), file=sys.stderr)


def named_values(given: list[str], value: str, example: str) -> dict[str, str]:
    """Return role → value from options of the form ``ct=ct.nii.gz``.

    Args:
        given: the options as given by the user.
        value: placeholder for the value in the error message, in capital letters.
        example: example for the error message.

    Raises:
        MedSynthError: an option is not of that form, or a role is given twice.
    """
    named = {}
    for one in given:
        role, equals, text = one.partition("=")
        if not (role and equals and text):
            raise MedSynthError(f"The option '{one}' is not of the form ROLE={value}; for example: {example}.")
        if role in named:
            raise MedSynthError(f"The role '{role}' is given twice; give each role once.")
        named[role] = text
    return named


def written_image(path: Path, volume: Volume) -> dict[str, Any]:
    """Return the JSON content for an image file that was written."""
    return {"output": str(path), "modality": volume.modality, "unit": volume.unit, "provenance": volume.metadata}


def print_json(content: Any) -> None:
    """Print ``content`` as JSON in ASCII, because the encoding of pipes differs between systems."""
    print(json.dumps(content, indent=2))


def print_version(wanted: bool) -> None:
    """Print the version and end the command if ``wanted``."""
    if wanted:
        print(f"medsynth {__version__}")
        raise typer.Exit


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; columns after the first are right-aligned if all their values are numbers."""
    table = Table()
    for index, column in enumerate(columns):
        numeric = bool(rows) and index > 0 and all(row[index][:1] in "-+0123456789" for row in rows)
        table.add_column(Text(visible(column)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # As text, because rich takes square brackets in a string for markup.
        table.add_row(*(Text(visible(cell)) for cell in row))
    # Files and pipes have no width; the default of 80 columns would wrap most rows.
    Console(width=None if sys.stdout.isatty() else 160).print(table)
