"""The parts of the experiment on chest X-rays and fundus photographs: Tables 2, 3, 6 and 7 of Qu's thesis."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from medsynth_core.experiments.figures.generated_samples import write_samples
from medsynth_core.experiments.figures.training_curves import write_curves
from medsynth_core.experiments.rows import Making, Row, finished_row
from medsynth_core.experiments.runs import write_environment
from medsynth_core.experiments.scoring.plain_table import PlainTable, rounded
from medsynth_core.experiments.scoring.usability import Comparison, read_mixtures, usability
from medsynth_core.experiments.structure_generation import EXPERIMENT
from medsynth_core.experiments.structure_generation.budget import ends, measures, spent
from medsynth_core.experiments.structure_generation.drawn_images import ALL
from medsynth_core.experiments.structure_generation.picture_part import CHEST_XRAY, FUNDUS, PicturePart, Trainings
from medsynth_core.experiments.structure_generation.picture_scorer import PictureScorer
from medsynth_core.io.table import write_rows
from medsynth_core.progress import Progress

__all__ = ["CHEST_XRAY", "FUNDUS", "run"]

REAL = "real training images"
SHOWN = ("method", "fid", "ms_ssim_paired", "ms_ssim_diversity", "ms_ssim_diversity_real", "images", "trainings")


def run(part: PicturePart, data: Path, output: Path, progress: Progress) -> PlainTable:
    """Train the methods, judge their pictures, and write tables and figures.

    Each method's row is kept in ``rows``, with the structure maps that all draw from, and each training of a judge in
    the folder of its table; what is kept needs no network.

    Args:
        part: what is compared.
        data: folder with that of the data set.
        output: folder for ``results.csv`` (a line for each method: one training each, and the numbers of pictures),
            ``methods.csv`` (size, time and end of each training), the judge's table, the manifests,
            ``environment.json``, ``synthetic.npz`` (the synthetic training pictures) and figures.
        progress: reports.

    Raises:
        MedSynthError: the data set or what is kept cannot be used, or as a training.
    """
    output.mkdir(parents=True, exist_ok=True)
    trainings = Trainings.of(part, data, output, progress)
    scorer = PictureScorer(trainings, Progress())
    rows = trained_rows(scorer, progress.part(0, 0.8))
    first = rows[part.generator]
    budget = f"{first.cost['epochs']} epochs or fewer of the generator, {part.images} images of each method"
    write_environment(EXPERIMENT, budget, {**first.environment, **measures(trainings.recipe)}, data, output)
    write_rows([spent(row) for row in rows.values()], output / "methods.csv")
    write_curves({name: row.log for name, row in rows.items()}, output / "curves.png", choose_by="fid", unit="1")
    shown = {name: row.picture for name, row in rows.items() if row.picture}
    real = scorer.picture(scorer.test.images, scorer.test.kinds)
    write_samples({"real": real, **shown}, output / "samples.png")
    table = quality_table(scorer, rows)
    again = partial(trainings.model, trainings.recipe, trainings.manifest, output, Progress())
    comparison = Comparison(part.judge, read_mixtures(numbers=part.mixtures), part.seeds, part.settings)
    weights = first.cost["weights_sha256"]
    usability(scorer.sources(again, weights), comparison, output / part.judge, progress.part(0.8, 1))
    return table


def trained_rows(scorer: PictureScorer, progress: Progress) -> dict[str, Row]:
    """Return the rows of all methods: as they were kept, or of models that are trained now."""
    trainings, wanted = scorer.trainings, scorer.trainings.recipes
    part = scorer.part
    facts = {"maps_sha256": scorer.maps.sha256, "images": part.images, "pictures": part.pictures}
    making = Making(trainings.model, facts)
    return {
        name: finished_row(
            recipe,
            trainings.manifest,
            trainings.output,
            partial(scorer.of_model, run=trainings.output / name),
            progress.part(number / len(wanted), (number + 1) / len(wanted)),
            making,
        )
        for number, (name, recipe) in enumerate(wanted.items())
    }


def quality_table(scorer: PictureScorer, rows: Mapping[str, Row]) -> PlainTable:
    """Write the table of methods and, for comparison, of the real training pictures, and return it."""
    training, test = scorer.training, len(scorer.test)
    kinds = training.kinds if scorer.classes else None
    found: list[dict[str, Any]] = [
        {"method": REAL, **rounded(scorer.scores(training.images, kinds)), "images": len(training), "trainings": ""}
    ]
    for name, row in rows.items():
        scores = rounded(row.scores[""][ALL])
        found.append({"method": name, **scores, "images": scorer.part.images, "trainings": 1, **ends(rows, name)})
    names = dict.fromkeys((*SHOWN, *(key for row in found for key in row)))
    table = PlainTable(
        [{**{key: row.get(key, "") for key in names}, "test_images": test} for row in found],
        SHOWN,
        scorer.trainings.output,
        "methods.csv",
    )
    table.write()
    return table
