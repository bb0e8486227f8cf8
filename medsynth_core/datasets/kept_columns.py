"""Writing a manifest again without losing what else its user has entered."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.datasets.manifest import Case, write_manifest
from medsynth_core.datasets.manifest_rows import manifest_rows
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.regular_file import open_regular
from medsynth_core.io.table import write_rows
from medsynth_core.io.temporary import removed_at_end, temporary_name


def content_of(manifest: Path) -> bytes | None:
    """Return what is in the file of a manifest, to see later whether it has been changed; None if there is none.

    Raises:
        MedSynthError: it cannot be read.
    """
    try:
        with open_regular(manifest) as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise MedSynthError(f"The manifest {manifest} cannot be read: {reason_of(error)}.") from error


def rewrite_manifest(cases: list[Case], manifest: Path) -> None:
    """Write ``cases`` as `write_manifest` does, and keep all other columns and cells that the manifest has for them.

    Args:
        cases: at least one; those that the manifest does not list yet get empty cells in the other columns.
        manifest: the file, which may not exist yet.

    Raises:
        MedSynthError: it cannot be read or written.
    """
    if content_of(manifest) is None:
        write_manifest(cases, manifest)
        return
    former = {row.get("case"): row for row in manifest_rows(manifest)}
    # In the same folder, to which the paths of the files are relative.
    with removed_at_end(manifest.with_name(f"{temporary_name('.medsynth-')}.csv")) as draft:
        rows = manifest_rows(write_manifest(cases, draft))
    # All columns, in their order, also if none of the cases that had a cell there is left.
    columns = dict.fromkeys(next(iter(former.values()), {}), "")
    write_rows([{**columns, **former.get(row["case"], {}), **row} for row in rows], manifest)
