"""The logic of the module MedSynth, for its panel, for Slicer's Python console and for scripts."""

from collections.abc import Callable
from typing import Annotated, Any

from slicer import vtkMRMLLabelMapVolumeNode, vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from MedSynthLib.batch_logic import BatchLogic
from MedSynthLib.device_box import AUTOMATIC
from MedSynthLib.dicom_logic import DicomLogic
from MedSynthLib.generation_logic import GenerationLogic
from MedSynthLib.job_runner import JobRunner
from MedSynthLib.scene_parameters import parametersOf
from MedSynthLib.structure_logic import StructureLogic
from MedSynthLib.synthesis import SynthesisJob

DEFAULT_MODEL = "ct-to-pet"


@parameterNodeWrapper
class MedSynthParameterNode:
    """The parameters that are saved with the scene.

    Attributes:
        inputVolume: image to synthesize from.
        outputVolume: image to overwrite; None for a new one.
        model: name of the model in the library.
        batchSize: slices computed at once; 0 for automatic.
        difference: also make the difference to the input, if input and output have the same modality and unit.
        uncertainty: also make the volume of the usual error at each value.
        lesionVolume: label map of lesions that a structure map leaves out.
        structurePreset: kind of image of a structure map; "" for automatic thresholds.
        structureAlpha, structureBeta, structureGamma: thresholds of a structure map; 0 for those of the preset.
        structureSolid: find the edges of a structure map in three dimensions.
        generateModel: name of the model that generates images; "" for the first in the library.
        generateClass: class that it draws; "" for all in turn.
        generateSource: what it draws from: "noise", "volume" or "settings" (`MedSynthLib.generate_section`).
        generateCount, generateSlices: number of cases, and of slices of each from noise.
        generateSeed: seed of the draws; -1 for a new one each time.
        generateFiltered: leave out unusual structure maps.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputVolume: vtkMRMLScalarVolumeNode
    model: str = DEFAULT_MODEL
    batchSize: Annotated[int, WithinRange(0, 256)] = 0
    difference: bool = False
    uncertainty: bool = False
    lesionVolume: vtkMRMLLabelMapVolumeNode
    structurePreset: str = ""
    structureAlpha: Annotated[float, WithinRange(0, 1)] = 0.0
    structureBeta: Annotated[float, WithinRange(0, 1)] = 0.0
    structureGamma: Annotated[float, WithinRange(0, 1)] = 0.0
    structureSolid: bool = False
    generateModel: str = ""
    generateClass: str = ""
    generateSource: str = "noise"
    generateCount: Annotated[int, WithinRange(1, 100)] = 1
    generateSlices: Annotated[int, WithinRange(1, 200)] = 1
    generateSeed: Annotated[int, WithinRange(-1, 2**31 - 1)] = -1
    generateFiltered: bool = True


class MedSynthLogic(ScriptedLoadableModuleLogic, StructureLogic, GenerationLogic, BatchLogic, DicomLogic):
    """Synthesis, conversion to SUVbw and export without a panel, for Slicer's Python console and for scripts::

        import SampleData
        from MedSynth import MedSynthLogic

        ct = SampleData.downloadSample("MedSynthSarcoma")
        pet = MedSynthLogic().synthesize(ct, model="ct-to-pet")

    `convertToSuv` makes a volume in SUVbw of a PET in Bq/mL that was loaded from DICOM, `extractStructure` a label map
    of the edges of a volume, `generate` makes images of several modalities with lesions, and `exportDicom` writes a
    result as a DICOM series. `synthesizeAll`, `synthesizeSequence` and `batch` work on many volumes. A logic runs one
    job at a time: see `state`, `isRunning`, `workerPid`, `cancel`, `abort` and `waitForCompletion`.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        JobRunner.__init__(self)

    def getParameterNode(self) -> MedSynthParameterNode:
        """Return the scene's parameter node."""
        return parametersOf(MedSynthParameterNode, ScriptedLoadableModuleLogic.getParameterNode(self))

    def synthesize(
        self,
        inputVolume: vtkMRMLScalarVolumeNode,
        model: str = DEFAULT_MODEL,
        outputVolume: vtkMRMLScalarVolumeNode | None = None,
        device: str = AUTOMATIC,
        batchSize: int | None = None,
        difference: bool = False,
        uncertainty: bool = False,
        waitForCompletion: bool = True,
        onProgress: Callable[[float, str], None] | None = None,
        onLog: Callable[[str], None] | None = None,
        onFinished: Callable[[Any, Exception | None], None] | None = None,
        furtherInputs: dict[str, vtkMRMLScalarVolumeNode] | None = None,
    ) -> vtkMRMLScalarVolumeNode | None:
        """Make a synthetic volume on the grid of another, in a process of its own. Shows no pop-ups.

        :param inputVolume: scalar volume; the result has its grid, parent transform and study.
        :param model: name of a model in the library, or the path of a model package.
        :param outputVolume: volume to overwrite; a new one, named after the input, if None.
        :param device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        :param batchSize: slices computed at once; chosen by the free memory if None.
        :param difference: also make a volume output − input, named after the output, if both have the same modality and
            unit.
        :param uncertainty: also make a volume, named after the output, of the root mean square error that the model had
            in its validation cases where it gave the same value; not an upper bound, and not specific to this patient.
        :param waitForCompletion: return the result when the job has finished; if False, return None at once.
        :param onProgress: called as onProgress(fraction, message), with a fraction from 0 to 1.
        :param onLog: called as onLog(message).
        :param onFinished: called once as onFinished(outputVolume, error); one of the two is None.
        :param furtherInputs: volumes for the other inputs of a model that takes several, by role, such as
            ``{"ct": ctNode}`` for low-dose PET with its CT; they are resampled onto the grid of ``inputVolume``.
        :return: the result's volume node, or None when not waiting.
        :raises MedSynthError: an input is missing or does not fit, or the synthesis failed; the message says why.
        :raises Cancelled: `cancel` was called while waiting.
        """
        return self.runJob(
            lambda **calls: SynthesisJob(
                inputVolume,
                outputVolume,
                model,
                device,
                batchSize,
                difference,
                uncertainty,
                furtherInputs=furtherInputs,
                **calls,
            ),
            waitForCompletion,
            onProgress,
            onLog,
            onFinished,
        )
