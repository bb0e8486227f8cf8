"""The report folder of ``medsynth synthesize --report``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medsynth_core.figures.side_by_side import write_preview
from medsynth_core.io.atomic import atomic_write, make_folder
from medsynth_core.io.json_file import write_json
from medsynth_core.volume import Volume


@contextmanager
def report_place(folder: Path | None) -> Iterator[None]:
    """Create the folder of a report before long work, and remove it again if the work fails; None does nothing.

    Raises:
        MedSynthError: the folder cannot be created.
    """
    new = folder is not None and not folder.exists()
    if folder is not None:
        make_folder(folder)
    try:
        yield
    except BaseException:
        if folder is not None and new:
            with suppress(OSError):
                folder.rmdir()
        raise


def write_report(source: Volume, synthetic: Volume, folder: Path) -> None:
    """Write ``provenance.json`` and ``figure.png`` of a synthetic volume into ``folder``: both or neither.

    Raises:
        MedSynthError: a file cannot be written, or matplotlib is not installed.
    """
    # The files of an earlier report stay until the new ones are complete.
    with atomic_write(folder / "figure.png") as drawn, atomic_write(folder / "provenance.json") as written:
        write_preview(source, synthetic, drawn)
        write_json(written, synthetic.metadata)
