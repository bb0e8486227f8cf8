"""Run the model of this folder: ``python run.py INPUT OUTPUT``, or with ``--help`` for all options."""

import sys
from pathlib import Path

from medsynth_runner.command import main

if __name__ == "__main__":
    sys.exit(main(Path(__file__).resolve().parent))
