"""The command ``medsynth``: the functions of the Slicer modules, from a shell or on a cluster."""

from __future__ import annotations

import sys

from medsynth_core.errors import ExitStatus
from medsynth_core.interruption import raise_on_termination


def main() -> None:
    """Run the command; if a package is missing, print its name and exit."""
    # Before the libraries are loaded, which takes seconds in which a signal may arrive too.
    raise_on_termination()
    try:
        from medsynth_core.cli.app import run

        sys.exit(run())
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(
            f"The command medsynth requires the package {error.name}; run: pip install 'medsynth-core[cli]'.",
            file=sys.stderr,
        )
        sys.exit(ExitStatus.USER_MISTAKE)
    except KeyboardInterrupt:
        print("Cancelled.", file=sys.stderr)
        sys.exit(ExitStatus.CANCELLED)
