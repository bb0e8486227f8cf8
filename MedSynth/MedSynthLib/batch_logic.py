"""Many volumes for Slicer's Python console and for scripts."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSequenceNode
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib.device_box import AUTOMATIC
from MedSynthLib.job import WorkerJob
from MedSynthLib.job_runner import JobRunner
from MedSynthLib.job_series import JobSeries, Outcome
from MedSynthLib.sequence_frames import FrameJob, framesOf, sequenceOf
from MedSynthLib.synthesis import SynthesisJob


class FilesJob(WorkerJob):
    """A batch of files, which does not concern the scene, and finishes the study that it is writing when cancelled."""

    cancelPatience = 120.0
    isOfScene = False


class BatchLogic(JobRunner):
    """The part of the module's logic that works on many volumes. Nothing in it shows a pop-up."""

    def synthesizeAll(
        self,
        volumeNodes: Iterable[vtkMRMLScalarVolumeNode],
        model: str,
        device: str = AUTOMATIC,
        batchSize: int | None = None,
        uncertainty: bool = False,
        waitForCompletion: bool = True,
        **callbacks: Any,
    ) -> Outcome | None:
        """Make a synthetic volume of each of several volumes of the scene; the model is loaded once.

        :param volumeNodes: scalar volumes; each result is named after its own, and has its grid, transform and study.
        :param model: name of a model with one input in the library, or the path of its package.
        :param device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        :param batchSize: slices computed at once; chosen by the free memory if None.
        :param uncertainty: also make the volumes of the usual error at each value.
        :param waitForCompletion: return the outcome when all have ended; if False, return None at once.
        :param callbacks: ``onProgress``, ``onLog`` (without it nothing is logged: names may be those of patients) and
            ``onFinished``, as for ``synthesize``.
        :return: ``made``, the results by the names of their inputs, and ``failed``, a sentence on each of the others;
            or None when not waiting. Where several inputs have the same name, their IDs are added.
        :raises MedSynthError: there are no volumes, or a job is running.
        :raises Cancelled: ``cancel`` was called while waiting; the results that are finished stay.
        """
        nodes = list(volumeNodes)
        callbacks["onLog"] = callbacks.get("onLog") or _nowhere
        if not nodes:
            raise MedSynthError(_("Choose at least one volume."))
        start = partial(SynthesisJob, outputVolume=None, model=model, device=device, batchSize=batchSize,
                        difference=False, uncertainty=uncertainty)  # fmt: skip
        steps = [(name, partial(start, node)) for name, node in namesOf(nodes).items()]
        return self.runJob(partial(JobSeries, steps), waitForCompletion, **callbacks)

    def synthesizeSequence(
        self,
        sequenceNode: vtkMRMLSequenceNode,
        model: str,
        device: str = AUTOMATIC,
        batchSize: int | None = None,
        waitForCompletion: bool = True,
        **callbacks: Any,
    ) -> vtkMRMLSequenceNode | None:
        """Make a sequence of synthetic volumes, one of each frame of a sequence; the model is loaded once.

        :param sequenceNode: sequence of scalar volumes; the new one has its index values, such as times.
        :param model: name of a model with one input in the library, or the path of its package.
        :param device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        :param batchSize: slices computed at once; chosen by the free memory if None.
        :param waitForCompletion: return the sequence when all frames have ended; if False, return None at once.
        :param callbacks: ``onProgress``, ``onLog`` (gets a sentence on each frame that failed, which the result lacks)
            and ``onFinished``, as for ``synthesize``.
        :return: the new sequence, or None when not waiting.
        :raises MedSynthError: the node is not a sequence of volumes, every frame failed, or a job is running.
        :raises Cancelled: ``cancel`` was called while waiting. Nothing is left then.
        """
        settings = {"device": device, "batch_size": batchSize}
        steps = [(name, partial(FrameJob, frame, model, settings)) for name, frame in framesOf(sequenceNode).items()]
        return self.runJob(
            partial(JobSeries, steps, resultOf=partial(sequenceOf, sequenceNode)), waitForCompletion, **callbacks
        )

    def batch(
        self,
        inputs: str | Path | Sequence[str | Path],
        output: str | Path,
        model: str,
        settings: dict[str, Any] | None = None,
        device: str = AUTOMATIC,
        batchSize: int | None = None,
        waitForCompletion: bool = True,
        **callbacks: Any,
    ) -> dict[str, Any] | None:
        """Synthesize the studies of a folder or list into another folder, as ``medsynth batch`` does.

        Nothing of it is loaded into the scene. Called again, it makes what is missing.

        :param inputs: manifest (.csv), folder of image files or DICOM studies, or the files of DICOM studies.
        :param output: folder for the results, one folder for each study.
        :param model: name of a model in the library, or the path of its package.
        :param settings: what is written, by the names of ``medsynth_core.batches.settings.BatchSettings``, such as
            ``{"dicom": True}``.
        :param device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        :param batchSize: slices computed at once; chosen by the free memory if None.
        :param waitForCompletion: return the outcome when all studies have ended; if False, return None at once.
        :param callbacks: as for `synthesizeAll`.
        :return: ``folder``, the names of the studies ``made`` now and ``there`` already, and ``failed``, a sentence on
            each of the others; or None when not waiting.
        :raises MedSynthError: the studies, the folder or the model cannot be used, or the disk is full.
        :raises Cancelled: ``cancel`` was called while waiting; the studies that are finished stay.
        """
        callbacks["onLog"] = callbacks.get("onLog") or _nowhere
        one = isinstance(inputs, str | Path)
        request = {
            "job": "batch",
            "data": str(inputs) if one else None,
            "files": None if one else [str(file) for file in inputs],
            "output": str(output),
            "model": model,
            "settings": settings or {},
            "device": device,
            "batch_size": batchSize,
        }
        return self.runJob(partial(FilesJob, request, resultOf=_facts), waitForCompletion, **callbacks)


def _facts(done: dict[str, Any]) -> dict[str, Any]:
    return {name: done[name] for name in ("folder", "made", "there", "failed")}


def _nowhere(message: str) -> None:
    """Keep names of volumes and studies, which may be those of patients, out of the files of Slicer's log."""


def namesOf(nodes: Sequence[Any]) -> dict[str, Any]:
    """Return nodes by their names, to which the ID is added where several have the same."""
    count = Counter(node.GetName() for node in nodes)
    return {
        node.GetName() if count[node.GetName()] == 1 else f"{node.GetName()} ({node.GetID()})": node for node in nodes
    }
