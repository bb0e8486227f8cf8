"""MedSynthTrain: training of models that synthesize medical images, from cases in the scene or in folders."""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer

# First: it makes the shared library importable where Slicer knows the folder of this module only.
import MedSynthTrainLib  # noqa: F401 # isort: skip
from MedSynthLib.device_box import AUTOMATIC
from MedSynthLib.setup_section import SetupSection
from MedSynthTrainLib import publishing, quitting, settings
from MedSynthTrainLib.data_section import DataSection
from MedSynthTrainLib.dataset import DataSet
from MedSynthTrainLib.dataset_jobs import addVolumes
from MedSynthTrainLib.publish_section import PublishSection
from MedSynthTrainLib.recipe_section import RecipeSection
from MedSynthTrainLib.recipe_text import parsedRecipe
from MedSynthTrainLib.roles import Roles, rolesOf
from MedSynthTrainLib.run import RunState, TrainingRun, findRuns, newFolder
from MedSynthTrainLib.run_section import RunSection
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.training.watching import RunWatch

DATA = "data"
ANSWER_HOLDS_S = 60.0


class MedSynthTrain(ScriptedLoadableModule):
    """Describes the module to Slicer."""

    def __init__(self, parent) -> None:
        super().__init__(parent)
        self.parent.title = _("MedSynth Train")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Image Synthesis")]
        self.parent.dependencies = []
        self.parent.contributors = ["MedSynth contributors"]
        self.parent.helpText = _(
            "Trains models for the module MedSynth: builds a data set of pairs from the scene or from folders, trains "
            "in a process of its own that may outlive Slicer, and publishes the model as a package. Models that are "
            "made here are for research, not for diagnosis."
        )
        self.parent.acknowledgementText = ""
        slicer.app.connect("startupCompleted()", tellWhatRuns)


def tellWhatRuns() -> None:
    """Say in the status bar which trainings of an earlier session still run."""
    running = [folder.name for folder in findRuns(settings.runsFolder()) if RunWatch(folder).running()]
    if running:
        message = _("Still training: {names}. Open the module MedSynth Train to follow it.")
        slicer.util.showStatusMessage(message.format(names=", ".join(running)), 10_000)


@parameterNodeWrapper
class MedSynthTrainParameterNode:
    """What the scene remembers: the pair that is about to become a case.

    Attributes:
        inputVolume: image to synthesize from.
        targetVolume: image to synthesize.
        register: register the target to the input when the pair is added.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    targetVolume: vtkMRMLScalarVolumeNode
    register: bool = False


class MedSynthTrainWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: Setup, Data, Recipe, Run and Publish."""

    def __init__(self, parent=None) -> None:
        self.logic: MedSynthTrainLogic | None = None
        self._parameterNode = None
        self._guiTag: int | None = None
        self._followsNextScene = False
        self._answeredAt = -math.inf
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel from its .ui file, and find the trainings of earlier sessions."""
        ScriptedLoadableModuleWidget.setup(self)
        self._root = slicer.util.loadUI(self.resourcePath("UI/MedSynthTrain.ui"))
        self.layout.addWidget(self._root)
        self.ui = slicer.util.childWidgetVariables(self._root)
        self._root.setMRMLScene(slicer.mrmlScene)
        self.logic = MedSynthTrainLogic()
        self._run = RunSection(self.ui, self._startTraining, self._whatIsMissing, self._onRunChanged)
        self._setup = SetupSection(self.ui, self._onInstalled, self._run.devices.show, self._run.log)
        self._data = DataSection(self.ui, self._chosenNodes, self._onInputsChanged, self._run.log)
        self._recipe = RecipeSection(self.ui, self._onInputsChanged)
        self._publish = PublishSection(self.ui, lambda: self._run.devices.device, self._run.log)
        self.ui.folderButton.connect("clicked(bool)", self._askForFolder)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self._closeFilter = quitting.CloseFilter(self._mayClose)
        if slicer.util.mainWindow() is not None:
            slicer.util.mainWindow().installEventFilter(self._closeFilter)
        self._setup.refresh()
        self._recipe.open()
        self._openFolder()
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Let go of everything when the module is unloaded or Slicer exits; a training goes on."""
        if slicer.util.mainWindow() is not None:
            slicer.util.mainWindow().removeEventFilter(self._closeFilter)
        self._setup.close()
        self._recipe.close()
        self._run.close()
        self.setParameterNode(None)
        self.removeObservers()
        self._data.close()
        self._publish.close()

    def enter(self) -> None:
        """Bring the panel up to date each time it is opened."""
        self._setup.refresh()
        self._setup.findDevices()
        self.initializeParameterNode()

    def exit(self) -> None:
        """Stop following the parameter node while the panel is closed; trainings are still followed."""
        self.setParameterNode(None)

    def onReload(self) -> None:
        """Reload the library together with the module (developer mode)."""
        import sys

        for name in [name for name in sys.modules if name.split(".")[0] == "MedSynthTrainLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, caller, event) -> None:
        """Let go of a scene that is being closed; it has nothing to do with a training that runs."""
        self._followsNextScene = self._parameterNode is not None
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:
        """Draw the curves into the new scene, and follow it if the panel is open."""
        self._run.redraw()
        if self._followsNextScene:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Follow the scene's parameter node."""
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode) -> None:
        """Follow a parameter node, or none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            # The wrapper's own connectGui returns no tag to disconnect by (Slicer issue 7547).
            named = ((widget.property("SlicerParameterName"), widget) for widget in vars(self.ui).values())
            self._guiTag = parameterNode.connectParametersToGui({name: widget for name, widget in named if name})

    def openFolder(self, folder: str | Path) -> None:
        """Take another folder of data set and runs, and remember it."""
        settings.setRunsFolder(folder)
        self._openFolder()

    def _openFolder(self) -> None:
        folder = settings.runsFolder()
        self.ui.folderEdit.text = str(folder)
        self.ui.folderEdit.toolTip = _("Data set and trainings lie in {folder}.").format(folder=folder)
        self._data.open(folder / DATA)
        self._run.open(folder)

    def _askForFolder(self, *_clicked: Any) -> None:
        folder = qt.QFileDialog.getExistingDirectory(
            self.ui.folderButton, _("Folder for data set and trainings"), str(settings.runsFolder())
        )
        if folder:
            self.openFolder(folder)

    def _chosenNodes(self) -> tuple[Any, Any]:
        parameters = self.logic.getParameterNode()
        return parameters.inputVolume, parameters.targetVolume

    def _startTraining(self, device: str) -> TrainingRun:
        missing = self._whatIsMissing()
        if missing:
            raise MedSynthError(missing)
        folder = newFolder(settings.runsFolder(), self._recipe.recipe.name)
        return TrainingRun.start(folder, self._recipe.text, self._data.dataSet.cases, device)

    def _whatIsMissing(self) -> str:
        if self._recipe.recipe is None:
            return _("Correct the recipe first: {problem}").format(problem=self._recipe.problem)
        if self._data.dataSet is None:
            return self.ui.dataStatusLabel.text
        if self._data.running:
            return _("Wait until the work on the data set is done.")
        return self._data.dataSet.whatIsMissing(rolesOf(self._recipe.recipe))

    def _onInputsChanged(self) -> None:
        """Look at data set and recipe again after one of them has changed."""
        recipe = self._recipe.recipe
        self._data.setRoles(rolesOf(recipe) if recipe is not None else None)
        self._run.refresh()

    def _onRunChanged(self) -> None:
        self._publish.show(self._run.run)

    def _onInstalled(self) -> None:
        self._recipe.check()

    def _mayClose(self) -> bool:
        """Ask, when Slicer is about to be closed, what shall become of the trainings that run."""
        running = self._run.running()
        # Slicer may wish to close several times in a row, and one answer is enough.
        if not running or time.monotonic() - self._answeredAt < ANSWER_HOLDS_S:
            return True
        answer = quitting.ask([run.folder.name for run in running])
        if answer is quitting.Answer.STAY:
            return False
        self._answeredAt = time.monotonic()
        if answer is quitting.Answer.STOP:
            for run in running:
                self._stopForClosing(run)
        return True

    def _stopForClosing(self, run: TrainingRun) -> None:
        try:
            run.stop()  # its process writes the checkpoint without Slicer
        except MedSynthError as problem:
            logging.error("MedSynth: %s", problem.message)


class MedSynthTrainLogic(ScriptedLoadableModuleLogic):
    """Training without a panel, for Slicer's Python console and for scripts::

        from pathlib import Path
        from MedSynthTrain import MedSynthTrainLogic

        logic = MedSynthTrainLogic()
        recipe = Path("ct-to-pet.yaml").read_text()
        data, roles = logic.dataSet(Path("my data")), logic.roles(recipe)
        logic.addCase(data, roles, ctNode, petNode)
        data.divide(roles)
        package = logic.train(recipe, data, Path("my run"))

    Nothing here shows pop-ups. A training runs in a process of its own, whether it is waited for or not.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self) -> MedSynthTrainParameterNode:
        """Return the scene's parameter node."""
        return MedSynthTrainParameterNode(ScriptedLoadableModuleLogic.getParameterNode(self))

    def dataSet(self, folder: str | Path) -> DataSet:
        """Return the data set in a folder, empty where there is none yet."""
        return DataSet(Path(folder))

    def roles(self, recipe: str) -> Roles:
        """Return which images a recipe (YAML) synthesizes from which.

        :raises MedSynthError: the recipe is wrong; the sentence says where.
        """
        return rolesOf(parsedRecipe(recipe))

    def addCase(
        self,
        data: DataSet,
        roles: Roles,
        inputVolume: vtkMRMLScalarVolumeNode | None,
        targetVolume: vtkMRMLScalarVolumeNode | None = None,
        name: str = "",
        patient: str = "",
    ) -> Case:
        """Write volumes of the scene as a case of a data set, each where the scene shows it, and return the case.

        :param data: gets the case, which has no split yet.
        :param roles: of a recipe.
        :param inputVolume: volume to synthesize from; full-dose PET if the recipe simulates lower doses.
        :param targetVolume: volume to synthesize; one of the two may be None if the recipe takes unpaired images. With
            simulated doses the CT that attenuates, if the recipe asks for one.
        :param name: of the case; one that says nothing of the patient if empty.
        :param patient: whose case it is, for a patient with several.
        :raises MedSynthError: a volume cannot be used, or the case not be written. Nothing of it stays then.
        """
        volumes = (inputVolume, targetVolume)[: len(roles.images)]
        return _awaited(lambda finish: addVolumes(data, volumes, roles, name, patient, finish))[0]

    def runs(self, folder: str | Path | None = None) -> list[TrainingRun]:
        """Return the trainings in a folder, the newest first; in the folder of the panel if None."""
        runs = [TrainingRun(place) for place in findRuns(Path(folder or settings.runsFolder()))]
        for run in runs:
            run.poll()
        return runs

    def start(self, recipe: str, data: DataSet, folder: str | Path, device: str = AUTOMATIC) -> TrainingRun:
        """Start a training and return it at once; it goes on when Slicer is closed.

        :param recipe: YAML.
        :param data: cases with splits.
        :param folder: for the run; must not exist yet, or be empty.
        :param device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        :raises MedSynthError: recipe or data are not usable, or the process cannot be started.
        """
        missing = data.whatIsMissing(self.roles(recipe))
        if missing:
            raise MedSynthError(missing)
        return TrainingRun.start(Path(folder), recipe, data.cases, device)

    def train(
        self,
        recipe: str,
        data: DataSet,
        folder: str | Path,
        device: str = AUTOMATIC,
        onProgress: Callable[[float, str], None] | None = None,
    ) -> Path:
        """Train a model, wait for its end, and return the folder of its package. The window stays alive meanwhile.

        :param onProgress: called as onProgress(fraction, message), with a fraction from 0 to 1.
        :raises MedSynthError: as `start`, or the training failed; a sentence says why.
        :raises Cancelled: the training was stopped by somebody.
        """
        run = self.start(recipe, data, folder, device)
        self.waitFor(run, onProgress)
        return run.package

    def waitFor(self, run: TrainingRun, onProgress: Callable[[float, str], None] | None = None) -> None:
        """Return when a training has finished.

        :raises MedSynthError: it failed or its process is gone.
        :raises Cancelled: it was stopped.
        """
        while run.alive:
            for event in run.poll():
                if event["event"] == "progress" and onProgress is not None:
                    onProgress(event["progress"], event["message"])
            slicer.app.processEvents()
            time.sleep(0.05)
        if run.state is RunState.STOPPED:
            raise Cancelled
        if run.state is not RunState.FINISHED:
            raise MedSynthError(run.problem)

    def publish(self, run: TrainingRun, about: dict[str, Any] | None = None, device: str = AUTOMATIC) -> dict[str, Any]:
        """Judge the best weights of a run on the test cases, write its package anew, and return what was found.

        :param about: what the card says in words, by the fields of a recipe's ``about``; None keeps the recipe's.
        :return: ``package`` (folder), ``cases`` (scores of each test case) and ``figure`` (a picture, or None).
        :raises MedSynthError: it cannot be published.
        """
        return _awaited(lambda finish: publishing.publish(run, about, device, finish))

    def addToLibrary(self, package: str | Path) -> str:
        """Copy a package into the user's library and return the name by which MedSynth knows the model.

        :raises MedSynthError: the package is not valid, or a model of its name is there already.
        """
        return _awaited(lambda finish: publishing.addToLibrary(Path(package), finish))["name"]

    def exportPackage(self, package: str | Path, path: str | Path) -> Path:
        """Write a package as a zip file and return its path."""
        return publishing.exportPackage(Path(package), Path(path))


def _awaited(start: Callable[[Callable[..., None]], Any]) -> Any:
    """Start a job, wait for it, and return its result."""
    finished: list[tuple[Any, Exception | None]] = []
    job = start(lambda result, error: finished.append((result, error)))
    job.wait()
    result, error = finished[0]
    if error is not None:
        raise error
    return result


class MedSynthTrainTest(ScriptedLoadableModuleTest):
    """The self-test that Slicer runs: the presets are recipes, and their numbers can be changed in the text."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        """Run the tests, as the button Reload and Test does."""
        self.setUp()
        self.test_Presets()

    def test_Presets(self) -> None:
        """Read every preset, change it, and read it again, if what that needs is installed."""
        from MedSynthLib import dependencies
        from MedSynthTrainLib.recipe_text import presets, withValue

        if not dependencies.ready():  # as on the machines that build extensions
            self.delayDisplay(_("Skipped: press Install in the module first."))
            return
        self.assertTrue(presets())
        for path in presets().values():
            changed = parsedRecipe(withValue(path.read_text(encoding="utf-8"), 3, "epochs"))
            self.assertEqual(changed.epochs, 3)
