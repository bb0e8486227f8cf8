"""Comparison of ``ct-to-pet`` with a constant, look-up tables and a plain residual U-Net on the test split.

For every method the CT is prepared, masked and resampled back onto its grid in the same way, and the result is scored
there (`scoring.case_scores.ScoredCase`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from medsynth_core.datasets.manifest import read_manifest, split_of
from medsynth_core.experiments.baselines.lookup import constant, fit_lookup, prepared_method
from medsynth_core.experiments.scoring.card_table import record
from medsynth_core.experiments.scoring.case_scores import PET_METRICS, read_scored_case
from medsynth_core.experiments.scoring.result_table import ResultTable, Scores
from medsynth_core.inference.synthesis import synthesize
from medsynth_core.metrics.conditions import compared
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe, read_recipe, synthesis_contract
from medsynth_core.resources import resource_folder
from medsynth_core.training.prepared_cases import load_cases
from medsynth_core.training.train import train_recipe
from medsynth_core.volume import Volume

Method = Callable[[Volume], Volume]
MODEL = "ct-to-pet"
BASELINE = "residual-unet-baseline"


def run(data: Path, output: Path, progress: Progress) -> ResultTable:
    """Fit or train every method on the training split, score it on the test split, and write the table.

    Args:
        data: manifest with the columns ``ct``, ``pet`` and ``lesion``.
        output: folder for the table, for a copy of the model's package whose card has the table, and for the run of
            the residual U-Net, which is trained unless it is already there.
        progress: reports.
    """
    output.mkdir(parents=True, exist_ok=True)
    model = load_model(MODEL)
    recipe = Recipe.model_validate(model.card.training.recipe)
    contract = synthesis_contract(recipe)
    cases = read_manifest(data, ("ct", "pet", "lesion"))
    training = load_cases(split_of(cases, "train"), recipe, progress.part(0, 0.05))
    unet = _residual_unet(data, output, progress.part(0.05, 0.9))
    methods: dict[str, Method] = {
        "mean SUV": prepared_method(constant(training, contract), contract),
        "look-up table, mean": prepared_method(fit_lookup(training, contract, np.mean), contract),
        "look-up table, median": prepared_method(fit_lookup(training, contract, np.median), contract),
        "residual U-Net": lambda ct: synthesize(ct, Model.open(unet)),
        MODEL: lambda ct: synthesize(ct, model),
    }
    scores: Scores = {name: {} for name in methods}
    test = split_of(cases, "test")
    for index, case in enumerate(test):
        progress(0.9 + 0.1 * index / len(test), f"Scoring {case.name}")
        scored = read_scored_case(case, "pet", "PT", "SUVbw")
        for name, method in methods.items():
            scores[name][case.name] = scored(method(scored.ct))
    table = ResultTable(scores, PET_METRICS, MODEL, output, compared("CT", "PT", "SUVbw"))
    table.write()
    record(model, table, output)
    return table


def _residual_unet(data: Path, output: Path, progress: Progress) -> Path:
    folder = output / BASELINE
    if (folder / BASELINE).is_dir():
        return folder / BASELINE
    recipe = read_recipe(resource_folder() / "Recipes" / f"{BASELINE}.yaml")
    return train_recipe(recipe, data, folder, resume=(folder / "checkpoint.pt").exists(), progress=progress)
