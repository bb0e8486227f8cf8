"""Score a bundled model again after a change of preparation, and write its package as a new version.

Run with ``python Testing/release/new_version.py MODEL MANIFEST VERSION CHANGE FOLDER``, for example::

    python Testing/release/new_version.py ct-to-pet DATA/cases.csv 1.1.0 "Slices lie in the middle." out

The weights stay as they are. Scores of the validation and test cases, the error curve and the model's own row of the
comparison in its card are computed anew; the other rows, logs and versions of libraries are those of the training. The
test split is scored once a version, so the day is written into the card.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
import sys
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file

from medsynth_core import load_model, synthesize
from medsynth_core.datasets.manifest import Case, read_manifest, split_of
from medsynth_core.experiments.scoring.card_table import record
from medsynth_core.experiments.scoring.case_scores import MR_METRICS, PET_METRICS, read_scored_case
from medsynth_core.experiments.scoring.result_table import ResultTable, Scores
from medsynth_core.io.json_file import write_json
from medsynth_core.metrics.conditions import compared
from medsynth_core.models.card import METADATA
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe, read_recipe, write_recipe
from medsynth_core.training.publishing import publish
from medsynth_core.training.run_folder import RunFolder

RECORDS = ("split.csv", "metrics.csv", "environment.json")
# Of the training, not of the new scores.
KEPT = ("monai_version", "pytorch_version", "numpy_version", "required_packages_version")
# Column of the real volumes, metrics of the comparison, and the method that the others are compared with.
COMPARISONS = {"ct-to-pet": ("pet", PET_METRICS, "ct-to-pet"), "ct-to-mr": ("mr_t1", MR_METRICS, "pix2pix")}


def used_cases(model: Model, manifest: Path, role: str) -> list[Case]:
    """Return the cases of the manifest in the splits that the model's card states."""
    split = model.card.training.split
    cases = [case for case in read_manifest(manifest, ("ct", role, "lesion")) if case.name in split[case.split]]
    assert len(cases) == sum(map(len, split.values())), "the manifest lacks cases of the card"
    return cases


def rescored(model: Model, recipe: Recipe, cases: list[Case], folder: Path) -> Path:
    """Publish the model's weights again in a run folder, and return the package."""
    for name in RECORDS:
        shutil.copy(model.path / "docs" / "training" / name, folder / name)
    write_recipe(recipe, folder / "recipe.yaml")
    run = RunFolder(folder)
    weights = load_file(model.weights).items()
    save_file({name: value.float() if value.is_floating_point() else value for name, value in weights}, run.best)
    package = publish(recipe, cases, run, torch.device("cpu"), Progress(log=print)).package
    assert (package / "models" / model.weights.name).read_bytes() == model.weights.read_bytes(), "other weights"
    return package


def state_version(package: Path, earlier: Path, version: str, change: str) -> None:
    """Write the version, its change and the facts of the training into the metadata of a package."""
    content, before = (json.loads((folder / METADATA).read_text(encoding="utf-8")) for folder in (package, earlier))
    content |= {key: before[key] for key in KEPT} | {"version": version}
    scored = (
        f"{change} Same weights; the log of the training is that of the first version. Scored on the test split on "
        f"{date.today().isoformat()}."
    )
    content["changelog"] = {**before["changelog"], version: scored}
    write_json(package / METADATA, content)


def comparison(earlier: Path, package: Path, cases: list[Case], folder: Path) -> ResultTable:
    """Return the comparison of the card with the model's own row computed anew."""
    model = Model.open(package)
    role, metrics, against = COMPARISONS[model.name]
    side, scores = model.contract.output, Scores()
    with (earlier / "docs" / "cases.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            method, case = row.pop("method"), row.pop("case")
            values = {name: float(value) if value else math.nan for name, value in row.items()}
            scores.setdefault(method, {})[case] = values
    scores[model.name] = {}
    for case in split_of(cases, "test"):
        scored = read_scored_case(case, role, side.modality, side.unit)
        scores[model.name][case.name] = scored(synthesize(scored.ct, model, device="cpu"))
    table = ResultTable(scores, metrics, against, folder, compared("CT", side.modality, side.unit))
    table.write()
    return table


def main(name: str, manifest: str, version: str, change: str, output: str) -> None:
    """Write the new version of a bundled model into the folder ``output``."""
    model, recipe = load_model(name), read_recipe(name)
    cases = used_cases(model, Path(manifest), COMPARISONS[name][0])
    with TemporaryDirectory() as run:
        package = rescored(model, recipe, cases, Path(run))
        state_version(package, model.path, version, change)
        table = comparison(model.path, package, cases, Path(run))
        written = record(Model.open(package), table, Path(output))
    print(json.dumps({"package": str(written), **Model.open(written).card.metrics}, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
