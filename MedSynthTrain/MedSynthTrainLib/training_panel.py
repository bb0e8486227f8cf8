"""The panel of the module MedSynth Train: Setup, Data, Recipe, Run and Publish."""

from pathlib import Path
from typing import Any

import qt
from MedSynthLib.messages import asItIs
from MedSynthLib.panel import ModulePanel
from MedSynthLib.setup_section import SetupSection
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthTrainLib import settings
from MedSynthTrainLib.close_prompt import CloseGuard
from MedSynthTrainLib.data_section import DataSection
from MedSynthTrainLib.publish_section import PublishSection
from MedSynthTrainLib.recipe_section import RecipeSection
from MedSynthTrainLib.run import TrainingRun, newFolder
from MedSynthTrainLib.run_section import RunSection

DATA = "data"


class TrainingPanel(ModulePanel):
    """From cases in the scene or in folders to the package of a trained model."""

    # The shared library too: of the classes that are derived from, one version must be loaded.
    LIBRARIES = ("MedSynthTrainLib", "MedSynthLib")

    def makeSections(self) -> None:
        """Build the sections, and find the trainings of earlier sessions."""
        self._run = RunSection(self.ui, self._startTraining, self._whatIsMissing, self._onRunChanged)
        self._setup = SetupSection(self.ui, self._onInstalled, self._onRemoved, self._run.devices.show, self._run.log)
        self._data = DataSection(self.ui, self._chosenNodes, self._onInputsChanged, self._run.log)
        self._recipe = RecipeSection(self.ui, self._onInputsChanged)
        self._publish = PublishSection(self.ui, lambda: self._run.devices.device, self._run.log)
        self._closeGuard = CloseGuard(self._run.running)
        self.connections.connect(self.ui.folderButton, "clicked(bool)", self._askForFolder)
        self._setup.refresh()
        self._recipe.open()
        self._openFolder()

    def cleanup(self) -> None:
        """End everything but trainings when the module is unloaded or Slicer exits, and disconnect everything."""
        # The node of the parameters last, and jobs before it: the widgets may be gone.
        for section in (self._closeGuard, self._setup, self._data, self._publish, self._recipe, self._run):
            section.close()
        ModulePanel.cleanup(self)
        self._data.images.close()

    def exit(self) -> None:
        """Put back the layout of the views, and stop following the parameter node while the panel is closed."""
        self._run.leave()
        ModulePanel.exit(self)

    def enter(self) -> None:
        """Bring the panel up to date each time it is opened."""
        self._setup.refresh()
        self._setup.findDevices()
        self._data.readAgain()
        self.initializeParameterNode()

    def onSceneEndClose(self, caller, event) -> None:
        """Draw the curves into the new scene, and follow it if the panel is open."""
        self._run.redraw()
        ModulePanel.onSceneEndClose(self, caller, event)

    def setParameterNode(self, parameterNode) -> None:
        """Follow a parameter node, or none; it also keeps which volumes are chosen for further images."""
        self._data.images.follow(parameterNode.parameterNode if parameterNode is not None else None)
        ModulePanel.setParameterNode(self, parameterNode)

    def update(self, caller=None, event=None) -> None:
        """Show which volumes are chosen for the images of a case."""
        self._data.images.refresh()

    def openFolder(self, folder: str | Path) -> None:
        """Open another folder of data set and trainings, and remember it."""
        settings.setRunsFolder(folder)
        self._openFolder()

    def _openFolder(self) -> None:
        folder = settings.runsFolder()
        self.ui.folderEdit.text = str(folder)
        where = _("The data set and the trainings are in {folder}.").format(folder=folder)
        self.ui.folderEdit.toolTip = asItIs(where)
        self._data.open(folder / DATA)
        self._run.open(folder)

    def _askForFolder(self, *_clicked: Any) -> None:
        folder = qt.QFileDialog.getExistingDirectory(
            self.ui.folderButton, _("Folder for the data set and the trainings"), str(settings.runsFolder())
        )
        if folder:
            self.openFolder(folder)

    def _chosenNodes(self) -> tuple[Any, Any]:
        parameters = self.logic.getParameterNode()
        return parameters.inputVolume, parameters.targetVolume

    def _startTraining(self, device: str) -> TrainingRun:
        from medsynth_core.training.claims import claim_problem

        missing = self._whatIsMissing(checkFiles=True)
        self._data.refresh()
        if missing:
            raise MedSynthError(missing)
        # Asked before hours of training, not after: the card must not claim what is true of another model's data.
        problem = claim_problem(self._recipe.recipe)
        if problem:
            raise MedSynthError(problem)
        folder = newFolder(settings.runsFolder(), self._recipe.recipe.name)
        return TrainingRun.start(folder, self._recipe.text, self._data.dataSet.cases, device)

    def _whatIsMissing(self, checkFiles: bool = False) -> str:
        # Asked several times a second, so that files are looked for only when a training is started.
        if self._recipe.recipe is None:
            return _("Correct the recipe first: {problem}").format(problem=self._recipe.problem)
        if self._data.dataSet is None:
            return self.ui.dataStatusLabel.text
        if self._data.running:
            return _("Wait until the work on the data set has finished.")
        return self._data.dataSet.whatIsMissing(self._recipe.recipe.needs, checkFiles)

    def _onInputsChanged(self) -> None:
        """Show what data set and recipe allow after one of them has changed."""
        recipe = self._recipe.recipe
        self._data.setNeeds(recipe.needs if recipe is not None else None)
        self._run.refresh()

    def _onRunChanged(self) -> None:
        self._publish.show(self._run.run)

    def _onInstalled(self) -> None:
        self._recipe.check()

    def _onRemoved(self) -> None:
        """Change nothing: neither recipe nor data set use the library of models."""
