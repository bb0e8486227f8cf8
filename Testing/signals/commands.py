"""Stop each command at twelve moments by Ctrl-C and by SIGTERM: ``python Testing/signals/commands.py``.

Nothing half-written and nothing temporary may be left. It takes about ten minutes on two cores.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "core")]

from stopping import commands, moments  # noqa: E402

MOMENTS = 12


def main() -> None:
    """Run all commands."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "inputs").mkdir()
        for command, known in commands(folder / "inputs").items():
            seconds = known.run(folder / command)
            for number in (signal.SIGINT, signal.SIGTERM):
                for place, after in enumerate(moments(MOMENTS, seconds)):
                    known.run(folder / f"{command}-{number.name}-{place}", number, after)
                print(f"{command}: {MOMENTS} × {number.name} left nothing ({seconds:.1f} s as a whole)", flush=True)


if __name__ == "__main__":
    main()
