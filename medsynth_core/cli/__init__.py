"""The command ``medsynth``: the same jobs as in Slicer, from a shell or on a cluster."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command, or say in a sentence what is missing for it."""
    try:
        from medsynth_core.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(f"The command needs the package {error.name}; install medsynth-core[cli].", file=sys.stderr)
        sys.exit(2)
    sys.exit(run())
