"""MedSynth: synthesis of medical images from others, on the same grid and in real units."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import qt
import slicer
import vtk
from MedSynthLib.display import showOver
from MedSynthLib.job import State
from MedSynthLib.model_section import ModelSection
from MedSynthLib.sample_data import SAMPLE_NAME, registerSampleCase
from MedSynthLib.setup_section import SetupSection
from MedSynthLib.synthesis import SynthesisJob
from MedSynthLib.timeleft import TimeLeft
from MedSynthLib.volume_bridge import madeFrom
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

from medsynth_core.errors import Cancelled, MedSynthError

DEFAULT_MODEL = "ct-to-pet"
AUTOMATIC = "auto"
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
    """

    inputVolume: vtkMRMLScalarVolumeNode
    outputVolume: vtkMRMLScalarVolumeNode
    model: str = DEFAULT_MODEL
    batchSize: Annotated[int, WithinRange(0, 256)] = 0


class MedSynthWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: Setup, Synthesize with one button that is Apply or Cancel, progress and log."""

    def __init__(self, parent=None) -> None:
        self.logic: MedSynthLogic | None = None
        self._parameterNode = None
        self._guiTag: int | None = None
        self._followsNextScene = False
        self._timeLeft = TimeLeft()
        self._shownInput = None
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
        self._setup = SetupSection(self.ui, self._onInstalled, self._showDevices, self._log)
        self._model = ModelSection(self.ui, self._onModelChosen)
        self._showDevices([])
        self.ui.deviceComboBox.connect("currentIndexChanged(int)", self._onDeviceChosen)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
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
        if parameterNode is not None:
            self._guiTag = parameterNode.connectParametersToGui(self._parameterWidgets())
            self.addObserver(parameterNode, vtk.vtkCommand.ModifiedEvent, self._update)
            self._update()

    def _parameterWidgets(self) -> dict[str, Any]:
        """Return the widgets by the names of their parameters, which the .ui file states."""
        # The wrapper's own connectGui does this too, but returns no tag to disconnect by (Slicer issue 7547).
        named = ((widget.property("SlicerParameterName"), widget) for widget in vars(self.ui).values())
        return {name: widget for name, widget in named if name}

    def onApplyButton(self, *_clicked: Any) -> None:
        """Start the synthesis, or cancel the one that runs."""
        if self.logic.isRunning:
            self.logic.cancel()
            self._showStatus(_("Cancelling…"))
            self._update()
            return
        parameters = self._parameterNode
        self._inputVolume, self._timeLeft = parameters.inputVolume, TimeLeft()
        self.ui.progressBar.value = 0
        self._showStatus(_("Starting the worker process…"))
        self._log(_("Synthesizing with {model}…").format(model=parameters.model))
        try:
            self.logic.synthesize(
                self._inputVolume,
                model=parameters.model,
                outputVolume=parameters.outputVolume,
                device=self.device,
                batchSize=parameters.batchSize or None,
                waitForCompletion=False,
                onProgress=self._onProgress,
                onLog=self._log,
                onFinished=self._onFinished,
            )
        except MedSynthError as problem:
            self._onFinished(None, problem)
        self._update()

    @property
    def device(self) -> str:
        """The device chosen under Advanced; a choice of this computer, not of the scene."""
        return self.ui.deviceComboBox.itemData(self.ui.deviceComboBox.currentIndex)

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
            _("Stop the synthesis.") if running else _("Make the synthetic image.") if self._model.fits
            else self.ui.fitLabel.text
        )  # fmt: skip
        self.ui.progressBar.visible = running
        for widget in (self.ui.inputVolumeSelector, self.ui.modelComboBox, self.ui.outputVolumeSelector):
            widget.enabled = not running

    def _onInputChanged(self, inputVolume) -> None:
        """Forget what was said of the former input, and do not let its result be overwritten."""
        if self._shownInput is not None:
            self.removeObserver(self._shownInput, vtk.vtkCommand.ModifiedEvent, self._update)
        if inputVolume is not None:  # a volume is in the scene before its voxels are
            self.addObserver(inputVolume, vtk.vtkCommand.ModifiedEvent, self._update)
        self._shownInput = inputVolume
        self._showStatus("")
        output = self._parameterNode.outputVolume
        if output is not None and madeFrom(output) not in (None, inputVolume):
            self._parameterNode.outputVolume = None

    def _onProgress(self, fraction: float, message: str) -> None:
        self.ui.progressBar.value = round(STEPS * fraction)
        if self.logic.state is State.RUNNING:
            self._showStatus(" – ".join(part for part in (message, self._timeLeft.text(fraction)) if part))

    def _onFinished(self, outputVolume, error: Exception | None) -> None:
        if outputVolume is not None:
            # Not through self._parameterNode: the user may have gone to another module meanwhile.
            self.logic.getParameterNode().outputVolume = outputVolume
            showOver(self._inputVolume, outputVolume)
            message = _("Done in {seconds} s on {device}: {name}").format(
                name=outputVolume.GetName(),
                seconds=round(float(outputVolume.GetAttribute("MedSynth.Seconds"))),
                device=outputVolume.GetAttribute("MedSynth.Device"),
            )
        elif isinstance(error, Cancelled):
            message = _("Cancelled.")
        else:
            message = " ".join(part for part in (str(error), getattr(error, "hint", "")) if part)
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

    def _showDevices(self, devices: list[dict[str, str]]) -> None:
        chosen = slicer.util.settingsValue(DEVICE_SETTING, AUTOMATIC)
        box = self.ui.deviceComboBox
        wasBlocked = box.blockSignals(True)
        box.clear()
        box.addItem(_("Automatic"), AUTOMATIC)
        for device in devices:
            box.addItem(device["name"], device["id"])
        box.setCurrentIndex(max(0, box.findData(chosen)))
        box.blockSignals(wasBlocked)

    def _onDeviceChosen(self, index: int) -> None:
        qt.QSettings().setValue(DEVICE_SETTING, self.device)


class MedSynthLogic(ScriptedLoadableModuleLogic):
    """Synthesis without a panel, for Slicer's Python console and for scripts::

        import SampleData
        from MedSynth import MedSynthLogic

        ct = SampleData.downloadSample("MedSynthSarcoma")
        pet = MedSynthLogic().synthesize(ct, model="ct-to-pet")

    One logic runs one synthesis at a time.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._job: SynthesisJob | None = None

    def getParameterNode(self) -> MedSynthParameterNode:
        """Return the scene's parameter node."""
        return MedSynthParameterNode(ScriptedLoadableModuleLogic.getParameterNode(self))

    @property
    def state(self) -> State:
        """What the last job is doing; FINISHED where there was none."""
        return self._job.state if self._job is not None else State.FINISHED

    @property
    def isRunning(self) -> bool:
        """Whether a synthesis is under way."""
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
        :param waitForCompletion: return the result when it is there; if False return None at once.
        :param onProgress: called as onProgress(fraction, message), with a fraction from 0 to 1.
        :param onLog: called as onLog(message).
        :param onFinished: called once as onFinished(outputVolume, error); one of the two is None.
        :return: the result's volume node, or None when not waiting.
        :raises MedSynthError: the input does not fit, or the synthesis failed; a sentence says why.
        :raises Cancelled: `cancel` was called while waiting.
        """
        if self.isRunning:
            raise MedSynthError(_("A synthesis is already running; wait for its end or cancel it."))
        finished: list[tuple[Any, Exception | None]] = []

        def finish(node, error: Exception | None) -> None:
            finished.append((node, error))
            if onFinished is not None:
                onFinished(node, error)

        self._job = SynthesisJob(
            inputVolume,
            outputVolume,
            model,
            device,
            batchSize,
            onFinished=finish,
            onProgress=onProgress or (lambda fraction, message: None),
            onLog=onLog or logging.info,
        )
        if not waitForCompletion:
            return None
        self._job.wait()
        node, error = finished[0]
        if error is not None:
            raise error
        return node

    def cancel(self) -> None:
        """Stop the synthesis that runs; nothing of it stays in the scene."""
        if self.isRunning:
            self._job.cancel()

    def abort(self) -> None:
        """Stop the synthesis that runs, without waiting for the worker's consent."""
        if self.isRunning:
            self._job.abort()

    def waitForCompletion(self) -> None:
        """Return when the synthesis that was started has finished and its process is gone."""
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
