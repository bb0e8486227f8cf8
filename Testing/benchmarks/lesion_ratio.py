"""How well segmenters that learnt from real images find the tumours of generators, beside those of validation patients.

Run with ``python Testing/benchmarks/lesion_ratio.py MANIFEST.csv MODEL [MODEL ...]``: generators are chosen by this
table, which knows no test patient. The first model is the one whose structure maps and tumours all draw from.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from medsynth_core.experiments.structure_generation.tumours import Settings, TumourScorer, lesion_table
from medsynth_core.generation.generator import Generator
from medsynth_core.models.library import load_model
from medsynth_core.progress import Progress


def main() -> None:
    """Print a line for each model and judge."""
    manifest, first, *others = sys.argv[1:]
    settings = replace(Settings(), model=first)
    with TemporaryDirectory() as cache:
        generator = Generator.load(first, "cpu")
        scorer = TumourScorer(Path(manifest), generator, settings, Progress(), Path(cache))
        print("model,seed,dice_real,dice_synthetic,dice_ratio")
        for name in (first, *others):
            for row in lesion_table(scorer, scorer.drawn(load_model(name)), scorer.validation):
                values = (row[key] for key in ("seed", "dice_real", "dice_synthetic", "dice_ratio"))
                print(name, *values, sep=",", flush=True)


if __name__ == "__main__":
    main()
