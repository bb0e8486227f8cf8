"""Generated images for Slicer's Python console and for scripts."""

from typing import Any

from slicer import vtkMRMLNode, vtkMRMLScalarVolumeNode

from MedSynthLib.device_box import AUTOMATIC
from MedSynthLib.generation_job import GenerationJob, GenerationWish
from MedSynthLib.job_runner import JobRunner


class GenerationLogic(JobRunner):
    """The part of the module's logic that generates images."""

    def generate(
        self,
        model: str,
        count: int = 1,
        slices: int = 1,
        volumeNode: vtkMRMLScalarVolumeNode | None = None,
        lesion: vtkMRMLNode | None = None,
        seed: int | None = None,
        filtered: bool = True,
        preset: str | None = None,
        settings: dict[str, Any] | None = None,
        className: str | None = None,
        device: str = AUTOMATIC,
        waitForCompletion: bool = True,
        **callbacks: Any,
    ) -> list[dict[str, Any]] | None:
        """Generate registered synthetic images of several modalities with lesions, in a process of its own.

        The volumes are in a folder of the subject hierarchy, named after model and seed, with a folder for each case if
        there are several. From noise they have the voxel size of the training images; from a volume they have its grid
        and parent transform, and the folder is beside it.

        :param model: name of a generator in the library, or the path of its package.
        :param count: number of cases.
        :param slices: slices of each case from noise, which change gradually.
        :param volumeNode: scalar volume whose structure map the images are drawn from; None for maps from noise.
        :param lesion: label map, or segmentation with the lesion as visible segment, drawn on ``volumeNode``; None for
            lesions like those of the training images.
        :param seed: of all draws, 0 to 4294967295: the same one gives the same images; None for a new one.
        :param filtered: leave out structure maps from noise that are unlike those of the training images.
        :param preset: kind of image of the structure map, as for ``extractStructure``; None for the settings that the
            model was trained with.
        :param settings: values of the structure map in place of those of ``preset``, such as ``{"alpha": 0.1}``.
        :param className: class of the images, for a model with classes; None for all in turn, which the attribute
            ``MedSynth.Class`` of the volumes tells.
        :param device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        :param waitForCompletion: return the cases when the job has finished; if False, return None at once.
        :param callbacks: ``onProgress``, ``onLog`` and ``onFinished``, as for ``synthesize``.
        :return: for each case its volume nodes by name, such as ``{"structure": …, "lesion": …, "ct": …, "pet": …}``:
            the label maps ``structure`` (1 on lines, 2 on the background) and ``lesion``, which are missing if the case
            has none, and the images by their roles; or None when not waiting.
        :raises MedSynthError: the model or a node cannot be used, the structure map is empty, or the lesion lies
            outside the organ; the message says why.
        :raises Cancelled: ``cancel`` was called while waiting. Nothing is left then.
        """
        wish = GenerationWish(model, count, slices, seed, filtered, device, preset, settings or {}, className)
        return self.runJob(
            lambda **calls: GenerationJob(wish, volumeNode, lesion, **calls), waitForCompletion, **callbacks
        )
