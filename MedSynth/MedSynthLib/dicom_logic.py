"""Conversion to SUVbw and export for Slicer's Python console and for scripts."""

from pathlib import Path
from typing import Any

from slicer import vtkMRMLScalarVolumeNode

from MedSynthLib.export import ExportJob
from MedSynthLib.job_runner import JobRunner
from MedSynthLib.suv_job import SuvJob


class DicomLogic(JobRunner):
    """The part of the module's logic that works with the DICOM series of volumes."""

    def convertToSuv(
        self, volumeNode: vtkMRMLScalarVolumeNode, waitForCompletion: bool = True, **callbacks: Any
    ) -> vtkMRMLScalarVolumeNode | None:
        """Make a volume in SUVbw of a PET that was loaded from DICOM, by the tags of its series.

        :param volumeNode: PET; not changed. It may have been cropped or moved since it was loaded.
        :param waitForCompletion: return the result when the job has finished; if False, return None at once.
        :param callbacks: ``onProgress``, ``onLog`` (gets the weight, dose and times used, which are facts about the
            patient; without it they are not written to Slicer's log) and ``onFinished``, as for `synthesize`.
        :return: the new volume node beside the old one, or None when not waiting.
        :raises MedSynthError: a tag or a file is missing; the message says which.
        :raises Cancelled: `cancel` was called while waiting.
        """
        callbacks["onLog"] = callbacks.get("onLog") or (lambda message: None)
        return self.runJob(lambda **calls: SuvJob(volumeNode, **calls), waitForCompletion, **callbacks)

    def exportDicom(
        self,
        outputNode: vtkMRMLScalarVolumeNode,
        folder: str | Path,
        reference: str | Path | None = None,
        waitForCompletion: bool = True,
        **callbacks: Any,
    ) -> Path | None:
        """Write a result as a DICOM series of its patient and study, marked as synthetic and not for diagnosis.

        :param outputNode: what `synthesize` has returned.
        :param folder: folder for the files; it must not exist yet, or be empty.
        :param reference: folder or file of the DICOM series that it was made from, or of another one of the same
            patient in the same space; the series from which its input was loaded if None.
        :param waitForCompletion: return the folder when the job has finished; if False, return None at once.
        :param callbacks: ``onProgress``, ``onLog`` and ``onFinished``, as for `synthesize`.
        :return: the folder, or None when not waiting.
        :raises MedSynthError: the series is not known or does not fit, or the folder cannot be used.
        :raises Cancelled: `cancel` was called while waiting. Nothing is left then.
        """
        place = Path(reference) if reference is not None else None
        return self.runJob(
            lambda **calls: ExportJob(outputNode, Path(folder), place, **calls), waitForCompletion, **callbacks
        )
