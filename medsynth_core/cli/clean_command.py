"""``medsynth clean``."""

from __future__ import annotations

from typing import Annotated

import typer

from medsynth_core.cli.output import AsJson, print_json, print_table, say


def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what MedSynth keeps on this computer, ask, and remove it.

    That is imported models, networks compiled for its CPU, and files of killed processes.

    Images, reports, data sets and trainings are in folders that you chose; they are not touched.
    """
    from medsynth_core.stored_data import check_readable, remove_stored, stored_items

    found = stored_items()
    if as_json:
        if yes:
            remove_stored(found)
        items = [{"path": str(item.path), "kind": item.kind, "bytes": item.size} for item in found]
        check_readable()
        print_json({"removed": yes, "items": items})
        return
    if not found:
        check_readable()
        say("MedSynth keeps nothing on this computer.")
        return
    print_table(["kind", "MB", "folder"], [[item.kind, f"{item.size / 1e6:.1f}", str(item.path)] for item in found])
    if yes or typer.confirm("Remove all of it?"):
        remove_stored(found)
        say("Removed.")
    check_readable()
