"""Structure maps for Slicer's Python console and for scripts."""

from typing import Any

from slicer import vtkMRMLScalarVolumeNode

from MedSynthLib.job_runner import JobRunner
from MedSynthLib.structure_job import StructureJob, StructureWish


class StructureLogic(JobRunner):
    """The part of the module's logic that makes structure maps."""

    def extractStructure(
        self,
        volumeNode: vtkMRMLScalarVolumeNode,
        preset: str = "",
        lesion: vtkMRMLScalarVolumeNode | None = None,
        solid: bool = False,
        settings: dict[str, Any] | None = None,
        waitForCompletion: bool = True,
        **callbacks: Any,
    ) -> Any:
        """Make a label map of the lines of a volume's edges (1) and of its background (2).

        :param volumeNode: scalar volume.
        :param preset: "brain-mr", "x-ray", "fundus", "lung-ct", "extremity-ct", "extremity-mr", or "" for automatic.
        :param lesion: label map of lesions, whose own edges are left out.
        :param solid: find edges in three dimensions instead of in axial slices.
        :param settings: values in place of those of the preset, such as ``{"alpha": 0.1}``.
        :param waitForCompletion: return the label map when the job has finished; if False, return None at once.
        :param callbacks: ``onProgress``, ``onLog`` and ``onFinished``, as for ``synthesize``.
        :return: the label map volume node beside the volume, or None when not waiting.
        :raises MedSynthError: a node or setting cannot be used, or the map is empty; the message says why.
        :raises Cancelled: ``cancel`` was called while waiting.
        """
        wish = StructureWish(preset, settings or {}, lesion, solid)
        return self.runJob(lambda **calls: StructureJob(volumeNode, wish, **calls), waitForCompletion, **callbacks)
