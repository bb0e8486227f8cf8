"""The panel of the module MedSynth: its sections, one button that is Apply or Cancel, and the log."""

from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from MedSynthLib.batch_section import BatchSection
from MedSynthLib.device_box import DeviceBox
from MedSynthLib.difference_volume import differenceOf
from MedSynthLib.display import showInstead, showOver
from MedSynthLib.further_inputs import FurtherInputs
from MedSynthLib.generate_section import GenerateSection
from MedSynthLib.input_follower import InputFollower
from MedSynthLib.job_section import JobSection
from MedSynthLib.messages import sentenceOf
from MedSynthLib.model_section import ModelSection
from MedSynthLib.panel import ModulePanel
from MedSynthLib.provenance import isFor, textOf
from MedSynthLib.result_section import ResultSection
from MedSynthLib.scene_parameters import isListed
from MedSynthLib.setup_section import SetupSection
from MedSynthLib.structure_section import StructureSection
from MedSynthLib.uncertainty_volume import uncertaintyOf
from MedSynthLib.volume_bridge import modalityOf
from MedSynthLib.volume_selectors import CLASS

DEVICE_SETTING = "MedSynth/Device"


class SynthesisPanel(ModulePanel):
    """Synthesis, conversion to SUVbw and export for volumes of the scene."""

    LIBRARIES = ("MedSynthLib",)

    def makeSections(self) -> None:
        """Build the sections and connect the buttons."""
        self._jobs = JobSection(self.ui, self.logic, self.update)
        self._devices = DeviceBox(self.ui.deviceComboBox, DEVICE_SETTING)
        self._setup = SetupSection(self.ui, self._listModels, self._listModels, self._devices.show, self._jobs.log)
        self._model = ModelSection(self.ui, self._onModelChosen)
        self._further = FurtherInputs(self.ui.inputsWidget.layout(), self.update)
        self._result = ResultSection(
            self.ui, lambda: self._parameterNode.outputVolume, self._exportDicom, self._jobs.end
        )
        self._structure = StructureSection(self.ui, lambda: self._parameterNode, self._makeStructure)
        self._generate = GenerateSection(
            self.ui,
            lambda: self._parameterNode,
            self.logic,
            self._jobs,
            lambda: self._devices.device,
            self._structure.thresholds,
        )
        self._batch = BatchSection(
            self.ui,
            lambda: self._parameterNode,
            self.logic,
            self._jobs,
            lambda: self._devices.device,
            lambda: self._model.model(self._parameterNode.model),
        )
        for event in (slicer.mrmlScene.NodeAddedEvent, slicer.mrmlScene.NodeRemovedEvent):
            self.addObserver(slicer.mrmlScene, event, self._onNodes)
        self._input = InputFollower(self.update, self._onAnotherChoice)
        self._outputID = ""
        self.connections.connect(self.ui.applyButton, "clicked(bool)", self.onApplyButton)
        self.connections.connect(self.ui.convertButton, "clicked(bool)", self.onConvertButton)
        self._setup.refresh()
        self._refreshModels()

    def cleanup(self) -> None:
        """Cancel what still runs when the module is unloaded or Slicer exits, and disconnect everything."""
        self._jobs.close()  # first: the widgets may be gone, and an aborted job tells the panel
        self.logic.abort()
        for section in (
            self._setup, self._devices, self._model, self._result, self._structure, self._generate, self._batch
        ):  # fmt: skip
            section.close()
        ModulePanel.cleanup(self)
        self._input.release()
        self._further.close()

    def enter(self) -> None:
        """Bring the panel up to date each time it is opened."""
        self._setup.refresh()
        self._setup.findDevices()
        self._batch.refresh()
        self._refreshModels()
        self.initializeParameterNode()

    def onSceneStartClose(self, caller, event) -> None:
        """Cancel the job of a scene that is being closed."""
        self.logic.abortForScene()
        self._batch.forget()
        ModulePanel.onSceneStartClose(self, caller, event)
        self._input.clear()

    def initializeParameterNode(self) -> None:
        """Follow the scene's parameter node; without an input volume, take the first volume of the scene."""
        ModulePanel.initializeParameterNode(self)
        if self._parameterNode.inputVolume is None:
            volumes = slicer.util.getNodesByClass(CLASS)
            self._parameterNode.inputVolume = next((volume for volume in volumes if isListed(volume, CLASS)), None)

    def setParameterNode(self, parameterNode) -> None:
        """Follow a parameter node, or none; without one no volume is observed either."""
        # Before the widgets are brought up to date, which the base class does.
        self._further.follow(parameterNode.parameterNode if parameterNode is not None else None)
        ModulePanel.setParameterNode(self, parameterNode)
        if parameterNode is None:
            self._input.release()
            self._structure.hide()

    def update(self, caller=None, event=None) -> None:
        """Show the parameters, the chosen model and result, and the state of the job."""
        if self._parameterNode is None:
            return
        inputVolume, running = self._parameterNode.inputVolume, self.logic.isRunning
        self._further.show(self._model.model(self._parameterNode.model), enabled=not running)
        others = [node.GetID() for node in self._further.chosen().values()]
        self._input.follow(inputVolume, self._parameterNode.model, *others)
        self._outputID = _idOf(self._parameterNode.outputVolume)
        self._model.update(self._parameterNode.model, inputVolume, self._further.chosen())
        self._jobs.update(self._model.fits, self.ui.fitLabel.text)
        for widget in (
            self.ui.inputVolumeSelector, self.ui.modelComboBox, self.ui.outputVolumeSelector, self.ui.convertButton,
            self.ui.differenceCheckBox, self.ui.uncertaintyCheckBox,
        ):  # fmt: skip
            widget.enabled = not running
        self._result.update(running)
        self._structure.update(running)
        self._generate.update(running)
        self._batch.update(running)

    def onApplyButton(self, *_clicked: Any) -> None:
        """Start the synthesis, or cancel the running job."""
        if self.logic.isRunning:
            self._jobs.cancel()
            return
        parameters, inputVolume = self._parameterNode, self._parameterNode.inputVolume
        further, chosen = self._further.chosen(), parameters.outputVolume
        self._jobs.log(_("Synthesizing with {model}…").format(model=parameters.model))
        self._jobs.start(
            self.logic.synthesize,
            lambda made, error: self._onSynthesized((inputVolume, *further.values()), _idOf(chosen), made, error),
            inputVolume,
            model=parameters.model,
            outputVolume=chosen,
            device=self._devices.device,
            batchSize=parameters.batchSize or None,
            difference=parameters.difference,
            uncertainty=parameters.uncertainty,
            furtherInputs=further,
        )

    def onConvertButton(self, *_clicked: Any) -> None:
        """Start the conversion of the input to SUVbw."""
        inputVolume = self._parameterNode.inputVolume
        self._jobs.log(_("Converting {name} to SUVbw…").format(name=inputVolume.GetName()))
        self._jobs.start(
            self.logic.convertToSuv,
            lambda suvVolume, error: self._onConverted(inputVolume, suvVolume, error),
            inputVolume,
        )

    def _makeStructure(self) -> None:
        parameters, inputVolume = self._parameterNode, self._parameterNode.inputVolume
        self._jobs.log(_("Extracting the structure of {name}…").format(name=inputVolume.GetName()))
        self._jobs.start(
            self.logic.extractStructure,
            lambda labelMap, error: self._onStructure(inputVolume, labelMap, error),
            inputVolume,
            preset=parameters.structurePreset,
            lesion=parameters.lesionVolume,
            solid=parameters.structureSolid,
            settings=self._structure.thresholds(),
        )

    def _onStructure(self, inputVolume, labelMap, error: Exception | None) -> None:
        if labelMap is not None:
            slicer.util.setSliceViewerLayers(background=inputVolume, label=labelMap, labelOpacity=0.5)
        self._jobs.end(_("Done: {name}").format(name=labelMap.GetName()) if labelMap else sentenceOf(error))

    def _exportDicom(self, outputVolume, folder: Path) -> None:
        self._jobs.log(_("Exporting {name} to {folder}…").format(name=outputVolume.GetName(), folder=folder))
        self._jobs.start(self.logic.exportDicom, self._onExported, outputVolume, folder)

    def _onSynthesized(self, inputs: tuple, chosenID: str, outputVolume, error: Exception | None) -> None:
        if outputVolume is None:
            self._jobs.end(sentenceOf(error))
            return
        # Not through self._parameterNode: the user may have gone to another module meanwhile.
        parameters, inputVolume = self.logic.getParameterNode(), inputs[0]
        now = inputs if self._parameterNode is None else (inputVolume, *self._further.chosen().values())
        # Else the next result would overwrite that of other inputs or another model.
        isNext = parameters.inputVolume is inputVolume and isFor(outputVolume, parameters.model, now)
        if isNext and _idOf(parameters.outputVolume) == chosenID:
            parameters.outputVolume = outputVolume
        # Of two blended PETs neither can be read, so that the result is shown alone; the views' slider fades it.
        alike = textOf(outputVolume, "input_modality") == modalityOf(outputVolume)
        showOver(inputVolume, outputVolume, *([1.0] if alike else []))
        made = (outputVolume, differenceOf(outputVolume), uncertaintyOf(outputVolume))
        names = [node.GetName() for node in made if node is not None]
        self._jobs.end(
            _("Done in {seconds} s on {device}: {name}").format(
                name=", ".join(names),
                seconds=round(float(outputVolume.GetAttribute("MedSynth.Seconds"))),
                device=outputVolume.GetAttribute("MedSynth.Device"),
            )
        )

    def _onConverted(self, inputVolume, suvVolume, error: Exception | None) -> None:
        if suvVolume is None:
            self._jobs.end(sentenceOf(error))
            return
        parameters = self.logic.getParameterNode()
        if parameters.inputVolume is inputVolume:
            parameters.inputVolume = suvVolume
        showInstead(inputVolume, suvVolume)
        self.update()  # before the message: another input clears the status line
        self._jobs.end(_("Converted to SUVbw: {name}").format(name=suvVolume.GetName()))

    def _onExported(self, folder: Path | None, error: Exception | None) -> None:
        self._jobs.end(_("The DICOM series is in {folder}.").format(folder=folder) if folder else sentenceOf(error))

    def _onAnotherChoice(self) -> None:
        """Clear the status line, and do not let the result of another model or input be overwritten."""
        self._jobs.say("")
        parameters, output = self._parameterNode, self._parameterNode.outputVolume
        inputs = (parameters.inputVolume, *self._further.chosen().values())
        isLeft = output is not None and output.GetID() == self._outputID  # not chosen together with them
        if isLeft and not isFor(output, parameters.model, inputs):
            parameters.outputVolume = None

    def _listModels(self) -> None:
        self._refreshModels()
        self.update()

    def _refreshModels(self) -> None:
        self._model.refresh()
        self._generate.refresh()

    def _onNodes(self, caller, event) -> None:
        if self._parameterNode is not None:
            self._batch.update(self.logic.isRunning)

    def _onModelChosen(self, name: str) -> None:
        self._parameterNode.model = name


def _idOf(node) -> str:
    """Return the ID of a node; "" for None."""
    return node.GetID() if node is not None else ""
