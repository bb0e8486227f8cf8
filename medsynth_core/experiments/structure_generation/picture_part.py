"""A part of the experiment on single pictures: what it compares, its cases, and its trainings."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from medsynth_core.datasets.known_sets import cases_of_known_set
from medsynth_core.datasets.manifest import Case, write_manifest
from medsynth_core.datasets.splitting import Shares, split_cases
from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.judges.judge import JudgeSettings
from medsynth_core.experiments.runs import made_otherwise, trained
from medsynth_core.experiments.structure_generation.picture_recipes import picture_recipes
from medsynth_core.experiments.structure_generation.rivals import experiment_recipe
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.systems.multimodal_maps import has_maps


@dataclass(frozen=True)
class PicturePart:
    """What a part compares; the same for all its methods.

    Attributes:
        folder: of the data set, in the data.
        generator: recipe of the generator.
        structure: recipe of its structure maps.
        shares: of the patients without a split of the data set, in train, val and test.
        judge: that tells what synthetic images are worth.
        settings: of the judges.
        mapped: class of the images whose structure maps are learned; "" for all images.
        seeds: of the judges.
        mixtures: rows of Table 5, by number or name.
        images: images that each method draws for the table of quality.
        filtered: whether structure maps of the images that judges learn from are filtered.
        pictures: images that the figure shows of each method and class.
    """

    folder: str
    generator: str
    structure: str
    shares: Shares
    judge: str
    settings: JudgeSettings
    mapped: str = ""
    seeds: tuple[int, ...] = (11, 12, 13)
    mixtures: tuple[int | str, ...] = (1, 13, 15, 25, 21, "real-10", 3)
    images: int = 600
    filtered: bool = True
    pictures: int = 4


CHEST_XRAY = PicturePart(
    "chest-xray",
    "multimodal-x-ray",
    "structure-x-ray",
    # The original test set stays as it is.
    (0.88, 0.12, 0.0),
    "classification",
    JudgeSettings(iterations=1500, batch_size=8, width=16),
    mapped="normal",
)
FUNDUS = PicturePart(
    "fundus-chase",
    "multimodal-fundus",
    "structure-fundus",
    # 8, 2 and 4 children.
    (8 / 14, 2 / 14, 4 / 14),
    "vessels",
    JudgeSettings(iterations=600, batch_size=4, width=16),
)


@dataclass(frozen=True, eq=False)
class Trainings:
    """The cases and trainings of a part.

    Attributes:
        part: what it compares.
        output: its folder.
        cases: cases of all splits.
    """

    part: PicturePart
    output: Path
    cases: list[Case] = field(repr=False)

    @classmethod
    def of(cls, part: PicturePart, data: Path, output: Path, progress: Progress) -> Trainings:
        """Return those of a part, and write its manifests.

        Args:
            part: the part.
            data: folder with that of its data set.
            output: its folder; gets ``manifest.csv``, and ``manifest-maps.csv`` with the cases of the class whose
                structure maps are learned.
            progress: its log says what was found.

        Raises:
            MedSynthError: the data set is not there, or cannot be divided.
        """
        found = cases_of_known_set(data / part.folder, output / "boxes", progress=progress)
        cases = split_cases(found, part.shares, keep=True)
        write_manifest(cases, output / "manifest.csv")
        mapped = [case for case in cases if part.mapped in ("", case.label)]
        write_manifest(mapped, output / "manifest-maps.csv")
        return cls(part, output, cases)

    @property
    def manifest(self) -> Path:
        """Manifest of all cases."""
        return self.output / "manifest.csv"

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """The recipes of all methods, that of the generator first."""
        return picture_recipes(self.part.generator)

    @property
    def recipe(self) -> Recipe:
        """The recipe of the generator, whose frames and values from 0 to 1 are those of all methods."""
        return self.recipes[self.part.generator]

    def maps_model(self, progress: Progress) -> Model:
        """Return the model of structure maps, which is trained now if it is not there."""
        recipe = experiment_recipe(self.part.structure)
        return trained(recipe, self.output / "manifest-maps.csv", self.output, progress)

    def model(self, recipe: Recipe, manifest: Path, output: Path, progress: Progress) -> Model:
        """Return the model of a recipe as `trained`, after that of its structure maps if it has one.

        The recipe names no place of its own, so that its row can be used where the output has another one.

        Raises:
            MedSynthError: as `trained`, or the model that is there has other structure maps.
        """
        if not getattr(recipe, "structure_model", ""):
            return trained(recipe, manifest, output, progress.part(0.4, 1))
        maps = self.maps_model(progress.part(0, 0.4))
        recipe = recipe.model_copy(update={"structure_model": str(maps.path)})
        model = trained(recipe, manifest, output, progress.part(0.4, 1))
        if not has_maps(model.network(), maps.network()):
            raise MedSynthError(made_otherwise(model.path, output / recipe.name))
        return model
