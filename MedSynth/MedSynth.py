"""MedSynth: synthesis of medical images from others, on the same grid and in real units."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import slicer
import vtk
from MedSynthLib.device_box import AUTOMATIC, DeviceBox
from MedSynthLib.difference import differenceOf
from MedSynthLib.display import showInstead, showOver
from MedSynthLib.export import ExportJob
from MedSynthLib.job import State, WorkerJob
from MedSynthLib.model_section import ModelSection
from MedSynthLib.provenance import madeFrom, textOf
from MedSynthLib.result_section import ResultSection
from MedSynthLib.sample_data import SAMPLE_NAME, registerSampleCase
from MedSynthLib.setup_section import SetupSection
from MedSynthLib.suv import SuvJob
from MedSynthLib.synthesis import SynthesisJob
from MedSynthLib.timeleft import TimeLeft
from MedSynthLib.uncertainty import uncertaintyOf
from MedSynthLib.volume_bridge import modalityOf
from MedSynthLib.wording import sentenceOf
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from medsynth_core.errors import MedSynthError

DEFAULT_MODEL = "ct-to-pet"
DEVICE_SETTING = "MedSynth/Device"
STEPS = 1000


class MedSynth(ScriptedLoadableModule):
    """Describes the module to Slicer."""

    def __init__(self, parent) -> None:
        super().__init__(parent)
        self.parent.title = _("MedSynth")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        self.parent.dependencies = []
        self.parent.contributors = ["MedSynth contributors"]
        self.parent.helpText = _(
            "Synthesizes an image of one modality from another, a PET from a CT for example, on the exact "
            "grid of the input and in real units. Synthetic images are for research, not for diagnosis."
        )
        self.parent.acknowledgementText = _(
            "Sample case: Soft-tissue-Sarcoma collection of The Cancer Imaging Archive (CC BY 3.0)."
        )
        slicer.app.connect("startupCompleted()", lambda: registerSampleCase(Path(parent.path).parent))


@parameterNodeWrapper
class MedSynthParameterNode:
    """What the scene remembers.

    Attributes:
        inputVolume: image to synthesize from.
        outputVolume: image to overwrite; None for a new one.
        model: name of the model in the library.
        batchSize: slices computed at once; 0 for automatic.
        difference: whether the difference to the input is made too, where it means something.
        uncertainty: whether the error to expect is made too.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputVolume: vtkMRMLScalarVolumeNode
    model: str = DEFAULT_MODEL
    batchSize: Annotated[int, WithinRange(0, 256)] = 0
    difference: bool = False
    uncertainty: bool = False


class MedSynthWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: Setup, Synthesize with one button that is Apply or Cancel, progress and log."""

    def __init__(self, parent=None) -> None:
        self.logic: MedSynthLogic | None = None
        self._parameterNode = None
        self._guiTag: int | None = None
        self._followsNextScene = False
        self._timeLeft = TimeLeft()
        self._inputVolume = None  # of the job that runs
        self._shownInput, self._shownInputTag, self._shownInputID = None, 0, ""
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel from its .ui file."""
        ScriptedLoadableModuleWidget.setup(self)
        self._root = slicer.util.loadUI(self.resourcePath("UI/MedSynth.ui"))
        self.layout.addWidget(self._root)
        self.ui = slicer.util.childWidgetVariables(self._root)
        self._root.setMRMLScene(slicer.mrmlScene)
        self.logic = MedSynthLogic()
        self._devices = DeviceBox(self.ui.deviceComboBox, DEVICE_SETTING)
        self._setup = SetupSection(self.ui, self._onInstalled, self._devices.show, self._log)
        self._model = ModelSection(self.ui, self._onModelChosen)
        self._result = ResultSection(self.ui, lambda: self._parameterNode.outputVolume, self._exportDicom, self._end)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.ui.convertButton.connect("clicked(bool)", self.onConvertButton)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self._setup.refresh()
        self._model.refresh()
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """End what still runs when the module is unloaded or Slicer exits."""
        self._setup.close()
        self.setParameterNode(None)
        self.removeObservers()
        self.logic.abort()  # last: it tells the panel, whose widgets may be gone when Slicer exits

    def enter(self) -> None:
        """Bring the panel up to date each time it is opened."""
        self._setup.refresh()
        self._setup.findDevices()
        self._model.refresh()
        self.initializeParameterNode()

    def exit(self) -> None:
        """Stop following the parameter node while the panel is closed."""
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload the library of the module together with the module (developer mode)."""
        import sys

        for name in [name for name in sys.modules if name.split(".")[0] == "MedSynthLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event) -> None:
        """Stop the job of a scene that is being closed."""
        self.logic.abort()
        self._followsNextScene = self._parameterNode is not None
        self.setParameterNode(None)
        self._shownInputID = ""  # another volume of the next scene may have it

    def onSceneEndClose(self, caller, event) -> None:
        """Start anew after the scene was closed, if the panel is open."""
        if self._followsNextScene:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Follow the scene's parameter node; the first volume of the scene becomes the input."""
        self.setParameterNode(self.logic.getParameterNode())
        if self._parameterNode.inputVolume is None:
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            images = [volume for volume in volumes if not volume.IsA("vtkMRMLLabelMapVolumeNode")]
            self._parameterNode.inputVolume = images[0] if images else None

    def setParameterNode(self, parameterNode) -> None:
        """Follow a parameter node, or none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._update)
        self._parameterNode = parameterNode
        if parameterNode is None:
            self._followInput(None)  # nobody shall keep the voxels of a scene that is closed
        else:
            self._guiTag = parameterNode.connectParametersToGui(self._parameterWidgets())
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self._update)
            self._update()

    def _parameterWidgets(self) -> dict[str, Any]:
        """Return the widgets by the names of their parameters, which the .ui file states."""
        # The wrapper's own connectGui does this too, but returns no tag to disconnect by (Slicer issue 7547).
        named = ((widget.property("SlicerParameterName"), widget) for widget in vars(self.ui).values())
        return {name: widget for name, widget in named if name}

    def onApplyButton(self, *_clicked: Any) -> None:
        """Start the synthesis, or cancel what runs."""
        if self.logic.isRunning:
            self.logic.cancel()
            self._showStatus(_("Cancelling…"))
            self._update()
            return
        parameters = self._parameterNode
        self._inputVolume = parameters.inputVolume
        self._log(_("Synthesizing with {model}…").format(model=parameters.model))
        self._start(
            self.logic.synthesize,
            self._onSynthesized,
            self._inputVolume,
            model=parameters.model,
            outputVolume=parameters.outputVolume,
            device=self._devices.device,
            batchSize=parameters.batchSize or None,
            difference=parameters.difference,
            uncertainty=parameters.uncertainty,
        )

    def onConvertButton(self, *_clicked: Any) -> None:
        """Start the conversion of the input to SUVbw."""
        self._inputVolume = self._parameterNode.inputVolume
        self._log(_("Converting {name} to SUVbw…").format(name=self._inputVolume.GetName()))
        self._start(self.logic.convertToSuv, self._onConverted, self._inputVolume)

    def _exportDicom(self, outputVolume, folder: Path) -> None:
        self._log(_("Exporting {name} to {folder}…").format(name=outputVolume.GetName(), folder=folder))
        self._start(self.logic.exportDicom, self._onExported, outputVolume, folder)

    def _start(self, run: Callable[..., Any], onFinished: Callable[..., None], *arguments: Any, **options: Any) -> None:
        """Start a job of the logic; the panel follows it until it has finished."""
        self._timeLeft = TimeLeft()
        self.ui.progressBar.value = 0
        self._showStatus(_("Starting the worker process…"))
        try:
            run(
                *arguments,
                **options,
                waitForCompletion=False,
                onProgress=self._onProgress,
                onLog=self._log,
                onFinished=onFinished,
            )
        except MedSynthError as problem:
            onFinished(None, problem)
        self._update()

    def _update(self, caller=None, event=None) -> None:
        if self._parameterNode is None:
            return
        if self._parameterNode.inputVolume is not self._shownInput:
            self._onInputChanged(self._parameterNode.inputVolume)
        self._model.update(self._parameterNode.model, self._parameterNode.inputVolume)
        running = self.logic.isRunning
        cancelling = self.logic.state is State.CANCELLING
        self.ui.applyButton.text = _("Cancel") if running else _("Apply")
        self.ui.applyButton.enabled = not cancelling if running else self._model.fits
        self.ui.applyButton.toolTip = (
            _("Stop what runs.") if running else _("Make the synthetic image.") if self._model.fits
            else self.ui.fitLabel.text
        )  # fmt: skip
        self.ui.progressBar.visible = running
        for widget in (
            self.ui.inputVolumeSelector, self.ui.modelComboBox, self.ui.outputVolumeSelector, self.ui.convertButton,
            self.ui.differenceCheckBox, self.ui.uncertaintyCheckBox,
        ):  # fmt: skip
            widget.enabled = not running
        self._result.update(running)

    def _onInputChanged(self, inputVolume) -> None:
        """Forget what was said of the former input, and do not let its result be overwritten."""
        self._followInput(inputVolume)
        identity = inputVolume.GetID() if inputVolume is not None else None
        if identity == self._shownInputID:
            return  # the panel was closed meanwhile
        self._shownInputID = identity
        self._showStatus("")
        output = self._parameterNode.outputVolume
        if output is not None and madeFrom(output) not in (None, inputVolume):
            self._parameterNode.outputVolume = None

    def _followInput(self, inputVolume) -> None:
        # Not by VTKObservationMixin, which never lets go of a node that it has observed once.
        if self._shownInput is not None:
            self._shownInput.RemoveObserver(self._shownInputTag)
        if inputVolume is not None:  # a volume is in the scene before its voxels are
            self._shownInputTag = inputVolume.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update)
        self._shownInput = inputVolume

    def _onProgress(self, fraction: float, message: str) -> None:
        self.ui.progressBar.value = round(STEPS * fraction)
        if self.logic.state is State.RUNNING:
            self._showStatus(" – ".join(part for part in (message, self._timeLeft.text(fraction)) if part))

    def _onSynthesized(self, outputVolume, error: Exception | None) -> None:
        if outputVolume is None:
            self._end(sentenceOf(error))
            return
        # Not through self._parameterNode: the user may have gone to another module meanwhile.
        self.logic.getParameterNode().outputVolume = outputVolume
        alike = textOf(outputVolume, "input_modality") == modalityOf(outputVolume)
        # Two PETs that shine through each other show neither; the slider of the views fades from one to the other.
        showOver(self._inputVolume, outputVolume, *([1.0] if alike else []))
        made = (outputVolume, differenceOf(outputVolume), uncertaintyOf(outputVolume))
        names = [node.GetName() for node in made if node is not None]
        self._end(
            _("Done in {seconds} s on {device}: {name}").format(
                name=", ".join(names),
                seconds=round(float(outputVolume.GetAttribute("MedSynth.Seconds"))),
                device=outputVolume.GetAttribute("MedSynth.Device"),
            )
        )

    def _onConverted(self, suvVolume, error: Exception | None) -> None:
        if suvVolume is None:
            self._end(sentenceOf(error))
            return
        self.logic.getParameterNode().inputVolume = suvVolume
        showInstead(self._inputVolume, suvVolume)
        self._update()  # the new input takes back what was said before
        self._end(_("Converted to SUVbw: {name}").format(name=suvVolume.GetName()))

    def _onExported(self, folder: Path | None, error: Exception | None) -> None:
        self._end(_("The DICOM series is in {folder}.").format(folder=folder) if folder else sentenceOf(error))

    def _end(self, message: str) -> None:
        self._inputVolume = None
        self._showStatus(message)
        self._log(message)
        self._update()

    def _showStatus(self, text: str) -> None:
        self.ui.statusLabel.text = text

    def _log(self, message: str) -> None:
        self.ui.logTextEdit.appendPlainText(message)

    def _onInstalled(self) -> None:
        self._model.refresh()
        self._update()

    def _onModelChosen(self, name: str) -> None:
        self._parameterNode.model = name


class MedSynthLogic(ScriptedLoadableModuleLogic):
    """Synthesis, and what comes before and after it, without a panel, for Slicer's Python console and for scripts::

        import SampleData
        from MedSynth import MedSynthLogic

        ct = SampleData.downloadSample("MedSynthSarcoma")
        pet = MedSynthLogic().synthesize(ct, model="ct-to-pet")

    A PET in Bq/mL that was loaded from DICOM becomes SUVbw by `convertToSuv`, and `exportDicom` writes a result as
    DICOM again. One logic runs one job at a time.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._job: WorkerJob | None = None

    def getParameterNode(self) -> MedSynthParameterNode:
        """Return the scene's parameter node."""
        return MedSynthParameterNode(ScriptedLoadableModuleLogic.getParameterNode(self))

    @property
    def state(self) -> State:
        """What the last job is doing; FINISHED where there was none."""
        return self._job.state if self._job is not None else State.FINISHED

    @property
    def isRunning(self) -> bool:
        """Whether a job is under way."""
        return self.state is not State.FINISHED

    @property
    def workerPid(self) -> int | None:
        """Number of the process of the last job."""
        return self._job.workerPid if self._job is not None else None

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
    ) -> vtkMRMLScalarVolumeNode | None:
        """Make a synthetic volume on the grid of another, in a process of its own. Shows no pop-ups.

        :param inputVolume: scalar volume; the result shares its grid, parent transform and study.
        :param model: name of a model in the library, or the path of a model package.
        :param outputVolume: volume to overwrite; a new one, named after the input, if None.
        :param device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        :param batchSize: slices computed at once; chosen by the free memory if None.
        :param difference: also make a volume output − input, named after the output, if both are of one kind.
        :param uncertainty: also make a volume of the root mean square error that the model had in its validation cases
            where it gave the same value, named after the output; it is no bound, and knows nothing of this patient.
        :param waitForCompletion: return the result when it is there; if False return None at once.
        :param onProgress: called as onProgress(fraction, message), with a fraction from 0 to 1.
        :param onLog: called as onLog(message).
        :param onFinished: called once as onFinished(outputVolume, error); one of the two is None.
        :return: the result's volume node, or None when not waiting.
        :raises MedSynthError: the input does not fit, or the synthesis failed; a sentence says why.
        :raises Cancelled: `cancel` was called while waiting.
        """
        return self._run(
            lambda **calls: SynthesisJob(
                inputVolume, outputVolume, model, device, batchSize, difference, uncertainty, **calls
            ),
            waitForCompletion,
            onProgress,
            onLog,
            onFinished,
        )

    def convertToSuv(
        self, volumeNode: vtkMRMLScalarVolumeNode, waitForCompletion: bool = True, **callbacks: Any
    ) -> vtkMRMLScalarVolumeNode | None:
        """Make a volume in SUVbw of a PET that was loaded from DICOM, by the tags of its series.

        :param volumeNode: PET; it stays as it is. It may have been cropped or moved since it was loaded.
        :param waitForCompletion: return the result when it is there; if False return None at once.
        :param callbacks: ``onProgress``, ``onLog`` (which is told what was used) and ``onFinished``, as `synthesize`.
        :return: the new volume node beside the old one, or None when not waiting.
        :raises MedSynthError: a tag or a file is missing; the sentence says which.
        :raises Cancelled: `cancel` was called while waiting.
        """
        return self._run(lambda **calls: SuvJob(volumeNode, **calls), waitForCompletion, **callbacks)

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
        :param folder: for the files; must not exist yet, or be empty.
        :param reference: folder or file of the DICOM series that it was made from, or of another one of the same
            patient in the same space; the series from which its input was loaded if None.
        :param waitForCompletion: return the folder when it is there; if False return None at once.
        :param callbacks: ``onProgress``, ``onLog`` and ``onFinished``, as `synthesize`.
        :return: the folder, or None when not waiting.
        :raises MedSynthError: the series is not known or does not fit, or the folder cannot be used.
        :raises Cancelled: `cancel` was called while waiting. Nothing is left then.
        """
        place = Path(reference) if reference is not None else None
        return self._run(
            lambda **calls: ExportJob(outputNode, Path(folder), place, **calls), waitForCompletion, **callbacks
        )

    def _run(
        self,
        start: Callable[..., WorkerJob],
        waitForCompletion: bool,
        onProgress: Callable[[float, str], None] | None = None,
        onLog: Callable[[str], None] | None = None,
        onFinished: Callable[[Any, Exception | None], None] | None = None,
    ) -> Any:
        """Start a job, and return its result if it is to be waited for."""
        if self.isRunning:
            raise MedSynthError(_("A job is already running; wait for its end or cancel it."))
        finished: list[tuple[Any, Exception | None]] = []

        def finish(result, error: Exception | None) -> None:
            finished.append((result, error))
            if onFinished is not None:
                onFinished(result, error)

        self._job = start(
            onFinished=finish,
            onProgress=onProgress or (lambda fraction, message: None),
            onLog=onLog or logging.info,
        )
        if not waitForCompletion:
            return None
        self._job.wait()
        result, error = finished[0]
        if error is not None:
            raise error
        return result

    def cancel(self) -> None:
        """Stop the job that runs; nothing of it stays in the scene or on the disk."""
        if self.isRunning:
            self._job.cancel()

    def abort(self) -> None:
        """Stop the job that runs, without waiting for the worker's consent."""
        if self.isRunning:
            self._job.abort()

    def waitForCompletion(self) -> None:
        """Return when the job that was started has finished and its process is gone."""
        if self._job is not None:
            self._job.wait()


class MedSynthTest(ScriptedLoadableModuleTest):
    """The self-test that Slicer runs: the sample case becomes a PET, on its own grid."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        """Run the tests, as the button Reload and Test does."""
        self.setUp()
        self.test_SampleCase()

    def test_SampleCase(self) -> None:
        """Synthesize a PET from the sample CT, if what that needs is installed."""
        import SampleData
        from MedSynthLib import dependencies

        if not dependencies.ready():  # as on the machines that build extensions
            self.delayDisplay(_("Skipped: press Install in the module MedSynth first."))
            return
        registerSampleCase(Path(__file__).parent)  # a test may run before the application has started up
        inputVolume = SampleData.downloadSamples(SAMPLE_NAME)[0]
        outputVolume = MedSynthLogic().synthesize(inputVolume)
        expected, found = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
        inputVolume.GetIJKToRASMatrix(expected)
        outputVolume.GetIJKToRASMatrix(found)
        self.assertTrue((slicer.util.arrayFromVTKMatrix(expected) == slicer.util.arrayFromVTKMatrix(found)).all())
        self.assertEqual(outputVolume.GetVoxelValueUnits().GetCodeValue(), "{SUVbw}g/ml")
