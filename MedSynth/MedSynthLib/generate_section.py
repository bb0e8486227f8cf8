"""The part of the panel that generates images: what they are drawn from, how many, and the button."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from MedSynthLib import models
from MedSynthLib.connections import Connections
from MedSynthLib.generated_volumes import folderOf, showCase
from MedSynthLib.job_section import JobSection
from MedSynthLib.lesion_labels import isLesion
from MedSynthLib.messages import asItIs, sentenceOf
from MedSynthLib.start_button import StartButton
from MedSynthLib.volume_selectors import CHANGED

# What images are drawn from, as the parameter ``generateSource`` has it.
NOISE, VOLUME, SETTINGS = "noise", "volume", "settings"
LESION = "generateLesion"


class GenerateSection:
    """Shows what can be generated, and generates it.

    Args:
        ui: the panel's widgets whose names begin with ``generate``.
        parameters: returns the scene's parameters; None while no scene is followed.
        logic: runs the jobs.
        jobs: follows them.
        device: returns the chosen device.
        thresholds: returns the thresholds of structure maps that take the place of those of the preset.
    """

    def __init__(
        self,
        ui,
        parameters: Callable[[], Any],
        logic,
        jobs: JobSection,
        device: Callable[[], str],
        thresholds: Callable[[], dict[str, float]],
    ) -> None:
        self._ui, self._parameters, self._logic, self._jobs = ui, parameters, logic, jobs
        self._device, self._thresholds = device, thresholds
        self._models: dict[str, Any] = {}
        self._isReadable = False
        for text, source in (
            (_("Noise"), NOISE),
            (_("Input volume"), VOLUME),
            (_("Input volume, thresholds under Structure map"), SETTINGS),
        ):
            ui.generateSourceComboBox.addItem(text, source)
        self._connections = Connections()
        self._connections.connect(ui.generateModelComboBox, "activated(int)", self._onModel)
        self._connections.connect(ui.generateClassComboBox, "activated(int)", self._onClass)
        self._connections.connect(ui.generateSourceComboBox, "activated(int)", self._onSource)
        self._connections.connect(ui.generateLesionSelector, CHANGED, self._onLesion)
        tip = _("Generate synthetic images, in one folder of the subject hierarchy.")
        self._button = StartButton(ui.generateButton, logic, jobs, _("Generate"), tip, self._start)

    def close(self) -> None:
        """Disconnect the widgets."""
        self._connections.close()
        self._button.close()

    def refresh(self) -> None:
        """List the generators of the library again."""
        self._models = {model.name: model for model in models.availableGenerators()}
        self._isReadable = bool(models.availableModels())  # there are always those that come with MedSynth
        self._ui.generateModelComboBox.clear()
        for model in self._models.values():
            self._ui.generateModelComboBox.addItem(model.title, model.name)

    def update(self, running: bool) -> None:
        """Show the parameters and the state of the job.

        Args:
            running: whether a job is running.
        """
        ui, reason = self._ui, self._obstacle()
        ui.generateModelComboBox.setCurrentIndex(ui.generateModelComboBox.findData(self._model()))
        ui.generateSourceComboBox.setCurrentIndex(ui.generateSourceComboBox.findData(self._source()))
        wasBlocked = ui.generateLesionSelector.blockSignals(True)
        ui.generateLesionSelector.setCurrentNode(self._lesion())
        ui.generateLesionSelector.blockSignals(wasBlocked)
        self._describe()
        self._showClasses(self._classes())
        ui.generateLabel.text, ui.generateLabel.visible = reason, bool(reason)
        fromVolume, model = self._source() != NOISE, self._models.get(self._model())
        for widget in self._fields():
            widget.enabled = not running
        ui.generateLesionSelector.enabled = fromVolume and not running and (model is None or model.lesions)
        ui.generateSlicesSpinBox.enabled = not fromVolume and not running
        ui.generateFilteredCheckBox.enabled = not fromVolume and not running
        self._button.update(running, reason)

    def _fields(self) -> tuple:
        ui = self._ui
        boxes = ui.generateModelComboBox, ui.generateClassComboBox, ui.generateSourceComboBox
        return *boxes, ui.generateCountSpinBox, ui.generateSeedSpinBox

    def _showClasses(self, classes: tuple[str, ...]) -> None:
        """Show the choice of a class, for a model that has some."""
        box, entries = self._ui.generateClassComboBox, ("", *classes)
        self._ui.generateClassCaption.visible = box.visible = bool(classes)
        if tuple(box.itemData(index) for index in range(box.count)) != entries:
            box.clear()
            for name in entries:
                box.addItem(name or _("All in turn"), name)
        box.setCurrentIndex(box.findData(self._class() or ""))

    def _describe(self) -> None:
        """Say what the chosen model makes, in which units and voxels; the tool tip has its limits and attribution."""
        model, label = self._models.get(self._model()), self._ui.generateModelLabel
        label.text = descriptionOf(model) if model else ""
        label.toolTip = asItIs("\n\n".join([*model.limits, model.data_licence])) if model else ""
        label.visible = model is not None

    def _obstacle(self) -> str:
        """Return in a sentence why nothing can be generated; "" if it can."""
        if not self._models:
            if not self._isReadable:
                return _("Models cannot be read yet: press Install under Setup.")
            return _(
                "The library has no model that generates images; train one with the system multimodal (see the "
                "documentation of recipes), or import its package with medsynth models import."
            )
        if self._model() not in self._models:
            return _("The model {name} is not in the library; choose another.").format(name=self._model())
        return self._obstacleOf(self._models[self._model()])

    def _obstacleOf(self, model) -> str:
        """Return in a sentence why a model cannot draw from what is chosen; "" if it can."""
        fromNoise = self._source() == NOISE
        if fromNoise and not model.from_noise:
            return _("This model cannot draw structure maps from noise; draw from an input volume.")
        if not fromNoise and not model.from_image:
            return _("This model draws from noise alone; choose Noise.")
        if not fromNoise and self._parameters().inputVolume is None:
            alone, other = _("Choose an input volume."), _("Choose an input volume, or generate from noise.")
            return other if model.from_noise else alone
        return ""

    def _model(self) -> str:
        """Return the name of the chosen model; before one is chosen, of the first."""
        return self._parameters().generateModel or next(iter(self._models), "")

    def _classes(self) -> tuple[str, ...]:
        """Return the classes of the chosen model."""
        model = self._models.get(self._model())
        return model.classes if model else ()

    def _class(self) -> str | None:
        """Return the chosen class; None for all in turn, and for a model without that class."""
        chosen = self._parameters().generateClass
        return chosen if chosen in self._classes() else None

    def _source(self) -> str:
        chosen = self._parameters().generateSource
        return chosen if chosen in (NOISE, VOLUME, SETTINGS) else NOISE  # a scene of others may say anything

    def _lesion(self):
        """Return the node of the chosen lesion; None for lesions that the model draws."""
        model = self._models.get(self._model())
        if model is not None and not model.lesions:
            return None
        node = self._parameters().parameterNode.GetNodeReference(LESION)
        return node if isLesion(node) and not node.GetHideFromEditors() else None

    def _onModel(self, index: int) -> None:
        self._parameters().generateModel = self._ui.generateModelComboBox.itemData(index)

    def _onClass(self, index: int) -> None:
        self._parameters().generateClass = self._ui.generateClassComboBox.itemData(index)

    def _onSource(self, index: int) -> None:
        self._parameters().generateSource = self._ui.generateSourceComboBox.itemData(index)

    def _onLesion(self, node) -> None:
        if self._parameters() is not None:
            reference = node.GetID() if node is not None else None
            self._parameters().parameterNode.SetNodeReferenceID(LESION, reference)

    def _start(self) -> None:
        parameters, source = self._parameters(), self._source()
        given = {"slices": parameters.generateSlices}
        if source != NOISE:
            given = {"volumeNode": parameters.inputVolume, "lesion": self._lesion()}
        if source == SETTINGS:
            given |= {"preset": parameters.structurePreset, "settings": self._thresholds()}
        self._jobs.log(_("Generating with {model}…").format(model=self._model()))
        self._jobs.start(
            self._logic.generate,
            self._onGenerated,
            self._model(),
            count=parameters.generateCount,
            seed=parameters.generateSeed if parameters.generateSeed >= 0 else None,
            filtered=parameters.generateFiltered,
            className=self._class(),
            device=self._device(),
            **given,
        )

    def _onGenerated(self, cases, error: Exception | None) -> None:
        if cases is None:
            self._jobs.end(sentenceOf(error))
            return
        showCase(cases[0])
        said = _("Done: {count} cases in the folder {folder}") if len(cases) > 1 else _("Done: a case in {folder}")
        self._jobs.end(said.format(count=len(cases), folder=folderOf(cases)))


def descriptionOf(model) -> str:
    """Return what a generator makes, in which units and voxels.

    Args:
        model: its ``medsynth_core.generation.available.GeneratorSummary``.
    """
    images = ", ".join(f"{role} ({image})" for role, image in model.images.items())
    parts = [f"{model.title}. {model.description}", _("Images: {images}.").format(images=images)]
    if model.spacing:
        size = " × ".join(f"{side:g}" for side in model.spacing)
        parts.append(_("Voxels from noise: {size} mm.").format(size=size))
    if model.limits:
        parts.append(_("Limits: {first}").format(first=model.limits[0]))
    return " ".join(parts)
