"""What low-dose PET can be recovered by: filters, the systems that Xue et al. (2023) compare, and ``low-dose-pet``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medsynth_core.datasets.manifest import Case, read_manifest, split_of
from medsynth_core.evaluation.curves import write_curves
from medsynth_core.evaluation.dose_figures import write_dose_comparison, write_dose_curves
from medsynth_core.experiments.dose_judging import DoseCase, dose_case
from medsynth_core.experiments.dose_table import DoseTable
from medsynth_core.experiments.filters import FILTERS, Chosen, best, write_filters
from medsynth_core.experiments.recording import record
from medsynth_core.experiments.runs import all_trained, bundled, cost, training_log, write_environment
from medsynth_core.experiments.table import Scores
from medsynth_core.experiments.variants import recipes
from medsynth_core.inference.synthesis import synthesize
from medsynth_core.io.table import write_rows
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress
from medsynth_core.training.recipe import Recipe, needed_roles
from medsynth_core.volume import Volume

EXPERIMENT = BUNDLED = "low-dose-pet"
IDENTITY = "identity"
COMPARED = (IDENTITY, "cg3dsrgan", BUNDLED)
# What the publication's ablation calls the variants, and where it is done: at the lowest dose.
ABLATION = {"unet3d": "baseline", "mlnet3d": "baseline + CG", "cg3dgan": "CG-3DGAN", "cg3dsrgan": "CG-3DSRGAN"}
ABLATED = ("psnr", "ssim", "nrmse")
# In the figure, beside the full dose: filters and what ships, then the systems of the publication's Figure 2.
DRAWN = ((IDENTITY, "gaussian", "non-local means", BUNDLED), ("unet3d", "cgan3d", "cyclegan3d", "cg3dsrgan"))

Method = Callable[[Volume], Volume]


@dataclass(frozen=True)
class Results:
    """Scores by factor, method and case, and seconds a case by method."""

    scores: dict[float, Scores]
    seconds: dict[str, float]


def run(data: Path, output: Path, progress: Progress) -> DoseTable:
    """Train every network that is not yet there, choose the filters, judge all on the test split, and write it down.

    Filters are chosen for each dose reduction factor by the mean PSNR of the validation cases, so they know the factor;
    networks do not. The model that ships is trained last, as another process may be at it.

    Args:
        data: manifest with the columns ``pet``, ``ct`` and ``lesion``.
        output: folder for the runs, ``results.csv``, ``cases.csv``, ``wilcoxon.csv``, ``ablation.csv``, ``methods.csv``
            (settings, parameters, times, epochs), ``filters.csv``, ``environment.json`` and the figures
            ``comparison.png``, ``doses.png`` and ``curves.png`` (of the trainings); ``packages`` has the package of
            the model that ships with the table in its card.
        progress: reports.
    """
    output.mkdir(parents=True, exist_ok=True)
    wanted = recipes(EXPERIMENT)
    shared = next(iter(wanted.values()))
    cases = read_manifest(data, (*needed_roles(shared), "lesion"))
    models = all_trained(wanted, data, output, progress.part(0, 0.7))
    models[BUNDLED] = bundled(BUNDLED, data, output, progress.part(0.7, 0.9))
    filters = chosen_filters(split_of(cases, "val"), shared, progress.part(0.9, 0.93))
    write_filters(filters, output / "filters.csv")
    test = [dose_case(case, shared) for case in split_of(cases, "test")]
    results = judged(models, filters, test, progress.part(0.93, 1))
    table = DoseTable(results.scores, COMPARED, output)
    table.write()
    write_rows(_ablation(table), output / "ablation.csv")
    record(models[BUNDLED], table, output / "packages")
    _write_methods(models, filters, results, wanted, output)
    budget = f"{shared.epochs} epochs of all training patches, batches of {shared.batch_size}"
    write_environment(EXPERIMENT, budget, output / shared.name, data, output)
    logs = {name: training_log(output / name) for name in models}
    write_curves(logs, output / "curves.png", choose_by=shared.choose_by, unit=shared.contract.output.unit)
    write_dose_curves(table.means("psnr"), output / "doses.png", beside=IDENTITY)
    _write_picture(models, filters, test, output)
    return table


def chosen_filters(cases: list[Case], recipe: Recipe, progress: Progress) -> Chosen:
    """Return, by kind and dose reduction factor, the filters that are best on ``cases``."""
    simulated = [dose_case(case, recipe) for case in cases]
    chosen: Chosen = {}
    for index, (kind, candidates) in enumerate(FILTERS.items()):
        progress(index / len(FILTERS), f"Choosing {kind}")
        chosen[kind] = {
            factor: best(candidates, [(case.low[factor], case.full) for case in simulated])
            for factor in simulated[0].low
        }
    return chosen


def methods_of(models: dict[str, Model], filters: Chosen, factor: float) -> dict[str, Method]:
    """Return what is made of a PET of a dose reduction factor, by the name of the method."""
    return {
        IDENTITY: lambda low: low,
        **{kind: by_factor[factor] for kind, by_factor in filters.items()},
        **{name: partial(synthesize, model=model) for name, model in models.items()},
    }


def judged(models: dict[str, Model], filters: Chosen, test: list[DoseCase], progress: Progress) -> Results:
    """Score every method on every case at every dose reduction factor."""
    factors = list(test[0].low)
    scores: dict[float, Scores] = {}
    spent: dict[str, float] = {}
    for index, factor in enumerate(factors):
        methods = methods_of(models, filters, factor)
        scores[factor] = {name: {} for name in methods}
        for number, case in enumerate(test):
            progress((index + number / len(test)) / len(factors), f"Scoring {case.name}, DRF {factor:g}")
            for name, method in methods.items():
                begun = time.monotonic()
                made = method(case.low[factor])
                spent[name] = spent.get(name, 0.0) + time.monotonic() - begun
                scores[factor][name][case.name] = case.scores(made, factor)
    return Results(scores, {name: value / len(test) / len(factors) for name, value in spent.items()})


def _ablation(table: DoseTable) -> list[dict[str, object]]:
    factor = max(table.scores)
    rows = table.part(factor, tuple(ABLATION), ABLATED)
    return [{"drf": factor, "variant": ABLATION[row["method"]], **row} for row in rows]


def _write_methods(
    models: dict[str, Model],
    filters: Chosen,
    results: Results,
    wanted: dict[str, Recipe],
    output: Path,
) -> None:
    """Write what each method costs, the filters that validation chose, and the epochs."""
    epochs = next(iter(wanted.values())).epochs
    rows = [
        {
            "method": kind,
            "settings": "; ".join(f"DRF {factor:g}: {one}" for factor, one in by_factor.items()),
            "seconds_per_case": round(results.seconds[kind], 3),
        }
        for kind, by_factor in filters.items()
    ]
    for name, model in models.items():
        same = name in wanted and wanted[name].epochs == epochs
        rows.append(cost(model, output / name, results.seconds[name], same_budget=same))
    write_rows(rows, output / "methods.csv")


def _write_picture(models: dict[str, Model], filters: Chosen, test: list[DoseCase], output: Path) -> None:
    """Draw the patient whose tumour is hottest, which shows best what a method makes of tumours, at the lowest dose."""
    case = max(test, key=lambda one: float(one.full.voxels[one.lesion.voxels != 0].max()))
    factor = max(case.low)
    methods = methods_of(models, filters, factor)
    made = [{name: methods[name](case.low[factor]) for name in row if name in methods} for row in DRAWN]
    titles = {IDENTITY: f"Low dose, DRF {factor:g}"}
    rows = [{titles.get(name, name): volume for name, volume in row.items()} for row in made]
    write_dose_comparison(case.full, rows, output / "comparison.png", lesion=case.lesion)
