"""What synthetic images are worth as training images: Tables 5 to 8 of Qu's thesis, with intervals over seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from medsynth_core.compute.device import choose_device
from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.judges.augmentation import augmented
from medsynth_core.evaluation.judges.examples import Examples, joined
from medsynth_core.evaluation.judges.judge import JudgeSettings, trained_judge
from medsynth_core.evaluation.judges.registry import judge_class
from medsynth_core.evaluation.judges.schedule import Mixture, batches
from medsynth_core.evaluation.statistics import t_interval
from medsynth_core.experiments.runs import made_otherwise
from medsynth_core.io.json_file import write_json
from medsynth_core.io.json_reading import read_json
from medsynth_core.io.table import write_rows
from medsynth_core.io.yaml_file import read_yaml
from medsynth_core.metrics.registry import heading
from medsynth_core.progress import Progress
from medsynth_core.resources import resource_folder

ROWS = Path("Comparisons", "usability.yaml")
# Fewer trainings than this of a row show nothing about chance.
FEWEST_SEEDS = 3
DIGITS = 6


@dataclass(frozen=True, eq=False)
class Sources:
    """Images of a comparison.

    Attributes:
        real: training images.
        synthetic: synthetic images, as many as the rows ask for; None if no row needs any.
        test: real images of other patients.

    Raises:
        MedSynthError: a patient is in both training and test images.
    """

    real: Examples
    synthetic: Examples | None
    test: Examples

    def __post_init__(self) -> None:
        both = sorted(set(self.real.patients) & set(self.test.patients))
        if both:
            raise MedSynthError(f"The patient '{both[0]}' is in training and test images; put all of one into one set.")

    def taken(self, mixture: Mixture, seed: int) -> list[Examples]:
        """Return the images of each source of a row, in the order of its counts.

        Real images are chosen patient by patient, and a smaller share is part of a larger one of the same seed.
        Augmented images are made of all real ones that the row uses, or of all if it uses none.

        Raises:
            MedSynthError: there are too few.
        """
        counts = mixture.counts(len(self.real))
        found = []
        real = self.real.first(counts["real"], seed, "real") if "real" in counts else self.real
        for source, count in counts.items():
            if source == "real":
                found.append(real)
            elif source == "augmented":
                found.append(augmented(real, count, seed))
            elif self.synthetic is None:
                raise MedSynthError(f"The row '{mixture.name}' needs {count} synthetic images, but there are none.")
            else:
                found.append(self.synthetic.first(count, seed, "synthetic"))
        return found


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        judge: name of the judge.
        mixtures: the rows; the others are compared with the first one.
        seeds: of the trainings of each row.
        settings: of all trainings; their seed is replaced.
        device: where they are computed, as `choose_device` takes it.
    """

    judge: str
    mixtures: tuple[Mixture, ...]
    seeds: tuple[int, ...]
    settings: JudgeSettings = JudgeSettings()
    device: str = "cpu"


@dataclass(frozen=True)
class UsabilityTable:
    """Mean, standard deviation and 95 % interval of each row over its seeds.

    Attributes:
        comparison: what was compared.
        values: row → seed → metric → value of the test images.
        folder: where the table is written: ``results.csv`` and ``cases.csv`` (a line for each training).
        real, test: numbers of all real training images, and of the test images.
    """

    comparison: Comparison
    values: dict[str, dict[int, dict[str, float]]]
    folder: Path
    real: int
    test: int

    @property
    def path(self) -> Path:
        """File of the table."""
        return self.folder / "results.csv"

    @property
    def cases_path(self) -> Path:
        """File with a line for each training."""
        return self.folder / "cases.csv"

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics, the most important one first."""
        return judge_class(self.comparison.judge).metrics

    @property
    def columns(self) -> list[str]:
        """Head of the printed table."""
        heads = [part for name in self.metrics for part in (heading(name), "95 %")]
        return ["row", "real", "synthetic", "augmented", "order", *heads, "difference from the first row, 95 %"]

    @property
    def doubt(self) -> str:
        """What so few trainings mean, as a sentence; "" if there are enough."""
        count = len(self.comparison.seeds)
        if count >= FEWEST_SEEDS:
            return ""
        return f"Each row was trained {count} times; differences may be chance, so use at least {FEWEST_SEEDS} seeds."

    @cached_property
    def found(self) -> list[dict[str, Any]]:
        """A row for each mixture: ``METRIC_mean``, ``_sd``, ``_low`` and ``_high``, and differences; "" for NaN.

        With the numbers of images by source (``real_images`` …) and of test images, and of trainings.
        """
        return [self._row(mixture) for mixture in self.comparison.mixtures]

    def _row(self, mixture: Mixture) -> dict[str, Any]:
        row: dict[str, Any] = {"row": mixture.name, "number": mixture.number or "", **mixture.shares}
        counts = mixture.counts(self.real)
        row |= {f"{source}_images": counts.get(source, 0) for source in mixture.shares}
        row |= {"test_images": self.test, "order": mixture.order, "trainings": len(self.comparison.seeds)}
        for metric in self.metrics:
            values, first = (self._values(name, metric) for name in (mixture.name, self.comparison.mixtures[0].name))
            row |= _summary(metric, values)
            if mixture is not self.comparison.mixtures[0]:
                # Paired, because a seed gives the same weights and the same order of the patients in all rows.
                row |= _summary(f"{metric}_difference", values - first)
        # Those of another task are not comparable.
        there = [metric for metric in self.metrics if metric in mixture.published]
        published = {f"{metric}_published": mixture.published[metric] for metric in there}
        return {**row, **published}

    def _values(self, name: str, metric: str) -> np.ndarray:
        return np.array([self.values[name][seed][metric] for seed in self.comparison.seeds])

    def text_rows(self) -> list[list[str]]:
        """Return the printed table."""
        main = self.metrics[0]
        return [
            [
                *(str(row[name]) for name in ("row", "real", "synthetic", "augmented", "order")),
                *(part for metric in self.metrics for part in (_number(row[f"{metric}_mean"]), _interval(row, metric))),
                _interval(row, f"{main}_difference"),
            ]
            for row in self.found
        ]

    def card_rows(self) -> list[dict[str, Any]]:
        """Return all rows."""
        return self.found

    def to_dict(self) -> dict[str, Any]:
        """Return the table and the trainings as plain data."""
        return {"rows": self.found, "cases": self.values, "doubt": self.doubt}

    def write(self) -> None:
        """Write both files."""
        write_rows(self.found, self.path)
        trainings = [
            {"row": name, "seed": seed, **found}
            for name, by_seed in self.values.items()
            for seed, found in by_seed.items()
        ]
        write_rows(trainings, self.cases_path)


def _summary(name: str, values: np.ndarray) -> dict[str, Any]:
    # Where a metric is not defined in every training, an interval would be that of the others.
    low, high = t_interval(values) if np.isfinite(values).all() else (math.nan, math.nan)
    sd = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    found = {"mean": float(values.mean()), "sd": sd, "low": low, "high": high}
    return {f"{name}_{part}": round(value, DIGITS) if math.isfinite(value) else "" for part, value in found.items()}


def _number(value: float | str) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "–"


def _interval(row: dict[str, Any], name: str) -> str:
    low, high = row.get(f"{name}_low", ""), row.get(f"{name}_high", "")
    return f"{_number(low)} to {_number(high)}" if isinstance(low, float) else "–"


def usability(sources: Sources, comparison: Comparison, output: Path, progress: Progress) -> UsabilityTable:
    """Train and test every row with every seed, and write the table.

    All trainings have the same number of iterations. Each is kept in ``rows`` as soon as it is finished, and a
    comparison that is started again in the same folder continues with the others.

    Args:
        sources: images.
        comparison: rows, judge and seeds.
        output: folder for ``rows``, ``results.csv`` and ``cases.csv``.
        progress: reports; ``progress.log`` gets the table's doubt.

    Raises:
        MedSynthError: two rows have one name, there are too few images, or a training that is there was made with other
            images or settings.
    """
    names = [mixture.name for mixture in comparison.mixtures]
    if len(set(names)) < len(names) or not names or not comparison.seeds:
        raise MedSynthError("A comparison needs rows with different names, and seeds; correct them.")
    digests = {name: "" if part is None else part.digest for name, part in vars(sources).items()}
    values: dict[str, dict[int, dict[str, float]]] = {name: {} for name in names}
    trainings = [(mixture, seed) for seed in comparison.seeds for mixture in comparison.mixtures]
    for number, (mixture, seed) in enumerate(trainings):
        progress(number / len(trainings), f"Row {mixture.name}, seed {seed}")
        settings = comparison.settings.model_copy(update={"seed": seed})
        facts = {
            "judge": comparison.judge,
            "mixture": mixture.model_dump(mode="json", exclude={"published", "number"}),
            "settings": settings.model_dump(mode="json"),
            "images": digests,
        }
        run = partial(scores_of, sources, mixture, comparison.judge, settings, device=comparison.device)
        values[mixture.name][seed] = _kept(output / "rows" / f"{mixture.name}-seed{seed}.json", facts, run)
    table = UsabilityTable(comparison, values, output, len(sources.real), len(sources.test))
    if table.doubt:
        progress.log(table.doubt)
    table.write()
    return table


def _kept(path: Path, facts: dict[str, Any], run: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Return the scores of a training: as they were kept, or of the judge that ``run`` trains now."""
    if path.is_file():
        try:
            content = read_json(path)
            made, scores = content["facts"], dict(content["scores"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise MedSynthError(f"{path} is damaged; remove it, and the training is repeated.") from error
        if made != facts:
            raise MedSynthError(made_otherwise(path, path))
        return {name: math.nan if value is None else value for name, value in scores.items()}
    begun = time.monotonic()
    found = run()
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {name: value if math.isfinite(value) else None for name, value in found.items()}
    write_json(path, {"facts": facts, "scores": stored, "seconds": round(time.monotonic() - begun, 1)})
    return found


def scores_of(
    sources: Sources, mixture: Mixture, judge: str, settings: JudgeSettings, *, device: str = "cpu"
) -> dict[str, float]:
    """Return the metrics of a judge that learns from the images of a row, for the test images.

    Raises:
        MedSynthError: as `usability`.
    """
    parts = sources.taken(mixture, settings.seed)
    counts = dict(zip(mixture.counts(len(sources.real)), map(len, parts), strict=True))
    order = batches(mixture.order, counts, settings.iterations, settings.batch_size, settings.seed)
    found = trained_judge(judge_class(judge), joined(parts), order, settings, choose_device(device))
    return found.scores(sources.test).of_set


def read_mixtures(path: Path | None = None, numbers: Sequence[int | str] = ()) -> tuple[Mixture, ...]:
    """Return rows of a table of mixtures.

    Args:
        path: YAML with the key ``rows``, each as `Mixture`; None for those of Table 5 of Qu's thesis.
        numbers: numbers or names of the wanted rows, in this order; all if there are none.

    Raises:
        MedSynthError: the file cannot be read or has a row that is not valid, or there is no such row.
    """
    file = resource_folder() / ROWS if path is None else path
    try:
        rows = tuple(Mixture.model_validate(row) for row in read_yaml(file)["rows"])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise MedSynthError(f"A row of {file} is not valid: {place}: {first['msg']}; correct it.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MedSynthError(f"{file} is not a table of mixtures: it needs the key 'rows'; correct it.") from error
    known = {key: row for row in rows for key in (row.number, row.name) if key is not None}
    missing = [number for number in numbers if number not in known]
    if missing:
        raise MedSynthError(f"{file} has no row '{missing[0]}'; choose one of {', '.join(map(str, known))}.")
    return tuple(known[number] for number in numbers) if numbers else rows
