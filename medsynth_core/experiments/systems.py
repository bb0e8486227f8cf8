"""Comparison of published systems on one data set, with the same cases, budget and scoring for all."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.compute.device import choose_device
from medsynth_core.datasets.manifest import Case, read_manifest, split_of, write_manifest
from medsynth_core.experiments.baselines.lookup import fit_lookup, prepared_method
from medsynth_core.experiments.figures.model_comparison import write_comparison
from medsynth_core.experiments.figures.mr_figure import MRCase, write_mr_figure
from medsynth_core.experiments.figures.training_curves import write_curves
from medsynth_core.experiments.rows import Row, finished_row
from medsynth_core.experiments.runs import cost, write_environment
from medsynth_core.experiments.scoring.card_table import record
from medsynth_core.experiments.scoring.case_scores import MR_METRICS, PET_METRICS, ScoredCase, read_scored_case
from medsynth_core.experiments.scoring.case_table import CaseTable, slice_scores
from medsynth_core.experiments.scoring.result_table import ResultTable
from medsynth_core.experiments.variants import recipes
from medsynth_core.figures.display import centre_of, oriented
from medsynth_core.grid import Grid, resample_array
from medsynth_core.inference.synthesis import synthesize
from medsynth_core.io.table import write_rows
from medsynth_core.metrics.checkerboard import checkerboard
from medsynth_core.metrics.conditions import compared
from medsynth_core.models.library import load_model
from medsynth_core.models.package import Model
from medsynth_core.preparation.body import body_box
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe, synthesis_contract
from medsynth_core.training.prepared_cases import load_cases, load_one
from medsynth_core.training.validation import Trained
from medsynth_core.volume import Volume

TABLE = "look-up table"
# Column of the manifest that states the quality of the registration of CT and MR; poor pairs are left out of training.
REGISTRATION, POOR = "ct_mr_registration", "poor"


@dataclass(frozen=True)
class Plan:
    """What an experiment compares.

    Attributes:
        bundled: the bundled model, shown beside the others although it had another budget.
        compared: the method that the others are compared with (paired Wilcoxon tests).
        metrics: metrics of the table.
        role: role of the real volumes.
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
    """Train missing models, score all on the test split, and write tables and figures.

    Each method is scored as soon as it is trained, and its row is kept in ``rows``; an experiment that is started again
    in a folder with rows does not need their models.

    Args:
        experiment: ``ct-to-pet-systems`` or ``ct-to-mr-systems``.
        data: manifest with the columns ``ct``, ``lesion`` and ``pet`` or ``mr_t1``.
        output: folder for the runs, ``rows``, ``results.csv``, ``cases.csv``, ``wilcoxon.csv``, ``methods.csv``
            (parameters, times, epochs, checkerboard), ``environment.json`` and figures.
        progress: reports.
    """
    plan, wanted = PLANS[experiment], recipes(experiment)
    manifest, scorer = prepared_experiment(experiment, data, output)
    share = 0.9 / len(wanted)
    rows = {
        name: finished_row(recipe, manifest, output, scorer.of_model, progress.part(index * share, (index + 1) * share))
        for index, (name, recipe) in enumerate(wanted.items())
    }
    shared = next(iter(wanted.values()))
    budget = f"{shared.epochs} epochs of all training slices, batches of {shared.batch_size}"
    write_environment(experiment, budget, rows[shared.name].environment, data, output)
    logs = {name: row.log for name, row in rows.items()}
    write_curves(logs, output / "curves.png", choose_by=shared.choose_by, unit=shared.contract.output.unit)
    model = load_model(plan.bundled)
    rows = {f"{TABLE}, median": scorer.of_table(), **rows, plan.bundled: scorer.of_model(model)}
    contract = synthesis_contract(shared)
    conditions = compared(contract.input.modality, contract.output.modality, contract.output.unit)
    table = ResultTable(
        {name: row.scores[""] for name, row in rows.items()}, plan.metrics, plan.compared, output, conditions
    )
    table.write()
    table.write_tests()
    record(model, table, output / "packages")
    write_rows(
        [{**row.cost, "same_budget": name in wanted} for name, row in rows.items() if row.cost], output / "methods.csv"
    )
    scorer.write_figures(rows)
    return table


def prepared_experiment(experiment: str, data: Path, output: Path) -> tuple[Path, Scorer]:
    """Return the manifest of an experiment, without training pairs that are known to be wrong, and its scorer."""
    output.mkdir(parents=True, exist_ok=True)
    plan = PLANS[experiment]
    manifest = _usable(data, plan, output)
    cases = read_manifest(manifest, ("ct", plan.role, "lesion"))
    return manifest, Scorer(plan, next(iter(recipes(experiment).values())), cases, output)


def _usable(data: Path, plan: Plan, output: Path) -> Path:
    """Return the manifest to train with, without training pairs whose registration is known to be poor."""
    if plan.role != "mr_t1":
        return data
    with data.open(newline="", encoding="utf-8-sig") as file:
        poor = {row["case"] for row in csv.DictReader(file) if row.get(REGISTRATION) == POOR}
    cases = read_manifest(data, ("ct", plan.role, "lesion"))
    kept = [case for case in cases if case.split != "train" or case.name not in poor]
    return write_manifest(kept, output / "cases-used.csv")


@dataclass(frozen=True)
class Scorer:
    """Scores the methods of an experiment on its test split.

    Attributes:
        plan: what is compared.
        shared: recipe that all methods share.
        cases: cases of all splits, with the roles ``ct``, ``lesion`` and that of the plan.
        output: folder of the experiment.
    """

    plan: Plan
    shared: Recipe
    cases: list[Case]
    output: Path

    @cached_property
    def test(self) -> dict[str, ScoredCase]:
        """The test cases by name."""
        side = self.shared.contract.output
        return {
            case.name: read_scored_case(case, self.plan.role, side.modality, side.unit)
            for case in split_of(self.cases, "test")
        }

    def of_model(self, model: Model) -> Row:
        """Return the row of a trained model; the log of its training is not in it."""
        made, seconds = self._made(lambda ct: synthesize(ct, model))
        row = cost(model, self.output / model.name, seconds)
        return self._row(made, {**row, "checkerboard": self._checkerboard(model)})

    def of_table(self) -> Row:
        """Return the row of the look-up table that is fitted to the training cases."""
        contract = synthesis_contract(self.shared)
        training = load_cases(split_of(self.cases, "train"), self.shared, Progress())
        made, _ = self._made(prepared_method(fit_lookup(training, contract, np.median), contract))
        return self._row(made, {})

    def _made(self, method: Callable[[Volume], Volume]) -> tuple[dict[str, Volume], float]:
        """Return a method's result of each test case, and the seconds a case."""
        begun = time.monotonic()
        made = {name: method(case.ct) for name, case in self.test.items()}
        return made, (time.monotonic() - begun) / len(made)

    def _row(self, made: dict[str, Volume], facts: dict[str, Any]) -> Row:
        scores = {name: case(made[name]) for name, case in self.test.items()}
        if self.plan.role == "mr_t1":
            slices = {name: slice_scores(made[name], case.reference) for name, case in self.test.items()}
            return Row({"": scores}, facts, slices=slices)
        return Row({"": scores}, facts, picture=self._shown_slice(made[self.hottest.name]))

    def _checkerboard(self, model: Model) -> float | str:
        """Return the mean checkerboard of a model's results on its own grid; "" if it is not defined."""
        recipe = Recipe.model_validate(model.card.training.recipe)
        trained = Trained(model.network(), model.contract, choose_device("auto"))
        found = []
        for case in split_of(self.cases, "test"):
            prepared = load_one(case, recipe)
            # By order, because the outputs of packages of format 1 have other roles than those of their recipes.
            made = next(iter(trained.images(prepared).values()))
            found.append(checkerboard(model.contract.output.intensity.inverse(prepared.target), made))
        return round(float(np.nanmean(found)), 3) if np.isfinite(found).any() else ""

    @property
    def hottest(self) -> ScoredCase:
        """The case with the hottest tumour, in which differences in tumours show best."""
        return max(self.test.values(), key=lambda case: float(case.reference.voxels[case.lesion.voxels != 0].max()))

    def _shown_slice(self, made: Volume) -> Volume:
        """Return the axial slice through the middle of the hottest case's tumour, which the figure shows."""
        grid = Grid.of(made)
        whole = grid.oriented()
        middle = centre_of(oriented(self.hottest.lesion.voxels, grid) != 0, whole.shape)
        plane = whole.part(np.array([0, 0, middle[0]]), np.array([*whole.size[:2], 1]))
        return made.replace(
            voxels=resample_array(made.voxels, grid, plane), ijk_to_ras=plane.ijk_to_ras, metadata={}, uncertainty=None
        )

    def write_figures(self, rows: dict[str, Row]) -> None:
        """Write the figure of the results and, for CT→MR, the tables of slices."""
        if self.plan.role == "mr_t1":
            model = load_model(self.plan.bundled)
            shown = {name: _in_field(case, synthesize(case.ct, model)) for name, case in self.test.items()}
            write_mr_figure(shown, self.output / "cases.png")
            for name, row in rows.items():
                if not name.startswith(TABLE):
                    CaseTable(row.slices).write(self.output / f"slices-{name}.csv")
            return
        case = self.hottest
        pictures = {name: row.picture for name, row in rows.items() if row.picture and not name.startswith(TABLE)}
        write_comparison(case.ct, case.reference, pictures, self.output / "comparison.png", lesion=case.lesion)


def _in_field(case: ScoredCase, synthetic: Volume) -> MRCase:
    """Return the volumes of a case cropped to the field of view of the real MR."""
    first, size = body_box(case.reference.voxels > 0, np.zeros(3))
    (i, j, k), (ni, nj, nk) = first, size
    matrix = Grid.of(case.ct).part(first, size).ijk_to_ras
    ct, reference, made = (
        volume.replace(voxels=volume.voxels[k : k + nk, j : j + nj, i : i + ni], ijk_to_ras=matrix)
        for volume in (case.ct, case.reference, synthetic)
    )
    return MRCase(ct, reference, made)
