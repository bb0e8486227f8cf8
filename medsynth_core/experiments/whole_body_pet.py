"""What the methods of ``low-dose-pet`` make of a whole body, of which they learnt a part, or nothing."""

from __future__ import annotations

from pathlib import Path

from medsynth_core.datasets.manifest import read_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.dose_figures import write_dose_comparison
from medsynth_core.experiments.dose_judging import DoseCase, dose_case
from medsynth_core.experiments.dose_table import DoseTable
from medsynth_core.experiments.filters import Chosen, read_filters
from medsynth_core.experiments.low_dose_pet import BUNDLED, DRAWN, IDENTITY, judged, methods_of
from medsynth_core.experiments.variants import recipes
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress
from medsynth_core.simulation.settings import DoseSettings
from medsynth_core.training.recipe import Dose, Recipe

FOLDER = "whole-body"


def run(data: Path, output: Path, progress: Progress) -> DoseTable:
    """Judge what `low_dose_pet.run` left in ``output`` on whole-body PET, and write tables and a figure.

    Dose is simulated as in the training, but without a CT and with the counts of whole slices. Filters are those that
    were chosen there.

    Args:
        data: manifest with the columns ``pet`` (SUVbw) and ``lesion``; a split is not needed.
        output: folder of a run of ``low-dose-pet``; in its folder ``whole-body`` there will be ``results.csv``,
            ``cases.csv``, ``wilcoxon.csv`` and, of the first case at the lowest dose, ``comparison.png``.
        progress: reports.

    Raises:
        MedSynthError: ``low-dose-pet`` was not run there, or the manifest or its files are not usable.
    """
    wanted = recipes("low-dose-pet")
    shared = next(iter(wanted.values()))
    filters = read_filters(output / "filters.csv")
    models = {name: _model(output, name) for name in (*wanted, BUNDLED)}
    recipe = shared.model_copy(update={"dose": Dose(simulation=_of_whole_slices(shared))})
    cases = read_manifest(data, ("pet", "lesion"), unsplit=True)
    simulated = [dose_case(case, recipe) for case in cases]
    results = judged(models, filters, simulated, progress.part(0.1, 1))
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
