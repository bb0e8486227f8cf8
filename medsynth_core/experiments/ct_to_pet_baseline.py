"""What ``ct-to-pet`` is worth: against a constant, a look-up table and a plain residual U-Net, on the test split.

Every method is prepared, masked and put back on the CT's grid in the same way, and judged there (`judging.Judge`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from medsynth_core.datasets.manifest import read_manifest, split_of
from medsynth_core.experiments.judging import PET_METRICS, judge
from medsynth_core.experiments.lookup import constant, fit_lookup, prepared_method
from medsynth_core.experiments.recording import record
from medsynth_core.experiments.table import ResultTable, Scores
from medsynth_core.inference.synthesis import synthesize
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress
from medsynth_core.resources import resource_folder
from medsynth_core.training.arrays import load_pairs
from medsynth_core.training.recipe import Recipe
from medsynth_core.training.train import train
from medsynth_core.volume import Volume

Method = Callable[[Volume], Volume]
MODEL = "ct-to-pet"
BASELINE = "residual-unet-baseline"


def run(data: Path, output: Path, progress: Progress) -> ResultTable:
    """Fit or train every method on the training split, score it on the test split, and write the table.

    Args:
        data: manifest with the columns ``ct``, ``pet`` and ``lesion``.
        output: folder for the table, for a copy of the model's package whose card has the table, and for the
            residual U-Net's run, which is trained unless it is there.
        progress: reports.
    """
    output.mkdir(parents=True, exist_ok=True)
    model = load_model(MODEL)
    recipe = Recipe.model_validate(model.card.training.recipe)
    cases = read_manifest(data, ("ct", "pet", "lesion"))
    training = load_pairs(split_of(cases, "train"), recipe, progress.part(0, 0.05))
    unet = _residual_unet(data, output, progress.part(0.05, 0.9))
    methods: dict[str, Method] = {
        "mean SUV": prepared_method(constant(training, recipe.contract), recipe.contract),
        "look-up table, mean": prepared_method(fit_lookup(training, recipe.contract, np.mean), recipe.contract),
        "look-up table, median": prepared_method(fit_lookup(training, recipe.contract, np.median), recipe.contract),
        "residual U-Net": lambda ct: synthesize(ct, Model.open(unet)),
        MODEL: lambda ct: synthesize(ct, model),
    }
    scores: Scores = {name: {} for name in methods}
    test = split_of(cases, "test")
    for index, case in enumerate(test):
        progress(0.9 + 0.1 * index / len(test), f"Scoring {case.name}")
        judged = judge(case, "pet", "PT", "SUVbw")
        for name, method in methods.items():
            scores[name][case.name] = judged(method(judged.ct))
    table = ResultTable(scores, PET_METRICS, MODEL, output)
    table.write()
    record(model, table, output)
    return table


def _residual_unet(data: Path, output: Path, progress: Progress) -> Path:
    folder = output / BASELINE
    if (folder / BASELINE).is_dir():
        return folder / BASELINE
    recipe = resource_folder() / "Recipes" / f"{BASELINE}.yaml"
    return train(recipe, data, folder, resume=(folder / "checkpoint.pt").exists(), progress=progress)
