"""The part of the experiment on CT, PET and MR of sarcomas: Tables 1 and 3 to 5 of Qu's thesis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.experiments.figures.generated_samples import write_samples
from medsynth_core.experiments.figures.map_samples import write_map_samples
from medsynth_core.experiments.figures.training_curves import write_curves
from medsynth_core.experiments.rows import Making, Row, finished_row
from medsynth_core.experiments.runs import write_environment
from medsynth_core.experiments.scoring.plain_table import PlainTable, rounded
from medsynth_core.experiments.scoring.usability import Comparison, Sources, read_mixtures, usability
from medsynth_core.experiments.structure_generation import EXPERIMENT
from medsynth_core.experiments.structure_generation.budget import ends, measures, spent
from medsynth_core.experiments.structure_generation.drawn_images import ALL, drawn_anatomies, drawn_set
from medsynth_core.experiments.structure_generation.recipes import RIVALS, recipes
from medsynth_core.experiments.structure_generation.tumours import (
    Settings,
    TumourScorer,
    lesion_table,
    merged_rivals,
)
from medsynth_core.generation.generator import Generator
from medsynth_core.io.table import write_rows
from medsynth_core.progress import Progress

SETTINGS = Settings()
DATA = Path("sts", "cases.csv")
# Rows of Table 5, and a tenth of the real images alone, which it lacks.
SEGMENTED = (1, 2, 3, 6, 12, 13, 15, 19, 21, 24, 25, "real-10")
DETECTED = (1, 13, 15, 21, "real-10")
SHOWN = ("method", "fid", "fid_crops", "ms_ssim_paired", "ms_ssim_diversity", "edge_alignment", "mutual_information")


def run(data: Path, output: Path, progress: Progress, settings: Settings = SETTINGS) -> PlainTable:
    """Train the methods, judge their images, and write tables and figures.

    Each method's row is kept in ``rows``, and each training of a judge in the folder of its table, so that an
    experiment that is started again goes on.

    Args:
        data: folder with ``sts/cases.csv``, a manifest with the columns ``ct``, ``pet``, ``mr_t1`` and ``lesion``.
        output: folder for ``results.csv`` (a line for each method), ``cases.csv`` (for each method and modality),
            ``lesions.csv`` (a line for each judge), ``segmentation`` and ``detection`` (what images are worth),
            ``methods.csv``, ``environment.json``, ``maps.png`` (structure maps from noise) and figures.
        progress: reports.
        settings: how the images are judged.
    """
    output.mkdir(parents=True, exist_ok=True)
    manifest = data / DATA
    scorer = TumourScorer(manifest, Generator.load(settings.model, "cpu"), settings, Progress(), output / "arrays")
    rows = trained_rows(scorer, output, progress.part(0, 0.6))
    first = next(iter(rows.values()))
    budget = f"{first.cost['epochs']} epochs or fewer of each method, {settings.images} images of each"
    write_environment(EXPERIMENT, budget, {**first.environment, **measures(scorer.recipe)}, data, output)
    logs = {name: row.log for name, row in rows.items() if row.log}
    write_curves(logs, output / "curves.png", choose_by="fid", unit="1")
    model = scorer.generator.model
    rows[model.name] = scorer.of_model(model, output / model.name)
    write_rows([spent(row) for row in rows.values()], output / "methods.csv")
    write_samples({name: row.picture for name, row in rows.items() if row.picture}, output / "samples.png")
    write_map_samples(scorer.generator, scorer.recipe.seed, output / "maps.png")
    table = quality_table(rows, output, {"images": settings.images, "test_images": len(scorer.test)})
    write_rows(lesion_table(scorer, scorer.drawn(model), scorer.test), output / "lesions.csv")
    sources = Sources(*_examples(scorer, progress.part(0.62, 0.7)))
    for judge, numbers, share in (("segmentation", SEGMENTED, (0.7, 0.9)), ("detection", DETECTED, (0.9, 1.0))):
        comparison = Comparison(judge, read_mixtures(numbers=numbers), settings.seeds, settings.judge)
        usability(sources, comparison, output / judge, progress.part(*share))
    return table


def trained_rows(scorer: TumourScorer, output: Path, progress: Progress) -> dict[str, Row]:
    """Return the rows of all methods but the bundled one: as they were kept, or of models that are trained now."""
    wanted, making = recipes(), Making(facts=scorer.facts)
    return {
        name: finished_row(
            recipe,
            scorer.manifest,
            output,
            partial(scorer.of_model, run=output / name),
            progress.part(number / len(wanted), (number + 1) / len(wanted)),
            making,
        )
        for number, (name, recipe) in enumerate(wanted.items())
    }


def quality_table(rows: Mapping[str, Row], output: Path, numbers: Mapping[str, int]) -> PlainTable:
    """Write the table of methods, and that of methods and modalities, and return the first.

    Args:
        rows: of the methods.
        output: folder.
        numbers: of images, for each line.
    """
    found, details = [], []
    for method, by_role in merged_rivals(rows, RIVALS).items():
        single = {role: scores for role, scores in by_role.items() if role != ALL}
        details += [{"method": method, "modality": role, **rounded(scores)} for role, scores in single.items()]
        means = {
            name: float(np.mean([scores[name] for scores in single.values()]))
            for name in ("fid", "fid_crops", "ms_ssim_diversity", "ms_ssim_diversity_real")
            if all(name in scores for scores in single.values())
        }
        scores = rounded({**by_role.get(ALL, {}), **means})
        found.append({"method": method, **scores, **numbers, "trainings": 1, **ends(rows, method)})
    names = dict.fromkeys(name for row in found for name in row)
    full = [{name: row.get(name, "") for name in (*SHOWN, *names)} for row in found]
    columns = dict.fromkeys(name for row in details for name in row)
    write_rows([{name: row.get(name, "") for name in columns} for row in details], output / "cases.csv")
    table = PlainTable(full, SHOWN, output)
    table.write()
    return table


def _examples(scorer: TumourScorer, progress: Progress) -> tuple[Examples, Examples, Examples]:
    """Return real training images, synthetic ones and real test images."""
    most = scorer.settings.per_patient
    real, test = (part.with_lesions(most) for part in (scorer.training, scorer.test))
    share = max(mixture.synthetic for mixture in read_mixtures(numbers=SEGMENTED))
    count = int(np.ceil(share * len(real)))
    # Others than those of the tables of quality.
    seed, filtered = scorer.recipe.seed + 1, scorer.settings.filtered
    anatomies = drawn_anatomies(scorer.generator, count, seed, progress, filtered=filtered)
    made = drawn_set(scorer.generator.model, anatomies, scorer.recipe.contract.outputs, seed)
    # Not by their values, which another processor rounds differently.
    origin = f"{scorer.generator.model.card.weights.sha256} seed {seed} count {count} filtered {filtered}"
    return real, replace(made.examples(), origin=origin), test
