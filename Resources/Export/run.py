"""Run the model of this folder: ``python run.py INPUT OUTPUT``, or with ``--help`` for all options."""

import sys
from pathlib import Path

try:
    from medsynth_runner.command import main
except ImportError as error:
    print(f"A package cannot be loaded ({error}); install what README.md names.", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent))
