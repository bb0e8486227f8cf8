"""The steps of one study of a batch: reading, network, writing."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medsynth_core.batches.settings import BatchSettings
from medsynth_core.batches.study import Study
from medsynth_core.batches.study_folder import StudyFolder
from medsynth_core.batches.study_inputs import StudyInputs
from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.failures import as_user_error, is_disk_full
from medsynth_core.figures.drawing import new_figure
from medsynth_core.inference.loaded_model import LoadedModel
from medsynth_core.inference.prediction import Prediction, predict
from medsynth_core.inference.steps import Synthesis
from medsynth_core.inference.uncertainty import check_error_known
from medsynth_core.modality import modality_of_unit
from medsynth_core.preparation.case import Prepared
from medsynth_core.progress import Progress
from medsynth_core.volume import Volume


@dataclass(frozen=True)
class Outcome:
    """What became of a study.

    Attributes:
        study: its name.
        state: ``made`` now, ``there`` already, or ``failed``.
        message: one sentence on why it failed.
    """

    study: str
    state: Literal["made", "there", "failed"]
    message: str = ""


@dataclass(eq=False)
class Job:
    """A study on its way through the steps.

    Attributes:
        folder: its folder.
        synthesis: its synthesis.
        prepared: its inputs as the network gets them.
        inputs: its inputs.
        seconds: time that its steps have taken.
        predicted: what the network gave, once it has run.
    """

    folder: StudyFolder
    synthesis: Synthesis
    prepared: Prepared
    inputs: StudyInputs
    seconds: float
    predicted: Prediction | None = None


@dataclass(frozen=True, eq=False)
class StudySteps:
    """The steps of each study of a batch.

    Attributes:
        loaded: the model.
        output: existing folder, in which each study gets one of its own.
        settings: what is written.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        batch_size: slices at once; None chooses by the device.
    """

    loaded: LoadedModel
    output: Path
    settings: BatchSettings
    device: str = "auto"
    batch_size: int | None = None

    def check(self) -> None:
        """Refuse a wrong option once, not for each study.

        Raises:
            MedSynthError: there is no such device, the batch size is below one, the unit is not one of the first input,
                the usual error of the model is not known, or figures cannot be drawn.
        """
        self.loaded.predictor(self.device, self.batch_size)
        side, unit = self.loaded.model.synthesis.contract.input, self.settings.unit
        if unit not in ("", side.unit) and modality_of_unit(unit) != side.modality:
            raise MedSynthError(
                f"'{unit}' is not a unit of {side.modality} images; give the inputs' unit, or leave it out."
            )
        if self.settings.uncertainty:
            check_error_known(self.loaded.model.synthesis)
        if self.settings.report:
            new_figure(1.0)  # refuses, before any work, to go on without matplotlib

    def read(self, study: Study, progress: Progress) -> Job | None:
        """Read and prepare a study; None if its results are there.

        Raises:
            MedSynthError: the study cannot be read or does not fit the model, or its folder has something else in it.
            OSError: a file cannot be read.
        """
        started, model = time.monotonic(), self.loaded.model
        if study.problem:
            raise MedSynthError(study.problem)
        contract = model.synthesis.contract
        folder = StudyFolder(self.output / study.name, study, model, self.settings)
        inputs = StudyInputs(study, contract, self.settings.unit)
        if folder.is_done(inputs):
            return None
        if folder.path.is_dir():
            progress.log("The input or the settings have changed since its results were made, so they are replaced.")
        self._check_writable(folder, inputs.volumes[contract.input_role])
        synthesis = Synthesis(inputs.volumes, model, uncertainty=self.settings.uncertainty)
        prepared = synthesis.prepare(progress)
        return Job(folder, synthesis, prepared, inputs, time.monotonic() - started)

    def _check_writable(self, folder: StudyFolder, first: Volume) -> None:
        """Check, before the network runs, that results on the grid of an input can be written.

        Raises:
            MedSynthError: the format cannot store the grid, or the input is not DICOM although the results are to be.
        """
        first.lps_frame()  # refuses sheared axes
        if self.settings.dicom and "series_digest" not in first.metadata:
            raise MedSynthError(
                f"The study {folder.study.name} is not DICOM, so its result cannot be written as a series of it; leave "
                "out the option for DICOM."
            )

    def predict(self, job: Job, progress: Progress) -> Job:
        """Run the network over a study, and return it; errors as those of the predictor."""
        started = time.monotonic()
        predictor = self.loaded.predictor(self.device, self.batch_size)
        job.predicted = predict(predictor, job.prepared, job.synthesis.recording(progress))
        job.seconds += time.monotonic() - started
        return job

    def write(self, job: Job, progress: Progress) -> None:
        """Write the results of a study.

        Raises:
            MedSynthError: a value is not finite, or as `StudyFolder.write`.
        """
        assert job.predicted is not None
        results = job.synthesis.finish(job.predicted, job.seconds, progress)
        first = job.synthesis.given[job.synthesis.contract.input_role]
        job.folder.write(results, first, job.inputs)

    def all(self, study: Study, progress: Progress) -> Outcome:
        """Take all steps of a study, and return what became of it; raises only what `stops_all`."""
        try:
            job = self.read(study, progress)
            if job is None:
                return Outcome(study.name, "there")
            self.write(self.predict(job, progress), progress)
        except Exception as failure:
            if stops_all(failure):
                raise
            return failed(study, failure, progress)
        return Outcome(study.name, "made")


def stops_all(failure: Exception) -> bool:
    """Return whether a failure is not one of a study alone: the batch was cancelled, or the disk is full."""
    return isinstance(failure, Cancelled) or is_disk_full(failure)


def failed(study: Study, failure: Exception, progress: Progress) -> Outcome:
    """Return the outcome of a study that failed; the log gets the traceback of an unexpected error."""
    error = as_user_error(failure)
    if error is not None:
        return Outcome(study.name, "failed", error.message)
    progress.log("".join(traceback.format_exception(failure)))
    message = f"MedSynth failed: {type(failure).__name__}: {failure}; please report it."
    return Outcome(study.name, "failed", message)
