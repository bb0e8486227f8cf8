"""Kill a training ten times and terminate it five times: ``python Testing/signals/training.py [SEED]``.

It must end with the same bits as one that was left alone. It takes some minutes on two cores.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "core"), str(Path(__file__).parents[1] / "core" / "training")]

from builders import tiny_recipe, write_manifest  # noqa: E402
from stopping import stop_and_compare  # noqa: E402
from test_killed_training import RECIPE  # noqa: E402

KILLS, TERMINATIONS = 10, 5


def main(seed: int) -> None:
    """Train, stop, resume and compare."""
    print(f"seed {seed}", flush=True)
    signals = [signal.SIGKILL] * KILLS + [signal.SIGTERM] * TERMINATIONS
    random.Random(seed).shuffle(signals)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        data.mkdir()
        recipe = tiny_recipe(**{**RECIPE, "epochs": 120})
        places = stop_and_compare(Path(name) / "runs", recipe, write_manifest(data), signals, seed)
    print(f"{KILLS} kills and {TERMINATIONS} terminations at {places} different places changed no bit")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else random.randrange(10**6))
