"""Synthesis of many studies into one folder, which goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from medsynth_core.batches.failure_list import FailureList
from medsynth_core.batches.part import Part
from medsynth_core.batches.queue import StudyQueue
from medsynth_core.batches.run_record import RunRecord, locked, remove_unfinished
from medsynth_core.batches.settings import BatchSettings
from medsynth_core.batches.study import Study
from medsynth_core.batches.study_list import list_studies
from medsynth_core.batches.study_steps import Outcome, StudySteps
from medsynth_core.batches.tables import write_metrics
from medsynth_core.errors import MedSynthError
from medsynth_core.inference.loaded_model import LoadedModel
from medsynth_core.io.atomic import make_folder
from medsynth_core.models.package import Model
from medsynth_core.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from medsynth_core.batches.cluster_queue import ClusterQueue


@dataclass
class BatchResult:
    """What became of the studies of a batch.

    Attributes:
        folder: folder of the results, one folder for each study.
        made: studies whose results were made now.
        there: studies whose results were there already.
        failed: studies that failed, and one sentence on each.
    """

    folder: Path
    made: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def batch(
    inputs: str | Path | Sequence[Path],
    output: str | Path,
    model: str | Path | Model | LoadedModel = "ct-to-pet",
    *,
    settings: BatchSettings | None = None,
    patterns: Mapping[str, str] | None = None,
    reference: str = "",
    part: Part | str = "1/1",
    device: str = "auto",
    batch_size: int | None = None,
    processes: int = 1,
    scheduler: str = "",
    progress: Progress | ProgressCallback | None = None,
) -> BatchResult:
    """Synthesize many studies, each into a folder of its own in ``output``.

    A study that fails is listed in ``failures.csv`` with its sentence, and the others go on. The results of a study are
    there whole or not at all. Run again, the batch makes what is missing: results count if their JSON states this
    model, these settings, and the content that the input files have.

    Args:
        inputs: a manifest (.csv) with the columns ``case`` and the roles of the model, a folder of image files or
            DICOM studies, or a list of the files of DICOM studies (`medsynth_core.batches.study_list.list_studies`).
        output: folder, new, empty, or of an earlier run with the same model.
        model: name in the library, folder of a package, a model, or one whose network is in memory.
        settings: what is written for each study.
        patterns: for a folder: role → pattern of the file name (``*ct*.nii*``) or, for DICOM, modality with a pattern
            of the series description (``MR:*T1*``).
        reference: column of the manifest with real images; each first result is compared with its own, and
            ``metrics.csv`` has a line for each study.
        part: the studies of this process, such as ``2/8``, if several work on one batch.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        batch_size: slices at once; None chooses by the device.
        processes: processes on this computer that share the work, through Dask.
        scheduler: address or scheduler file of a Dask cluster, whose workers do the work.
        progress: called as ``progress(fraction, message)``; its log gets each failure.

    Raises:
        MedSynthError: the list of studies cannot be used (as `list_studies`), there is no such model or device, the
            folder has results of another model, another process works in it, or the disk is full; or as `connected`
            of `medsynth_core.batches.cluster`.
        Cancelled: the progress callback requested a stop; what is finished stays.
    """
    progress = progress if isinstance(progress, Progress) else Progress(progress)
    part, settings = part if isinstance(part, Part) else Part.parse(part), settings or BatchSettings()
    source, folder = _source(inputs), Path(output).expanduser()
    left_out = _inside(folder, source) if isinstance(source, Path) else None
    progress(0.0, "Loading the model")
    loaded = LoadedModel.load(model)
    steps = StudySteps(loaded, folder, settings, device, batch_size)
    steps.check()
    progress(0.01, "Listing the studies")
    contract = loaded.model.synthesis.contract
    listed = list_studies(
        source, contract, patterns=patterns, reference=reference, left_out=left_out, progress=progress
    )
    settings.check_roles(contract.outputs)
    make_folder(folder)
    lock, studies = locked(folder, part), part.of(listed)
    try:
        record = RunRecord(folder, loaded.model, settings)
        record.write()
        failures = FailureList(folder, new=part.is_all)
        remove_unfinished(folder, [study.name for study in studies])
        with _queue(steps, processes, scheduler) as queue:
            found = _worked(queue, studies, failures, folder, progress.part(0.02, 1.0))
            if reference:
                failing = set(failures.write())
                write_metrics(folder, [study.name for study in listed if study.name not in failing])
    finally:
        # Processes of a cluster may have died on the way.
        remove_unfinished(folder, [study.name for study in studies])
        lock.release(remove=True)
    progress(1.0, f"{len(found.made) + len(found.there)} of {len(studies)} studies are in {folder}")
    return found


def _source(inputs: str | Path | Sequence[Path]) -> Path | Sequence[Path]:
    return Path(inputs).expanduser().absolute() if isinstance(inputs, str | Path) else inputs


def _inside(folder: Path, source: Path) -> Path | None:
    """Return the folder of the results if it is in that of the studies.

    Raises:
        MedSynthError: it is the same.
    """
    if source.resolve() == folder.resolve():
        raise MedSynthError(
            f"{folder} is the folder of the studies; choose another one for the results.", kind="output"
        )
    return folder if folder.resolve().is_relative_to(source.resolve()) else None


@contextmanager
def _queue(steps: StudySteps, processes: int, scheduler: str) -> Iterator[StudyQueue | ClusterQueue]:
    """Yield what works on the studies: this process, or those of a Dask cluster."""
    if processes < 1:
        raise MedSynthError(f"The number of processes is {processes}; it must be at least 1.")
    if scheduler and processes > 1:
        raise MedSynthError("The scheduler has processes of its own; leave out their number.")
    if not scheduler and processes == 1:
        yield StudyQueue(steps)
        return
    from medsynth_core.batches.cluster import connected

    with connected(processes, scheduler) as client:
        from medsynth_core.batches.cluster_queue import ClusterQueue, Order

        yield ClusterQueue(client, Order.of(steps))


def _worked(
    queue: StudyQueue | ClusterQueue, studies: list[Study], failures: FailureList, folder: Path, progress: Progress
) -> BatchResult:
    found = BatchResult(folder)

    def ended(outcome: Outcome) -> None:
        message = outcome.message
        if message and (folder / outcome.study).is_dir():
            message = f"{message.rstrip('.')}; its folder still holds what was there before."
        failures.add(outcome.study, message)
        if outcome.state == "failed":
            found.failed[outcome.study] = message
            progress.log(f"{outcome.study} failed: {message}")
        else:
            (found.made if outcome.state == "made" else found.there).append(outcome.study)

    try:
        queue.run(studies, ended, progress)
    except BaseException:
        with suppress(MedSynthError):
            failures.write()
        raise
    failures.write()
    order = {study.name: number for number, study in enumerate(studies)}
    found.made.sort(key=order.__getitem__)
    found.there.sort(key=order.__getitem__)
    return found
