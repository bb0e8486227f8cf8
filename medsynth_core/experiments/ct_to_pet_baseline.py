"""What ``ct-to-pet`` is worth: against a constant, a look-up table and a plain residual U-Net, on the test split.

Every method is prepared, masked and put back on the CT's grid in the same way, and scored there: errors in the body
(the CT's body mask) and, over the full frame, PSNR with SUVbw clipped to 20 and range 20. ``suvmax_error_size`` is the
absolute value of a lesion's ``suvmax_error``, in percent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from medsynth_core.datasets.manifest import Case, read_manifest, split_of
from medsynth_core.evaluation.report import evaluate
from medsynth_core.experiments.lookup import LookupTable, constant, fit_lookup
from medsynth_core.experiments.recording import record
from medsynth_core.experiments.table import ResultTable, Scores
from medsynth_core.inference.synthesis import synthesize
from medsynth_core.io.reading import read_volume
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.preparation.body import body_mask
from medsynth_core.preparation.case import prepare
from medsynth_core.preparation.grid import Grid, move
from medsynth_core.progress import Progress
from medsynth_core.resources import resource_folder
from medsynth_core.training.arrays import load_pairs
from medsynth_core.training.recipe import Recipe
from medsynth_core.training.train import train
from medsynth_core.volume import Volume

Method = Callable[[Volume], Volume]
MODEL = "ct-to-pet"
BASELINE = "residual-unet-baseline"
METRICS = ("mae", "psnr", "ssim", "ms_ssim", "suvmax_error_size", "suvmean_error_size")
IN_BODY = ("mae",)
# Their mean over patients hides errors that cancel out, so their sizes are averaged.
SIGNED = ("suvmax_error", "suvmean_error")


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
        "mean SUV": _prepared_method(constant(training, recipe.contract), recipe),
        "look-up table, mean": _prepared_method(fit_lookup(training, recipe.contract, np.mean), recipe),
        "look-up table, median": _prepared_method(fit_lookup(training, recipe.contract, np.median), recipe),
        "residual U-Net": lambda ct: synthesize(ct, Model.open(unet)),
        MODEL: lambda ct: synthesize(ct, model),
    }
    scores: Scores = {name: {} for name in methods}
    test = split_of(cases, "test")
    for index, case in enumerate(test):
        progress(0.9 + 0.1 * index / len(test), f"Scoring {case.name}")
        for name, values in _score(case, methods).items():
            scores[name][case.name] = values
    table = ResultTable(scores, METRICS, MODEL, output)
    table.write()
    record(model, table, output)
    return table


def _residual_unet(data: Path, output: Path, progress: Progress) -> Path:
    folder = output / BASELINE
    if (folder / BASELINE).is_dir():
        return folder / BASELINE
    recipe = resource_folder() / "Recipes" / f"{BASELINE}.yaml"
    return train(recipe, data, folder, resume=(folder / "checkpoint.pt").exists(), progress=progress)


def _prepared_method(table: LookupTable, recipe: Recipe) -> Method:
    """Return a method that looks SUVbw up on the grid of the model, as a network would."""

    def method(ct: Volume) -> Volume:
        prepared = prepare(ct, recipe.contract)
        suv = np.where(prepared.body, table(prepared.voxels), 0)
        return ct.replace(voxels=prepared.restore(suv), modality="PT", unit="SUVbw")

    return method


def _score(case: Case, methods: dict[str, Method]) -> dict[str, dict[str, float]]:
    ct = read_volume(case.files["ct"], modality="CT", unit="HU")
    pet = read_volume(case.files["pet"], modality="PT", unit="SUVbw")
    lesion = read_volume(case.files["lesion"])
    reference = ct.replace(
        voxels=move(pet.voxels.astype(np.float32), Grid.of(pet), Grid.of(ct)), modality="PT", unit="SUVbw"
    )
    body = ct.replace(voxels=body_mask(ct.voxels), unit="")
    scores = {}
    for name, method in methods.items():
        synthetic = method(ct)
        full = evaluate(synthetic, reference, lesion=lesion).metrics
        inside = evaluate(synthetic, reference, mask=body).metrics
        sizes = {f"{metric}_size": abs(full[metric]) for metric in SIGNED}
        scores[name] = {**full, **{metric: inside[metric] for metric in IN_BODY}, **sizes}
    return scores
