"""The published systems side by side on one data set: the same cases, budget and judge for all."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medsynth_core.datasets.manifest import Case, read_manifest, split_of, write_manifest
from medsynth_core.evaluation.case_table import CaseTable, slice_scores
from medsynth_core.evaluation.checkerboard import checkerboard
from medsynth_core.evaluation.comparison import write_comparison
from medsynth_core.evaluation.curves import write_curves
from medsynth_core.evaluation.mr_figure import MRCase, write_mr_figure
from medsynth_core.experiments.judging import MR_METRICS, PET_METRICS, Judge, judge
from medsynth_core.experiments.lookup import fit_lookup, prepared_method
from medsynth_core.experiments.recording import record
from medsynth_core.experiments.runs import all_trained, bundled, cost, training_log, write_environment
from medsynth_core.experiments.table import ResultTable, Scores
from medsynth_core.experiments.variants import recipes
from medsynth_core.inference.choice import create_predictor
from medsynth_core.inference.device import choose_device
from medsynth_core.inference.synthesis import synthesize
from medsynth_core.io.table import write_rows
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.preparation.body import body_box
from medsynth_core.preparation.grid import Grid
from medsynth_core.progress import Progress
from medsynth_core.training.arrays import load_pair, load_pairs
from medsynth_core.training.recipe import Recipe
from medsynth_core.training.validation import answer
from medsynth_core.volume import Volume

TABLE = "look-up table"
# Column of the manifest that says how well CT and MR were registered; pairs that were not would teach errors.
REGISTRATION, POOR = "ct_mr_registration", "poor"


@dataclass(frozen=True)
class Plan:
    """What an experiment is about.

    Attributes:
        bundled: the model that ships, shown beside the others though its budget is its own.
        compared: the method that the others are compared with (paired Wilcoxon tests).
        metrics: of the table.
        role: of the real volumes.
    """

    bundled: str
    compared: str
    metrics: tuple[str, ...]
    role: str


PLANS = {
    "ct-to-pet-systems": Plan("ct-to-pet", "compact-1", PET_METRICS, "pet"),
    "ct-to-mr-systems": Plan("ct-to-mr", "pix2pix", MR_METRICS, "mr_t1"),
}


def run(experiment: str, data: Path, output: Path, progress: Progress) -> ResultTable:
    """Train every method that is not yet there, judge all on the test split, and write tables and figures.

    Args:
        experiment: ``ct-to-pet-systems`` or ``ct-to-mr-systems``.
        data: manifest with the columns ``ct``, ``lesion`` and ``pet`` or ``mr_t1``.
        output: folder for the runs, ``results.csv``, ``cases.csv``, ``wilcoxon.csv``, ``methods.csv`` (parameters,
            times, epochs, checkerboard), ``environment.json`` and figures; a bundled model that was trained here has
            its package, with the table in its card, in ``packages``.
        progress: reports.
    """
    plan = PLANS[experiment]
    output.mkdir(parents=True, exist_ok=True)
    manifest = _usable(data, plan, output)
    wanted = recipes(experiment)
    models = all_trained(wanted, manifest, output, progress.part(0, 0.9))
    models[plan.bundled] = _bundled(plan, manifest, output, progress)
    cases = read_manifest(manifest, ("ct", plan.role, "lesion"))
    shared = next(iter(wanted.values()))
    results = _judged(models, shared, cases, plan, progress.part(0.9, 0.98))
    table = ResultTable(results.scores, plan.metrics, plan.compared, output)
    table.write()
    table.write_tests()
    if (output / plan.bundled).is_dir():
        record(models[plan.bundled], table, output / "packages")
    _write_methods(models, results, cases, wanted, output)
    budget = f"{shared.epochs} epochs of all training slices, batches of {shared.batch_size}"
    write_environment(experiment, budget, output / shared.name, data, output)
    _write_figures(results, wanted, plan, output)
    return table


def _usable(data: Path, plan: Plan, output: Path) -> Path:
    """Return the manifest to train with: without training pairs that are known not to lie on each other."""
    if plan.role != "mr_t1":
        return data
    with data.open(newline="", encoding="utf-8-sig") as file:
        poor = {row["case"] for row in csv.DictReader(file) if row.get(REGISTRATION) == POOR}
    cases = read_manifest(data, ("ct", plan.role, "lesion"))
    kept = [case for case in cases if case.split != "train" or case.name not in poor]
    return write_manifest(kept, output / "cases-used.csv")


def _bundled(plan: Plan, manifest: Path, output: Path, progress: Progress) -> Model:
    """Return the model that ships: ``ct-to-pet`` as it is, ``ct-to-mr`` made again, which is done nowhere else."""
    if plan.role == "pet":
        return load_model(plan.bundled)
    return bundled(plan.bundled, manifest, output, progress)


@dataclass(frozen=True)
class Results:
    """Scores by method and case, seconds a case by method, and the volumes of each test case."""

    scores: Scores
    seconds: dict[str, float]
    judges: dict[str, Judge]
    volumes: dict[str, dict[str, Volume]]


def _judged(models: dict[str, Model], shared: Recipe, cases: list[Case], plan: Plan, progress: Progress) -> Results:
    side = shared.contract.output
    training = load_pairs(split_of(cases, "train"), shared, progress.part(0, 0.1))
    table = prepared_method(fit_lookup(training, shared.contract, np.median), shared.contract)
    names = [f"{TABLE}, median", *models]
    scores: Scores = {name: {} for name in names}
    spent = dict.fromkeys(names, 0.0)
    judges: dict[str, Judge] = {}
    volumes: dict[str, dict[str, Volume]] = {}
    test = split_of(cases, "test")
    for index, case in enumerate(test):
        progress(0.1 + 0.9 * index / len(test), f"Scoring {case.name}")
        judges[case.name] = judge(case, plan.role, side.modality, side.unit)
        volumes[case.name] = {}
        for name in names:
            ct = judges[case.name].ct
            begun = time.monotonic()
            made = synthesize(ct, models[name]) if name in models else table(ct)
            spent[name] += time.monotonic() - begun
            scores[name][case.name] = judges[case.name](made)
            volumes[case.name][name] = made
    return Results(scores, {name: value / len(test) for name, value in spent.items()}, judges, volumes)


def _write_methods(
    models: dict[str, Model], results: Results, cases: list[Case], wanted: dict[str, Recipe], output: Path
) -> None:
    """Write what each method costs, the epoch that validation chose, and its checkerboard on its own grid."""
    rows = []
    for name, model in models.items():
        recipe = Recipe.model_validate(model.card.training.recipe)
        predictor = create_predictor(model.network(), model.card.contract, choose_device("auto"))
        found = []
        for case in split_of(cases, "test"):
            pair = load_pair(case, recipe)
            synthetic, real = answer(predictor, pair, model.card.contract)
            found.append(checkerboard(real, synthetic))
        seen = round(float(np.nanmean(found)), 3) if np.isfinite(found).any() else ""
        row = cost(model, output / name, results.seconds[name], same_budget=name in wanted)
        rows.append({**row, "checkerboard": seen})
    write_rows(rows, output / "methods.csv")


def _write_figures(results: Results, wanted: dict[str, Recipe], plan: Plan, output: Path) -> None:
    shared = next(iter(wanted.values()))
    logs = {name: training_log(output / name) for name in wanted}
    write_curves(logs, output / "curves.png", choose_by=shared.choose_by, unit=shared.contract.output.unit)
    shown = results.judges
    if plan.role == "mr_t1":
        made = {name: results.volumes[name][plan.bundled] for name in shown}
        write_mr_figure({name: _in_field(case, made[name]) for name, case in shown.items()}, output / "cases.png")
        for method in (*wanted, plan.bundled):
            of_slices = {
                name: slice_scores(results.volumes[name][method], case.reference) for name, case in shown.items()
            }
            CaseTable(of_slices).write(output / f"slices-{method}.csv")
        return
    # The case whose tumour is hottest shows best what a method makes of tumours.
    hottest = max(shown.values(), key=lambda case: float(case.reference.voxels[case.lesion.voxels != 0].max()))
    models = {name: volume for name, volume in results.volumes[hottest.name].items() if not name.startswith(TABLE)}
    write_comparison(hottest.ct, hottest.reference, models, output / "comparison.png", lesion=hottest.lesion)


def _in_field(case: Judge, synthetic: Volume) -> MRCase:
    """Return the volumes of a case cut to the real MR's field of view, outside of which nothing can be compared."""
    first, size = body_box(case.reference.voxels > 0, np.zeros(3))
    (i, j, k), (ni, nj, nk) = first, size
    matrix = Grid.of(case.ct).part(first, size).ijk_to_ras
    ct, reference, made = (
        volume.replace(voxels=volume.voxels[k : k + nk, j : j + nj, i : i + ni], ijk_to_ras=matrix)
        for volume in (case.ct, case.reference, synthetic)
    )
    return MRCase(ct, reference, made)
