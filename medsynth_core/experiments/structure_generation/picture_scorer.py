"""How pictures of generators are judged: as sets beside real test pictures, and as training images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from medsynth_core.datasets.manifest import split_of
from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.features import fid
from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.experiments.figures.generated_samples import stacked
from medsynth_core.experiments.rows import FOLDER, Row
from medsynth_core.experiments.runs import cost, made_otherwise
from medsynth_core.experiments.scoring.image_set_scores import ImageSet, quality_scores
from medsynth_core.experiments.scoring.usability import Sources
from medsynth_core.experiments.structure_generation.drawn_images import (
    ALL,
    Anatomies,
    check_judge,
    drawn_set,
    paired_score,
)
from medsynth_core.experiments.structure_generation.kept_maps import KeptMaps, drawn_lines, everywhere, kept_maps
from medsynth_core.experiments.structure_generation.picture_part import PicturePart, Trainings
from medsynth_core.experiments.structure_generation.real_pictures import (
    RealPictures,
    as_channels,
    in_proportion,
    real_pictures,
)
from medsynth_core.experiments.structure_generation.vessels import coarse_vessels, drawn_by_hand
from medsynth_core.io.atomic import atomic_write
from medsynth_core.models.package import Model
from medsynth_core.preparation.contract import GenerationContract
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.training.prepared_cases import load_cases
from medsynth_core.volume import Volume


@dataclass(frozen=True, eq=False)
class PictureScorer:
    """Scores generators by what they draw from the same structure maps and classes.

    Attributes:
        trainings: of the part.
        progress: reports the preparation of cases and the training of structure maps.
    """

    trainings: Trainings
    progress: Progress

    @property
    def part(self) -> PicturePart:
        """What the part compares."""
        return self.trainings.part

    @property
    def recipe(self) -> Recipe:
        """The recipe of the generator."""
        return self.trainings.recipe

    @property
    def role(self) -> str:
        """Role of the pictures."""
        (role,) = self.recipe.contract.outputs
        return role

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; () if there are none."""
        return self.recipe.needs.classes

    def _prepared(self, split: str) -> list[TrainingCase]:
        return load_cases(split_of(self.trainings.cases, split), self.recipe, self.progress)

    @cached_property
    def training(self) -> RealPictures:
        """The training pictures."""
        return real_pictures(split_of(self.trainings.cases, "train"), self._prepared("train"), self.recipe)

    @cached_property
    def test_cases(self) -> list[TrainingCase]:
        """The prepared test cases."""
        return self._prepared("test")

    @cached_property
    def test(self) -> RealPictures:
        """The test pictures."""
        return real_pictures(split_of(self.trainings.cases, "test"), self.test_cases, self.recipe)

    @cached_property
    def maps(self) -> KeptMaps:
        """Structure maps that all methods draw from, with classes in the proportion of the test pictures."""
        kinds = in_proportion(self.test.kinds, self.part.images)
        path = self.trainings.output / FOLDER / "maps.npz"
        return kept_maps(path, kinds, self.recipe.seed, lambda: self.trainings.maps_model(self.progress))

    def of_model(self, model: Model, run: Path) -> Row:
        """Return the row of a method; of the generator, the synthetic training pictures are kept as well.

        Its scores are those of `scores` and, of a method that knows structure maps, ``ms_ssim_paired`` of images that
        are drawn from the maps of the test pictures. Its cost has the number of the maps' model, ``maps_sha256``.

        Args:
            model: the trained generator.
            run: folder of its training.
        """
        recipe, maps = Recipe.model_validate(model.card.training.recipe), self.maps
        begun = time.monotonic()
        images = self._drawn(model, maps.anatomies, self.recipe.seed)
        seconds = (time.monotonic() - begun) / len(images)
        scores = self.scores(images, maps.anatomies.kinds if recipe.needs.classes else None)
        if getattr(recipe, "maps", False):
            scores |= paired_score(model, self.test_cases)
        facts = {**cost(model, run, seconds), "maps_sha256": maps.sha256}
        if model.name == self.part.generator:
            # Now, because its network may be gone when the judges are trained.
            write_examples(self._synthetic(model), self.kept_synthetic, facts["weights_sha256"])
        return Row({"": {ALL: scores}}, facts, picture=self.picture(images, maps.anatomies.kinds))

    @property
    def kept_synthetic(self) -> Path:
        """File of the synthetic training pictures."""
        return self.trainings.output / "synthetic.npz"

    def _drawn(self, model: Model, anatomies: Anatomies, seed: int) -> np.ndarray:
        return drawn_set(model, anatomies, self.recipe.contract.outputs, seed).images[self.role]

    def scores(self, images: np.ndarray, kinds: np.ndarray | None) -> dict[str, float]:
        """Return `quality_scores` of pictures beside the test pictures and, with classes, ``fid_CLASS`` of each.

        Args:
            images: (n, size, size), or in colour (n, size, size, 3), network values from 0 to 1.
            kinds: (n) numbers of the classes; None of a method that knows none.
        """
        sets = (ImageSet({self.role: some}) for some in (self.test.images, images))
        found = quality_scores(*sets)[self.role]
        for number, name in enumerate(self.classes if kinds is not None else ()):
            real = self.test.images[self.test.kinds == number]
            found[f"fid_{name}"] = fid(real, images[kinds == number]).value
        return found

    def picture(self, images: np.ndarray, kinds: np.ndarray) -> Volume:
        """Return the first pictures of each class, one below the other, in the order of the classes."""
        return stacked([images[kinds == kind] for kind in np.unique(kinds)], self.part.pictures)

    def sources(self, model: Callable[[], Model], weights: str) -> Sources:
        """Return real and synthetic training pictures and real test pictures with what judges learn of them.

        Args:
            model: returns the trained generator; called only if its pictures are not kept.
            weights: SHA-256 of its weights.

        Raises:
            MedSynthError: the judge is not independent of the generator's own classifier, or the pictures that are
                kept are those of another generator.
        """
        if self.part.judge == "vessels":
            contract = cast(GenerationContract, self.recipe.contract)
            real, test = (drawn_by_hand(split_of(self.trainings.cases, name), contract) for name in ("train", "test"))
            field = self.test.organs
        else:
            self._check_judges()
            real, test, field = self.training.kinds, self.test.kinds, None
        if not self.kept_synthetic.is_file():
            write_examples(self._synthetic(model()), self.kept_synthetic, weights)
        return Sources(
            Examples(as_channels(self.training.images), real, self.training.patients),
            read_examples(self.kept_synthetic, weights),
            Examples(as_channels(self.test.images), test, self.test.patients, field),
        )

    def _check_judges(self) -> None:
        for seed in self.part.seeds:
            check_judge(self.part.settings.model_copy(update={"seed": seed}), self.recipe)

    def _synthetic(self, model: Model) -> Examples:
        """Return as many pictures as there are training pictures, with their classes or coarse vessels.

        They are others than those of the tables of quality.
        """
        network: Any = model.network()
        mapped = self.classes.index(self.part.mapped) if self.part.mapped else None
        ranges = self.training.ranges(mapped) if self.part.filtered else None
        kinds, seed = in_proportion(self.training.kinds, len(self.training)), self.recipe.seed + 1
        lines, organs = drawn_lines(network.maps, len(kinds), seed, ranges)
        images = self._drawn(model, Anatomies(lines, organs, everywhere(kinds, lines.shape[-1])), seed)
        labels = coarse_vessels(lines, organs) if self.part.judge == "vessels" else kinds
        return Examples(as_channels(images), labels)


def write_examples(examples: Examples, path: Path, weights: str) -> None:
    """Keep pictures with 256 grey levels, and their labels, in a file (.npz), with the SHA-256 of what drew them."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        grey = np.rint(examples.images.clip(0, 1) * 255).astype(np.uint8)
        np.savez_compressed(file, images=grey, labels=examples.labels, weights=np.array(weights))


def read_examples(path: Path, weights: str) -> Examples:
    """Return what `write_examples` has kept, with values from 0 to 1.

    Raises:
        MedSynthError: a generator with other weights drew it.
    """
    with np.load(path) as stored:
        if str(stored["weights"]) != weights:
            raise MedSynthError(made_otherwise(path, path))
        return Examples(stored["images"].astype(np.float32) / 255, stored["labels"])
