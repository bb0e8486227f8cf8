"""Generators of CT, PET and MR of sarcomas: how their images compare, and what they are worth as training images."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.datasets.manifest import split_of
from medsynth_core.evaluation.judges.judge import Judge, JudgeSettings, trained_judge
from medsynth_core.evaluation.judges.registry import judge_class
from medsynth_core.evaluation.judges.schedule import batches
from medsynth_core.experiments.figures.generated_samples import stacked
from medsynth_core.experiments.rows import Row
from medsynth_core.experiments.runs import cost
from medsynth_core.experiments.scoring.image_set_scores import ImageSet, quality_scores, registration_scores
from medsynth_core.experiments.structure_generation.drawn_images import (
    ALL,
    Anatomies,
    check_judge,
    drawn_anatomies,
    drawn_set,
    paired_score,
)
from medsynth_core.experiments.structure_generation.real_images import RealSlices, real_slices
from medsynth_core.experiments.structure_generation.recipes import BUNDLED
from medsynth_core.generation.generator import Generator
from medsynth_core.models.package import Model
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.multimodal_settings import MultimodalSettings
from medsynth_core.training.prepared_cases import load_cases
from medsynth_core.training.train import read_cases


@dataclass(frozen=True)
class Settings:
    """How the methods are judged; the same for all.

    Attributes:
        model: the bundled generator.
        images: images that each method draws.
        per_patient: most slices with a tumour of each patient that judges see.
        judge: of all judges; its width is another one than that of the generator's segmenters.
        seeds: of the judges.
        pictures: images of each method that its row keeps for the figure.
        filtered: whether structure maps of the images that judges learn from are filtered.
    """

    model: str = BUNDLED
    images: int = 400
    per_patient: int = 24
    judge: JudgeSettings = field(default_factory=lambda: JudgeSettings(iterations=1000, batch_size=8, width=16))
    seeds: tuple[int, ...] = (11, 12, 13)
    pictures: int = 4
    filtered: bool = True


@dataclass(frozen=True, eq=False)
class TumourScorer:
    """Scores generators by what they draw from the same structure maps and tumours.

    Attributes:
        manifest: cases with the columns of the recipe and a split.
        generator: the bundled generator.
        settings: how.
        progress: reports.
        cache: folder for prepared cases.
    """

    manifest: Path
    generator: Generator
    settings: Settings
    progress: Progress
    cache: Path

    @property
    def recipe(self) -> Recipe:
        """The recipe of the bundled generator, whose frames and values from 0 to 1 are those of all methods."""
        return Recipe.model_validate(self.generator.model.card.training.recipe)

    def _cases(self, split: str) -> list[TrainingCase]:
        recipe = self.recipe
        self.cache.mkdir(parents=True, exist_ok=True)
        return load_cases(split_of(read_cases(self.manifest, recipe), split), recipe, self.progress, self.cache)

    @property
    def facts(self) -> dict[str, Any]:
        """What the scores of a method depend on besides its own training."""
        judge = self.settings.judge.model_dump(mode="json")
        drawn = {name: getattr(self.settings, name) for name in ("images", "per_patient", "pictures")}
        maps = self.generator.model.card.weights.sha256
        return {"maps_sha256": maps, **drawn, "judge": {**judge, "seed": self.settings.seeds[0]}}

    @cached_property
    def training(self) -> RealSlices:
        """The slices of the training cases."""
        return real_slices(self._cases("train"), self.recipe)

    @cached_property
    def validation(self) -> RealSlices:
        """The slices of the validation cases."""
        return real_slices(self._cases("val"), self.recipe)

    @cached_property
    def test_cases(self) -> list[TrainingCase]:
        """The prepared test cases."""
        return self._cases("test")

    @cached_property
    def test(self) -> RealSlices:
        """The slices of the test cases."""
        return real_slices(self.test_cases, self.recipe)

    @cached_property
    def _inside(self) -> Anatomies:
        return drawn_anatomies(self.generator, self.settings.images, self.recipe.seed, self.progress)

    @cached_property
    def _anywhere(self) -> Anatomies:
        return drawn_anatomies(self.generator, self.settings.images, self.recipe.seed, self.progress, inside=False)

    def drawn(self, model: Model) -> ImageSet:
        """Return the images of a method from unfiltered maps, with tumours if it is trained with them."""
        return self._drawn(model, self._anatomies(model))

    def _anatomies(self, model: Model) -> Anatomies:
        recipe = Recipe.model_validate(model.card.training.recipe)
        anywhere = isinstance(recipe, MultimodalSettings) and not recipe.fit_lesions
        return self._anywhere if anywhere else self._inside

    def _drawn(self, model: Model, anatomies: Anatomies) -> ImageSet:
        return drawn_set(model, anatomies, self.recipe.contract.outputs, self.recipe.seed)

    def judge(self, seed: int) -> Judge:
        """Return a segmenter that has learnt from real training images alone.

        Raises:
            MedSynthError: it is not independent of the generator's own segmenters.
        """
        settings = self.settings.judge.model_copy(update={"seed": seed})
        check_judge(settings, self.recipe)
        examples = self.training.with_lesions(self.settings.per_patient)
        order = batches("mixed", {"real": len(examples)}, settings.iterations, settings.batch_size, seed)
        return trained_judge(judge_class("segmentation"), examples, order, settings)

    @cached_property
    def _first_judge(self) -> Judge:
        return self.judge(self.settings.seeds[0])

    def of_model(self, model: Model, run: Path) -> Row:
        """Return the row of a method.

        Its scores are, by modality, those of `quality_scores`; and under `ALL` those of `registration_scores`, the
        mean ``fid``, ``dice`` of the first judge's segmentations of the drawn tumours, and ``ms_ssim_paired`` of images
        that are drawn from the maps of the test cases, if it knows maps.

        Args:
            model: the trained generator.
            run: folder of its training, for the cost.
        """
        anatomies = self._anatomies(model)
        begun = time.monotonic()
        made = self._drawn(model, anatomies)
        seconds = (time.monotonic() - begun) / self.settings.images
        real = ImageSet({role: self.test.images[role] for role in made.images}, self.test.labels)
        scores = quality_scores(real, made)
        whole = {"fid": float(np.mean([found["fid"] for found in scores.values()])), **registration_scores(made)}
        if made.labels is not None and len(made.images) == len(self.test.images):
            whole["dice"] = self._first_judge.scores(made.examples()).of_set["dice"]
        if getattr(Recipe.model_validate(model.card.training.recipe), "maps", False):
            whole |= paired_score(model, self.test_cases)
        picture = stacked(_layers(made), self.settings.pictures)
        return Row({"": {**scores, ALL: whole}}, cost(model, run, seconds), picture=picture)


def _layers(images: ImageSet) -> list[np.ndarray]:
    """Return the images of each modality and, if there are any, the labels."""
    labels = [] if images.labels is None else [(images.labels != 0).astype(np.float32)]
    return [*images.images.values(), *labels]


def lesion_table(scorer: TumourScorer, made: ImageSet, slices: RealSlices) -> list[dict[str, Any]]:
    """Return Table 4: scores of segmenters from real training images, for other real ones and for drawn ones, by seed.

    ``dice_ratio`` is that of the drawn images divided by that of the real ones; "" if the judge finds no real tumour.

    Args:
        scorer: has the settings and the training images.
        made: images that were drawn with tumours.
        slices: the other real ones: of the test cases or, for a choice among generators, of the validation cases.
    """
    real, drawn = slices.with_lesions(scorer.settings.per_patient), made.examples()
    rows: list[dict[str, Any]] = []
    for seed in scorer.settings.seeds:
        judge = scorer.judge(seed)
        found = {"real": judge.scores(real).of_set, "synthetic": judge.scores(drawn).of_set}
        row: dict[str, Any] = {"images_real": len(real), "images_synthetic": len(drawn)}
        row |= {f"{name}_{of}": value for of, scores in found.items() for name, value in scores.items()}
        ratio = row["dice_synthetic"] / row["dice_real"] if row["dice_real"] else ""
        rows.append({"seed": seed, **row, "dice_ratio": ratio})
    return rows


def merged_rivals(rows: Mapping[str, Row], kinds: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Return scores by method and modality, where the models of single modalities of a kind are one method.

    Of such a method, `ALL` has the mean of what each model has for itself: ``ms_ssim_paired``.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    paired: dict[str, list[float]] = {}
    for name, row in rows.items():
        kind = next((kind for kind in kinds if name.startswith(f"{kind}-")), name)
        for role, scores in row.scores[""].items():
            if kind == name or role != ALL:
                found.setdefault(kind, {})[role] = scores
            elif "ms_ssim_paired" in scores:
                paired.setdefault(kind, []).append(scores["ms_ssim_paired"])
    for kind, values in paired.items():
        found[kind][ALL] = {"ms_ssim_paired": float(np.mean(values))}
    return found
