"""A data set of generated cases, which goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.memorisation import Memorisation
from medsynth_core.figures.drawing import new_figure
from medsynth_core.generation.case import GeneratedCase
from medsynth_core.generation.case_files import is_whole, read_case, write_case
from medsynth_core.generation.case_maker import CaseMaker
from medsynth_core.generation.generator import Generator
from medsynth_core.generation.memorisation import Seen, facts_of
from medsynth_core.generation.order import Format, Order
from medsynth_core.generation.overview import MOST, write_overview
from medsynth_core.generation.run import LOCK, RunRecord
from medsynth_core.generation.trees import Tree, manifest_rows, tree_of
from medsynth_core.io.atomic import make_folder, remove_left_behind
from medsynth_core.io.folder_lock import FolderLock
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
        redrawn: how often structure maps were drawn again, by reason (`from_noise.REASONS`).
        memorisation: check whether images repeat training images, by role; {} if the model has no record of these.
    """

    folder: Path
    count: int
    made: int
    redrawn: dict[str, int]
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
    class_name: str | None = None,
    device: str = "auto",
    progress: Progress | ProgressCallback | None = None,
) -> DataSet:
    """Generate registered images into a folder: with lesion labels, of classes, or as pictures in colour.

    A folder with cases of the same options is completed: whole cases stay, missing ones are made. The same options
    give the same files on the same computer, whether the run was interrupted or not.

    Args:
        model: a generator of the library, or its package folder.
        output: folder, new, empty, or of an interrupted run.
        count: number of cases.
        seed, slices, layout, format, filtered, source, unit, lesion, lesions, structure, class_name: as `Order`.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        progress: called as ``progress(fraction, message)``.

    Raises:
        MedSynthError: an option is outside its range or does not fit the model, the model does not generate images,
            the folder contains something else or another run, an input cannot be used, or a file cannot be written.
        Cancelled: the progress callback requested a stop; whole cases are kept.
    """
    given, mask, labels = (None if path is None else Path(path) for path in (source, lesion, lesions))
    order = Order(count, seed, slices, layout, format, filtered, given, unit, mask, labels, structure, class_name)
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    progress(0.0, "Loading the model")
    return _Run(Generator.load(model, device), Path(output), order).complete(progress)


class _Run:
    """The making of a data set in its folder."""

    def __init__(self, generator: Generator, folder: Path, order: Order) -> None:
        self.generator, self.folder, self.order = generator, folder, order
        self.maker = CaseMaker(generator, order)
        self.tree: Tree = tree_of(order.layout, folder, generator.contract, SUFFIXES[order.format])
        self.tree.check(self.parts)
        self.record = RunRecord(folder, self.maker)

    @cached_property
    def parts(self) -> list[str]:
        """Names of the files of a case."""
        return [*self.maker.masks, *self.generator.modalities]

    def complete(self, progress: Progress) -> DataSet:
        """Make what is missing, and describe the whole."""
        new_figure(1.0)  # refuses, before any work, to go on without matplotlib
        make_folder(self.folder)
        lock = FolderLock(
            self.folder / LOCK,
            f"Another process is generating images into {self.folder}; wait for it, or choose another folder.",
        )
        try:
            remove_left_behind(self.folder)
            return self._completed(progress)
        finally:
            lock.release(remove=True)

    def _completed(self, progress: Progress) -> DataSet:
        if self.maker.note:
            progress.log(self.maker.note)
        self.record.begin()
        seen, shown, made = Seen(self.generator, self.order.source is None), {}, 0
        for number in range(self.order.count):
            progress(_DRAWING * number / self.order.count, self.order.said(number))
            case, new = self._case(number)
            made += new
            seen.add(case, self.tree.case(number + 1))
            if number < MOST:
                shown[self.tree.case(number + 1)] = case
        progress(_DRAWING, "Comparing with the training images")
        found = DataSet(self.folder, self.order.count, made, dict(seen.redrawn), seen.memorisation())
        self._describe(found, shown)
        progress(1.0, f"{self.order.count} cases are in {self.folder}")
        return found

    def _case(self, number: int) -> tuple[GeneratedCase, bool]:
        """Return a case by its number (from 0), and whether it was missing or damaged; then it is written."""
        files = self.tree.files(number + 1, self.parts)
        if is_whole(files):
            # Pictures lose what they show, so that those cases are drawn again.
            if self.order.format == "png":
                return self.maker.make(number), False
            with suppress(MedSynthError):  # damaged
                return read_case(files, self.generator.modalities), False
        case = self.maker.make(number)
        write_case(case, files, self.generator)
        return case, True

    def _describe(self, found: DataSet, shown: Mapping[str, GeneratedCase]) -> None:
        """Write manifest, overview and the files of the layout, and last of all that the run is complete."""
        classes = [self.maker.class_of(number) for number in range(self.order.count)]
        write_rows(manifest_rows(self.tree, classes, self.parts), self.folder / "manifest.csv")
        self.tree.finish(self.order.count, self.generator.lesion_kinds)
        write_overview(shown, self.generator, self.folder / "overview.png")
        facts: dict[str, Any] = {"redrawn": found.redrawn}
        if self.generator.classes:
            facts["classes"] = {self.tree.case(number): name for number, name in enumerate(classes, start=1)}
        checked = {role: facts_of(check) for role, check in found.memorisation.items()}
        if self.order.source is not None:
            facts["spacing_mm"] = next(iter(shown.values())).first.spacing
        self.record.finish({**facts, "memorisation": checked})
