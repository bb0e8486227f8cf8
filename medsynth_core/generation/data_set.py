"""A data set of generated cases, which goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from medsynth_core.evaluation.memorisation import Memorisation
from medsynth_core.generation.case import GeneratedCase, write_case
from medsynth_core.generation.case_maker import CaseMaker
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.memorisation import facts_of, memorisation, pictures_of
from medsynth_core.generation.order import Format, Order
from medsynth_core.generation.overview import MOST, write_overview
from medsynth_core.generation.run import RunRecord
from medsynth_core.generation.trees import MASKS, Tree, manifest_rows, tree_of
from medsynth_core.io.reading import read_volume
from medsynth_core.io.table import write_rows
from medsynth_core.progress import Progress, ProgressCallback
from medsynth_core.structure.settings import StructureSettings

SUFFIXES = {"nifti": ".nii.gz", "png": ".png"}
# Share of the work that is the drawing of cases.
_DRAWING = 0.95


@dataclass(frozen=True)
class DataSet:
    """A finished data set.

    Attributes:
        folder: its folder.
        count: number of cases.
        made: how many of them this run made; the others were there.
        rejected: reasons why maps were drawn again, with their numbers.
        memorisation: check whether images repeat training images, by role; {} if the model has no record of these.
    """

    folder: Path
    count: int
    made: int
    rejected: dict[str, int]
    memorisation: dict[str, Memorisation]


def generate(
    model: str | Path,
    output: str | Path,
    count: int,
    *,
    seed: int = 0,
    slices: int = 1,
    layout: str = "plain",
    format: Format = "nifti",
    filtered: bool = True,
    source: str | Path | None = None,
    unit: str = "",
    lesion: str | Path | None = None,
    lesions: str | Path | None = None,
    structure: StructureSettings | None = None,
    device: str = "auto",
    progress: Progress | ProgressCallback | None = None,
) -> DataSet:
    """Generate registered images with lesion labels into a folder.

    A folder with cases of the same options is completed: whole cases stay, missing ones are made. The same options
    give the same files on the same computer, whether the run was interrupted or not.

    Args:
        model: a generator of the library, or its package folder.
        output: folder, new, empty, or of an interrupted run.
        count: number of cases.
        seed, slices, layout, format, filtered, source, unit, lesion, lesions, structure: as `Order`.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: an option is outside its range, the model does not generate images of several modalities, the
            folder contains something else or another run, an input cannot be used, or a file cannot be written.
        Cancelled: the progress callback requested a stop; whole cases are kept.
    """
    given, mask, labels = (None if path is None else Path(path) for path in (source, lesion, lesions))
    order = Order(count, seed, slices, layout, format, filtered, given, unit, mask, labels, structure)
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    progress(0.0, "Loading the model")
    return _Run(Generator.load(model, device), Path(output), order).complete(progress)


class _Run:
    """The making of a data set in its folder."""

    def __init__(self, generator: Generator, folder: Path, order: Order) -> None:
        self.generator, self.folder, self.order = generator, folder, order
        self.maker = CaseMaker(generator, order)
        self.tree: Tree = tree_of(order.layout, folder, generator.contract, SUFFIXES[order.format])
        self.tree.check(self.maker.has_lesions)
        self.record = RunRecord(folder, generator, order)

    @cached_property
    def parts(self) -> list[str]:
        """Names of the files of a case."""
        masks = MASKS if self.maker.has_lesions else MASKS[:2]
        return [*masks, *self.generator.modalities]

    def complete(self, progress: Progress) -> DataSet:
        """Make what is missing, and describe the whole."""
        if self.maker.note:
            progress.log(self.maker.note)
        self.record.begin()
        made = [number for number in range(self.order.count) if not self._is_whole(number)]
        rejected: dict[str, int] = {}
        for number, case, draw in self.maker.drawn(made, progress.part(0.0, _DRAWING)):
            write_case(case, self.tree.files(number + 1, self.parts), self.generator)
            for reason in draw.rejected:
                rejected[reason.split(" ")[0]] = rejected.get(reason.split(" ")[0], 0) + 1
        progress(_DRAWING, "Comparing with the training images")
        found = DataSet(self.folder, self.order.count, len(made), rejected, self._memorisation())
        self._describe(found)
        progress(1.0, f"{self.order.count} cases are in {self.folder}")
        return found

    def _is_whole(self, number: int) -> bool:
        return all(path.is_file() for path in self.tree.files(number + 1, self.parts).values())

    def _cases(self, count: int) -> Iterator[tuple[str, GeneratedCase]]:
        """Yield the first cases by name, drawn again, as pictures lose what they show."""
        for number in range(count):
            yield self.tree.case(number + 1), self.maker.make(number)[0]

    def _memorisation(self) -> dict[str, Memorisation]:
        """Return the check of all cases; those of a volume are on its grid, not in frames of the model."""
        if self.order.source is not None or not self.generator.draws_maps:
            return {}
        pictures: dict[str, list[np.ndarray]] = {}
        for number in range(self.order.count):
            for role, some in pictures_of(self.generator, self._images(number)).items():
                pictures.setdefault(role, []).append(some)
        return memorisation(self.generator, {role: np.concatenate(some) for role, some in pictures.items()})

    def _images(self, number: int) -> Mapping[str, np.ndarray]:
        """Return the images (k, j, i) of a case from its files, by role, in their units."""
        if self.order.format == "png":
            return {role: volume.voxels for role, volume in self.maker.make(number)[0].images.items()}
        files = self.tree.files(number + 1, self.generator.modalities)
        return {role: read_volume(path).voxels for role, path in files.items()}

    def _describe(self, found: DataSet) -> None:
        """Write manifest, overview and the files of the layout, and last of all that the run is complete."""
        write_rows(manifest_rows(self.tree, self.order.count, self.parts), self.folder / "manifest.csv")
        self.tree.finish(self.order.count, np.array([label.max(initial=0) for label in self.maker.lesions] or [1]))
        write_overview(dict(self._cases(min(MOST, self.order.count))), self.folder / "overview.png")
        checked = {role: facts_of(check) for role, check in found.memorisation.items()}
        self.record.finish({"redrawn": found.rejected, "memorisation": checked})
