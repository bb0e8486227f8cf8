"""The part of the panel that works on many volumes: what they are, where results go, and the button."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from medsynth_core.modality import modality_name
from MedSynthLib.batch_list import BatchList, Entry
from MedSynthLib.connections import Connections
from MedSynthLib.dicom_studies import DatabaseStudy, studiesWith
from MedSynthLib.job_section import JobSection
from MedSynthLib.messages import sentenceOf, told
from MedSynthLib.provenance import isSynthetic
from MedSynthLib.scene_parameters import isListed
from MedSynthLib.start_button import StartButton
from MedSynthLib.volume_bridge import modalityOf
from MedSynthLib.volume_selectors import CHANGED, CLASS

# What is worked on.
SCENE, SEQUENCE, FOLDER, DATABASE = "scene", "sequence", "folder", "database"


class BatchSection:
    """Shows what can be worked on with the model of the section Synthesize, and starts the batch.

    Args:
        ui: the panel's widgets whose names begin with ``batch``.
        parameters: returns the scene's parameters; None while no scene is followed.
        logic: runs the jobs.
        jobs: follows them.
        device: returns the chosen device.
        model: returns the summary of the chosen model; None if there is none.
    """

    def __init__(
        self,
        ui,
        parameters: Callable[[], Any],
        logic,
        jobs: JobSection,
        device: Callable[[], str],
        model: Callable[[], Any],
    ) -> None:
        self._ui, self._parameters, self._logic, self._jobs = ui, parameters, logic, jobs
        self._device, self._model = device, model
        self._studies: dict[str, DatabaseStudy] = {}
        self._modality = ""  # of the studies
        self._list = BatchList(ui.batchListWidget, self._onChanged)
        for text, source in (
            (_("Volumes of the scene"), SCENE),
            (_("Sequence"), SEQUENCE),
            (_("Folder or list of files"), FOLDER),
            (_("DICOM database"), DATABASE),
        ):
            ui.batchSourceComboBox.addItem(text, source)
        self._connections = Connections()
        self._connections.connect(ui.batchSourceComboBox, "currentIndexChanged(int)", self._onSource)
        self._connections.connect(ui.batchCollapsibleButton, "contentsCollapsed(bool)", self._onChanged)
        self._connections.connect(ui.batchSequenceSelector, CHANGED, self._onChanged)
        self._connections.connect(ui.batchFolderEdit, "textChanged(QString)", self._onChanged)
        self._connections.connect(ui.batchOutputEdit, "textChanged(QString)", self._onChanged)
        self._connections.connect(ui.batchFolderButton, "clicked(bool)", told(self._askForFolder, jobs.end))
        self._connections.connect(ui.batchManifestButton, "clicked(bool)", told(self._askForManifest, jobs.end))
        self._connections.connect(ui.batchOutputButton, "clicked(bool)", told(self._askForOutput, jobs.end))
        tip = _("Make the synthetic images one after the other. Failures are reported in the log.")
        self._button = StartButton(ui.batchButton, logic, jobs, _("Start"), tip, self._start)
        self._running = False

    def close(self) -> None:
        """Disconnect the widgets."""
        self._connections.close()
        self._list.close()
        self._button.close()

    def refresh(self) -> None:
        """Look again for the studies of the DICOM database."""
        self._modality = ""

    def forget(self) -> None:
        """Forget which volumes were checked, when their scene is closed."""
        self._list.forget()

    def update(self, running: bool) -> None:
        """Show what is chosen, and the state of the job.

        Args:
            running: whether a job is running.
        """
        self._running = running
        ui, source = self._ui, self._source()
        if not ui.batchCollapsibleButton.collapsed:
            self._list.show(self._entries())
        inScene = source in (SCENE, SEQUENCE)
        for widgets, shown in (
            ((ui.batchListWidget,), source in (SCENE, DATABASE)),
            ((ui.batchSequenceCaption, ui.batchSequenceSelector), source == SEQUENCE),
            ((ui.batchFolderCaption, ui.batchFolderEdit, ui.batchFolderButton, ui.batchManifestButton),
             source == FOLDER),
            ((ui.batchOutputCaption, ui.batchOutputEdit, ui.batchOutputButton), not inScene),
            ((ui.batchDicomCheckBox,), source == DATABASE),
        ):  # fmt: skip
            for widget in widgets:
                widget.visible, widget.enabled = shown, not running
        ui.batchSourceComboBox.enabled = not running
        reason = self._obstacle()
        ui.batchLabel.text, ui.batchLabel.visible = reason, bool(reason) and not running
        self._button.update(running, reason)

    def _entries(self) -> list[Entry]:
        model = self._model()
        if self._source() == DATABASE:
            self._findStudies(model.input_modality if model is not None else "")
            return [Entry(study.uid, study.text) for study in self._studies.values()]
        # One that does not state its modality may be of another, which only the user knows.
        wanted = model.input_modality if model is not None else None
        return [
            Entry(node.GetID(), node.GetName(), modalityOf(node) == wanted and not isSynthetic(node))
            for node in slicer.util.getNodesByClass(CLASS)
            if isListed(node, CLASS)
        ]

    def _findStudies(self, modality: str) -> None:
        if modality != self._modality:
            self._modality, self._studies = modality, {study.uid: study for study in studiesWith(modality)}

    def _obstacle(self) -> str:
        """Return in a sentence why nothing can be started; "" if it can."""
        source, model = self._source(), self._model()
        if model is None:
            return _("Choose a model under Synthesize.")
        if source in (SCENE, SEQUENCE) and len(model.inputs) > 1:
            return _(
                "This model takes several images; use a folder or a list of files, or for one patient the section "
                "Synthesize."
            )
        if source == DATABASE and not self._studies:
            return _("Slicer's DICOM database has no study with {modality} images; import one.").format(
                modality=modality_name(model.input_modality)
            )
        if source in (SCENE, DATABASE) and not self._list.checked():
            return _("Check at least one volume.") if source == SCENE else _("Check at least one study.")
        if source == SEQUENCE and self._ui.batchSequenceSelector.currentNode() is None:
            return _("Choose a sequence of volumes.")
        if source == FOLDER and not self._ui.batchFolderEdit.text.strip():
            return _("Choose a folder of image files or DICOM studies, or a list of files (.csv).")
        if source in (FOLDER, DATABASE) and not self._ui.batchOutputEdit.text.strip():
            return _("Choose a folder for the results.")
        return ""

    def _source(self) -> str:
        box = self._ui.batchSourceComboBox
        return box.itemData(box.currentIndex)

    def _onSource(self, *_index: Any) -> None:
        self.refresh()
        self._onChanged()

    def _onChanged(self, *_values: Any) -> None:
        if self._parameters() is not None:
            self.update(self._running)

    def _askForFolder(self) -> None:
        self._ask(self._ui.batchFolderEdit, self._ui.batchFolderButton, _("Folder of the studies"))

    def _askForOutput(self) -> None:
        self._ask(self._ui.batchOutputEdit, self._ui.batchOutputButton, _("Folder for the results"))

    def _ask(self, field, button, title: str) -> None:
        folder = qt.QFileDialog.getExistingDirectory(button, title, field.text)
        if folder:
            field.text = folder

    def _askForManifest(self) -> None:
        title, kinds = _("List of files"), _("List (*.csv)")
        found = qt.QFileDialog.getOpenFileName(self._ui.batchManifestButton, title, "", kinds)
        if found:
            self._ui.batchFolderEdit.text = found

    def _start(self) -> None:
        source, parameters = self._source(), self._parameters()
        model, size, ui = parameters.model, parameters.batchSize or None, self._ui
        shared = {"model": model, "device": self._device()}
        self._jobs.log(_("Synthesizing many volumes with {model}…").format(model=model))
        if source == SEQUENCE:
            self._jobs.start(
                self._logic.synthesizeSequence, self._onSequence, ui.batchSequenceSelector.currentNode(),
                batchSize=size, **shared,
            )  # fmt: skip
        elif source == SCENE:
            nodes = [slicer.mrmlScene.GetNodeByID(one) for one in self._list.checked()]
            self._jobs.start(
                self._logic.synthesizeAll, self._onVolumes, nodes,
                batchSize=size, uncertainty=parameters.uncertainty, **shared,
            )  # fmt: skip
        else:
            self._startFiles(source, {"batchSize": size, **shared}, parameters.uncertainty)

    def _startFiles(self, source: str, options: dict[str, Any], uncertainty: bool) -> None:
        inputs: Any = self._ui.batchFolderEdit.text.strip()
        settings = {"uncertainty": uncertainty}
        if source == DATABASE:
            inputs = [file for uid in self._list.checked() for file in self._studies[uid].files]
            settings["dicom"] = bool(self._ui.batchDicomCheckBox.checked)
        output = Path(self._ui.batchOutputEdit.text.strip())
        self._jobs.start(self._logic.batch, self._onFiles, inputs, output, settings=settings, **options)

    def _onVolumes(self, outcome, error: Exception | None) -> None:
        if outcome is None:
            self._jobs.end(sentenceOf(error))
            return
        self._jobs.end(
            _("Done: {made} made, {failed} failed.").format(made=len(outcome.made), failed=len(outcome.failed))
        )

    def _onSequence(self, sequenceNode, error: Exception | None) -> None:
        done = _("Done: {name}").format(name=sequenceNode.GetName()) if sequenceNode is not None else sentenceOf(error)
        self._jobs.end(done)

    def _onFiles(self, found: dict[str, Any] | None, error: Exception | None) -> None:
        if found is None:
            self._jobs.end(sentenceOf(error))
            return
        said = _("{made} made, {there} already there, {failed} failed; the results are in {folder}.")
        counts = {name: len(found[name]) for name in ("made", "there", "failed")}
        self._jobs.end(said.format(**counts, folder=found["folder"]))
