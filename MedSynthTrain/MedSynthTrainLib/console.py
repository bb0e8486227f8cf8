"""The logic of the module MedSynth Train, for its panel, for Slicer's Python console and for scripts."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from MedSynthLib.device_box import AUTOMATIC
from MedSynthLib.job_runner import awaited
from MedSynthLib.scene_parameters import parametersOf
from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.systems.data_needs import DataNeeds
from MedSynthTrainLib import publishing, settings
from MedSynthTrainLib.dataset import DataSet
from MedSynthTrainLib.dataset_jobs import addVolumes
from MedSynthTrainLib.recipe_text import parsedRecipe
from MedSynthTrainLib.run import RunState, TrainingRun, findRuns


@parameterNodeWrapper
class MedSynthTrainParameterNode:
    """The parameters that are saved with the scene: the pair of volumes to add as a case.

    Attributes:
        inputVolume: image to synthesize from.
        targetVolume: image to synthesize.
        register: also register the target to the input when the pair is added.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    targetVolume: vtkMRMLScalarVolumeNode
    register: bool = False


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
        return parametersOf(MedSynthTrainParameterNode, ScriptedLoadableModuleLogic.getParameterNode(self))

    def dataSet(self, folder: str | Path) -> DataSet:
        """Return the data set in a folder, empty where there is none yet."""
        return DataSet(Path(folder))

    def roles(self, recipe: str) -> DataNeeds:
        """Return which images a recipe (YAML) needs of each case, and whether they must be pairs.

        :raises MedSynthError: the recipe is wrong; the message says where.
        """
        return parsedRecipe(recipe).needs

    def addCase(
        self,
        data: DataSet,
        roles: DataNeeds,
        inputVolume: vtkMRMLScalarVolumeNode | None,
        targetVolume: vtkMRMLScalarVolumeNode | None = None,
        name: str = "",
        patient: str = "",
        furtherVolumes: dict[str, vtkMRMLScalarVolumeNode | None] | None = None,
    ) -> Case:
        """Write volumes of the scene as a case of a data set, in world coordinates, and return the case.

        :param data: gets the case, which has no split yet.
        :param roles: what `roles` returned for the recipe.
        :param inputVolume: volume to synthesize from; full-dose PET if the recipe simulates lower doses.
        :param targetVolume: volume to synthesize; one of the two may be None if the recipe takes unpaired images. With
            simulated doses the CT for attenuation, if the recipe needs one.
        :param name: name of the case; ``case-001`` and so on if empty, which does not identify the patient.
        :param patient: identifies the patient of several cases; the name of the case if empty.
        :param furtherVolumes: volumes by role, for a recipe with more than two images; ``roles.names`` has the roles,
            of which ``inputVolume`` and ``targetVolume`` are the first two.
        :raises MedSynthError: a volume cannot be used, or the case cannot be written. Nothing of it stays then.
        """
        volumes = {**dict(zip(roles.names, (inputVolume, targetVolume), strict=False)), **(furtherVolumes or {})}
        return awaited(lambda finish: addVolumes(data, volumes, roles, name, patient, finish))[0]

    def runs(self, folder: str | Path | None = None) -> list[TrainingRun]:
        """Return the trainings in a folder, newest first; in the folder of the panel if None."""
        runs = [TrainingRun(place) for place in findRuns(Path(folder or settings.runsFolder()))]
        for run in runs:
            run.poll()
        return runs

    def start(self, recipe: str, data: DataSet, folder: str | Path, device: str = AUTOMATIC) -> TrainingRun:
        """Start a training and return it at once; it goes on when Slicer is closed.

        :param recipe: YAML.
        :param data: cases with splits.
        :param folder: run folder; it must not exist yet, or be empty.
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
        """Train a model and return the folder of its package. The window stays responsive meanwhile.

        :param onProgress: called as onProgress(fraction, message), with a fraction from 0 to 1.
        :raises MedSynthError: as `start`, or the training failed; the message says why.
        :raises Cancelled: the training was stopped.
        """
        run = self.start(recipe, data, folder, device)
        self.waitFor(run, onProgress)
        return run.package

    def waitFor(self, run: TrainingRun, onProgress: Callable[[float, str], None] | None = None) -> None:
        """Return when a training has finished.

        :raises MedSynthError: it failed or its process ended unexpectedly.
        :raises Cancelled: it was stopped.
        """
        while run.alive:
            for event in run.poll():
                if event["event"] == "progress" and onProgress is not None:
                    onProgress(event.get("progress", run.progress), event.get("message", ""))
            slicer.app.processEvents()
            time.sleep(0.05)
        if run.state is RunState.STOPPED:
            raise Cancelled
        if run.state is not RunState.FINISHED:
            raise MedSynthError(run.problem)

    def publish(self, run: TrainingRun, about: dict[str, Any] | None = None, device: str = AUTOMATIC) -> dict[str, Any]:
        """Evaluate the best weights of a run on the test cases and write its package again.

        :param about: text of the model card, by the fields of a recipe's ``about``; None keeps the recipe's.
        :return: ``package`` (folder), ``cases`` (scores of each test case) and ``figure`` (a picture, or None).
        :raises MedSynthError: it cannot be published.
        """
        return awaited(lambda finish: publishing.publish(run, about, device, finish))

    def addToLibrary(self, package: str | Path) -> str:
        """Copy a package into the user's library and return the name by which MedSynth knows the model.

        :raises MedSynthError: the package is not valid, or the library has a model of this name already.
        """
        return awaited(lambda finish: publishing.addToLibrary(Path(package), finish))["name"]

    def exportPackage(self, package: str | Path, path: str | Path) -> Path:
        """Write a package as a zip file and return its path."""
        return publishing.exportPackage(Path(package), Path(path))
