"""Recovery of full-dose from low-dose PET: filters, the systems that Xue et al. (2023) compare, ``low-dose-pet``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medsynth_core.datasets.manifest import Case, read_manifest, split_of
from medsynth_core.experiments.baselines.filters import FILTERS, Chosen, Filter, found_best, write_filters
from medsynth_core.experiments.figures.dose_figures import write_dose_comparison, write_dose_curves
from medsynth_core.experiments.figures.training_curves import write_curves
from medsynth_core.experiments.rows import Row, finished_row
from medsynth_core.experiments.runs import cost, write_environment
from medsynth_core.experiments.scoring.card_table import record
from medsynth_core.experiments.scoring.dose_scores import DoseCase, dose_case
from medsynth_core.experiments.scoring.dose_table import DoseTable
from medsynth_core.experiments.scoring.result_table import Scores
from medsynth_core.experiments.variants import SECOND_SEED, recipes, repeated
from medsynth_core.inference.synthesis import synthesize
from medsynth_core.io.table import write_rows
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe, needed_roles
from medsynth_core.volume import Volume

EXPERIMENT = BUNDLED = "low-dose-pet"
IDENTITY = "identity"
COMPARED = (IDENTITY, "cg3dsrgan", BUNDLED)
# Names of the variants in the publication's ablation, which is made at the lowest dose.
ABLATION = {"unet3d": "baseline", "mlnet3d": "baseline + CG", "cg3dgan": "CG-3DGAN", "cg3dsrgan": "CG-3DSRGAN"}
ABLATED = ("psnr", "ssim", "nrmse_minmax")
# Columns of the figure beside the full dose: filters and the bundled model, then the systems of Figure 2 of Xue et al.
DRAWN = ((IDENTITY, "gaussian", "non-local means", BUNDLED), ("unet3d", "cgan3d", "cyclegan3d", "cg3dsrgan"))

Method = Callable[[Volume], Volume]


@dataclass(frozen=True)
class Results:
    """Scores by factor, method and case, and seconds a case by method."""

    scores: dict[float, Scores]
    seconds: dict[str, float]


def run(data: Path, output: Path, progress: Progress) -> DoseTable:
    """Train missing networks, choose the filters, score all on the test split, and write tables and figures.

    Filters are chosen for each dose reduction factor by the mean PSNR of the validation cases, so they are given the
    factor; networks are not. Each network is scored as soon as it is trained, and its row is kept in ``rows``.

    Args:
        data: manifest with the columns ``pet``, ``ct`` and ``lesion``.
        output: folder for the runs, ``rows``, ``results.csv``, ``cases.csv``, ``wilcoxon.csv``, ``ablation.csv``,
            ``methods.csv`` (settings, parameters, times, epochs), ``filters.csv``, ``environment.json`` and the
            figures ``comparison.png``, ``doses.png`` and ``curves.png`` (of the trainings); ``packages`` has the
            package of the bundled model, with the table in its card.
        progress: reports.
    """
    output.mkdir(parents=True, exist_ok=True)
    wanted = recipes(EXPERIMENT)
    shared = next(iter(wanted.values()))
    scorer = scorer_of(data, output, shared)
    share = 0.9 / len(wanted)
    rows = {
        name: finished_row(recipe, data, output, scorer.row, progress.part(index * share, (index + 1) * share))
        for index, (name, recipe) in enumerate(wanted.items())
    }
    logs = {name: row.log for name, row in rows.items()}
    model = load_model(BUNDLED)
    rows[BUNDLED] = scorer.row(model)
    val = split_of(read_manifest(data, (*needed_roles(shared), "lesion")), "val")
    filters = chosen_filters(val, shared, progress.part(0.9, 0.95))
    write_filters(filters, output / "filters.csv")
    simple = score_methods({}, filters, scorer.test, progress.part(0.95, 1))
    scores = {
        factor: {**of_filters, **{name: row.scores[f"{factor:g}"] for name, row in rows.items()}}
        for factor, of_filters in simple.scores.items()
    }
    table = DoseTable(scores, COMPARED, output)
    table.write()
    write_rows(_ablation(table), output / "ablation.csv")
    record(model, table, output / "packages")
    same = {name: name in wanted and wanted[name].epochs == shared.epochs for name in rows}
    costs = [{**row.cost, "same_budget": same[name]} for name, row in rows.items()]
    write_rows([*_filter_costs(filters, simple.seconds), *costs], output / "methods.csv")
    budget = f"{shared.epochs} epochs of all training patches, batches of {shared.batch_size}"
    write_environment(EXPERIMENT, budget, rows[shared.name].environment, data, output)
    write_curves(logs, output / "curves.png", choose_by=shared.choose_by, unit=shared.contract.output.unit)
    write_dose_curves(table.means("psnr"), output / "doses.png", beside=IDENTITY)
    _write_picture(rows, filters, scorer.hottest, output)
    return table


@dataclass(frozen=True)
class Scorer:
    """Scores networks on the simulated doses of the test cases.

    Attributes:
        test: the test cases.
        output: folder of the experiment.
    """

    test: list[DoseCase]
    output: Path

    @property
    def hottest(self) -> DoseCase:
        """The case with the hottest tumour, in which differences in tumours show best."""
        return max(self.test, key=lambda one: float(one.full.voxels[one.lesion.voxels != 0].max()))

    def row(self, model: Model) -> Row:
        """Return the row of a trained model; the log of its training is not in it."""
        found = score_methods({model.name: model}, {}, self.test, Progress())
        scores = {f"{factor:g}": by_method[model.name] for factor, by_method in found.scores.items()}
        facts = cost(model, self.output / model.name, found.seconds[model.name])
        case = self.hottest
        made = synthesize(case.low[max(case.low)], model)
        return Row(scores, facts, picture=made.replace(metadata={}, uncertainty=None))


def scorer_of(data: Path, output: Path, recipe: Recipe) -> Scorer:
    """Return the scorer of the experiment on ``data``; doses are simulated with the settings of ``recipe``."""
    cases = read_manifest(data, (*needed_roles(recipe), "lesion"))
    return Scorer([dose_case(case, recipe) for case in split_of(cases, "test")], output)


def chosen_filters(cases: list[Case], recipe: Recipe, progress: Progress) -> Chosen:
    """Return, by kind and dose reduction factor, the filters with the highest mean PSNR on ``cases``.

    Where the limit of the search was reached, ``progress`` logs it.
    """
    simulated = [dose_case(case, recipe) for case in cases]
    chosen: Chosen = {}
    for index, (kind, candidates) in enumerate(FILTERS.items()):
        progress(index / len(FILTERS), f"Choosing {kind}")
        chosen[kind] = {
            factor: found_best(candidates, [(case.low[factor], case.full) for case in simulated])
            for factor in simulated[0].low
        }
        _log_limits(kind, chosen[kind], progress)
    return chosen


def _log_limits(kind: str, by_factor: dict[float, Filter], progress: Progress) -> None:
    """Say where the best filter is the largest one of the search, so that a larger one might be better."""
    for factor, one in by_factor.items():
        if one.limit:
            progress.log(f"The best {kind} at DRF {factor:g} ({one}) have the largest {one.limit} of the search.")


def methods_of(models: dict[str, Model], filters: Chosen, factor: float) -> dict[str, Method]:
    """Return the methods for a dose reduction factor by name, each a function from the low-dose PET to a PET."""
    return {
        IDENTITY: lambda low: low,
        **{kind: by_factor[factor] for kind, by_factor in filters.items()},
        **{name: partial(synthesize, model=model) for name, model in models.items()},
    }


def score_methods(models: dict[str, Model], filters: Chosen, test: list[DoseCase], progress: Progress) -> Results:
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
    known = {**ABLATION, **{repeated(name): f"{variant}, seed {SECOND_SEED}" for name, variant in ABLATION.items()}}
    names = tuple(name for name in known if name in table.scores[factor])
    return [{"drf": factor, "variant": known[row["method"]], **row} for row in table.part(factor, names, ABLATED)]


def _filter_costs(filters: Chosen, seconds: dict[str, float]) -> list[dict[str, object]]:
    """Return the filters chosen on validation cases, with the seconds a case."""
    return [
        {
            "method": kind,
            "settings": "; ".join(f"DRF {factor:g}: {one}" for factor, one in by_factor.items()),
            "seconds_per_case": round(seconds[kind], 3),
        }
        for kind, by_factor in filters.items()
    ]


def _write_picture(rows: dict[str, Row], filters: Chosen, case: DoseCase, output: Path) -> None:
    """Draw the patient with the hottest tumour at the lowest dose."""
    factor = max(case.low)
    low = case.low[factor]
    made = {name: method(low) for name, method in methods_of({}, filters, factor).items()}
    made |= {name: row.picture for name, row in rows.items() if row.picture}
    titles = {IDENTITY: f"Low dose, DRF {factor:g}"}
    drawn = [{titles.get(name, name): made[name] for name in row if name in made} for row in DRAWN]
    write_dose_comparison(case.full, drawn, output / "comparison.png", lesion=case.lesion)
