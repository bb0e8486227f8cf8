"""The methods of ``low-dose-pet``, trained on crops, applied to whole-body PET."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.experiments.baselines.filters import Chosen, read_filters
from medsynth_core.experiments.figures.dose_figures import write_dose_comparison
from medsynth_core.experiments.low_dose_pet import BUNDLED, DRAWN, IDENTITY, methods_of, score_methods
from medsynth_core.experiments.scoring.dose_scores import DoseCase, dose_case
from medsynth_core.experiments.scoring.dose_table import DoseTable
from medsynth_core.experiments.variants import recipes
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Dose, Recipe
from medsynth_core.simulation.settings import DoseSettings

FOLDER = "whole-body"


def run(data: Path, output: Path, progress: Progress) -> DoseTable:
    """Score the models and filters that `low_dose_pet.run` wrote to ``output`` on whole-body PET.

    Writes tables and a figure. Doses are simulated as in training, but without a CT and with the counts of whole
    slices. Filters are not chosen again.

    Args:
        data: manifest with the columns ``pet`` (SUVbw) and ``lesion``; a split is not needed.
        output: folder of a run of ``low-dose-pet``; ``results.csv``, ``cases.csv``, ``wilcoxon.csv`` and
            ``comparison.png`` (the first case at the lowest dose) are written to its sub-folder ``whole-body``.
        progress: reports.

    Raises:
        MedSynthError: ``low-dose-pet`` was not run there, or the manifest or its files are not usable.
    """
    wanted = recipes("low-dose-pet")
    shared = next(iter(wanted.values()))
    filters = read_filters(output / "filters.csv")
    models = {**{name: _model(output, name) for name in wanted}, BUNDLED: load_model(BUNDLED)}
    recipe = shared.model_copy(update={"dose": Dose(simulation=_of_whole_slices(shared))})
    cases = read_manifest(data, ("pet", "lesion"), unsplit=True)
    simulated = [dose_case(case, recipe) for case in cases]
    results = score_methods(models, filters, simulated, progress.part(0.1, 1))
    folder = output / FOLDER
    folder.mkdir(exist_ok=True)
    table = DoseTable(results.scores, (IDENTITY,), folder)
    table.write()
    _draw(models, filters, simulated[0], folder)
    return table


def _model(output: Path, name: str) -> Model:
    package = output / name / name
    if not package.is_dir():
        raise MedSynthError(
            f"There is no model in {package}; run the experiment low-dose-pet with the same output folder first."
        )
    return Model.open(package)


def _of_whole_slices(recipe: Recipe) -> DoseSettings:
    assert recipe.dose is not None
    return recipe.dose.simulation.model_copy(update={"counts": DoseSettings().counts})


def _draw(models: dict[str, Model], filters: Chosen, case: DoseCase, folder: Path) -> None:
    factor = max(case.low)
    methods = methods_of(models, filters, factor)
    (shown, *_) = DRAWN
    titles = {IDENTITY: f"Low dose, DRF {factor:g}"}
    made = {titles.get(name, name): methods[name](case.low[factor]) for name in shown}
    write_dose_comparison(case.full, [made], folder / "comparison.png", lesion=case.lesion)
