"""The section Data: the table of cases, how cases come into it, and what is done with them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from MedSynthLib.display import showOver
from MedSynthLib.job import State
from MedSynthLib.wording import sentenceOf, told
from slicer.i18n import tr as _

from medsynth_core.datasets.manifest import SPLITS, Case
from medsynth_core.errors import MedSynthError
from MedSynthTrainLib import dataset_jobs as jobs
from MedSynthTrainLib.dataset import DataSet, casesInWords
from MedSynthTrainLib.roles import Roles
from MedSynthTrainLib.thumbnails import SIDE, Thumbnails

CASE, SPLIT, STATE, INPUT, TARGET, PATIENT = range(6)
MARKS = {"good": "✓", "doubtful": "?", "refused": "✗"}
STEPS = 1000


class DataSection:
    """Fills the case table and works on the data set, one long job at a time.

    Args:
        ui: the panel's widgets.
        nodes: returns the first and the second volume node that are chosen.
        onChanged: called when the data set has changed.
        onLog: called with sentences to keep.
    """

    def __init__(
        self,
        ui,
        nodes: Callable[[], tuple[Any, Any]],
        onChanged: Callable[[], None],
        onLog: Callable[[str], None],
    ) -> None:
        self._ui, self._nodes, self._onChanged, self._onLog = ui, nodes, onChanged, onLog
        self._roles: Roles | None = None
        self._checks: dict[str, dict[str, Any]] = {}
        self._job: Any = None
        self._queue: list[str] = []
        self._thumbnails: Thumbnails | None = None
        self.dataSet: DataSet | None = None
        table = ui.caseTable
        table.setColumnCount(6)
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(SIDE + 4)
        table.setIconSize(qt.QSize(SIDE, SIDE))
        table.horizontalHeader().setStretchLastSection(True)
        widths = ((CASE, 70), (SPLIT, 40), (STATE, 88), (INPUT, 54), (TARGET, 54), (PATIENT, 40))
        for column, width in widths:
            table.setColumnWidth(column, width)
        for split in SPLITS:
            ui.moveComboBox.addItem(split, split)
        for button, slot in (
            (ui.addPairButton, self.addVolumes), (ui.addFolderButton, self.addFolder),
            (ui.addManifestButton, self.addManifest), (ui.checkButton, self.check),
            (ui.registerButton, self.registerSelected), (ui.removeButton, self.removeSelected),
            (ui.showButton, self.showSelected), (ui.divideButton, self.divide), (ui.cancelDataButton, self.cancel),
        ):  # fmt: skip
            button.connect("clicked(bool)", told(slot, self._onProblem))
        ui.moveComboBox.connect("activated(int)", told(self.moveSelected, self._onProblem))
        table.connect("itemSelectionChanged()", self._tellSelected)

    def open(self, folder: Path) -> None:
        """Show the data set in a folder; a manifest that cannot be used is told, and stays as it is."""
        self.close()
        self._checks, self.dataSet = {}, None
        self._thumbnails = Thumbnails(folder / "thumbnails", lambda file: self._showThumbnails())
        try:
            self.dataSet = DataSet(folder)
        except MedSynthError as problem:
            self._say(problem.message)
        self.refresh()

    def close(self) -> None:
        """End what still runs."""
        self._queue.clear()
        thumbnails, self._thumbnails = self._thumbnails, None
        job, self._job = self._job, None
        if thumbnails is not None:
            thumbnails.close()
        if job is not None and job.state is not State.FINISHED:
            job.abort()

    def setRoles(self, roles: Roles | None) -> None:
        """Take the roles of another recipe; None while the recipe is wrong."""
        if roles == self._roles:
            return
        before, self._roles = self._roles, roles
        if roles is not None and (before is None or before.names != roles.names):
            for edit, name in zip(self._patternEdits(), roles.names, strict=False):
                edit.text = f"*{name}*.nii*"
        if roles is not None:
            self._showWhatIsNeeded(roles)
        self._checks = {}
        self.refresh()

    @property
    def running(self) -> bool:
        """Whether a long job is under way."""
        return self._job is not None and self._job.state is not State.FINISHED

    def refresh(self) -> None:
        """Show the data set as it is."""
        ui, cases = self._ui, self.dataSet.cases if self.dataSet else []
        names = self._roles.names if self._roles else (_("input"), _("target"))
        first, second = (*names, "")[:2]
        ui.caseTable.setHorizontalHeaderLabels([_("Case"), _("Split"), _("State"), first, second, _("Patient")])
        ui.caseTable.setColumnHidden(TARGET, not second)
        selected = self.selected()
        ui.caseTable.setRowCount(len(cases))
        for row, case in enumerate(cases):
            check = self._checks.get(case.name)
            state = f"{MARKS[check['state']]} {check['state']}" if check else _("not checked")
            patient = case.patient if case.patient != case.name else ""
            for column, text in ((CASE, case.name), (SPLIT, case.split or "–"), (STATE, state), (PATIENT, patient)):
                self._cell(row, column).setText(text)
                self._cell(row, column).setToolTip("\n".join(check["problems"]) if check else text)
        self._showThumbnails()
        self._select(selected)
        free = self.dataSet is not None and self._roles is not None and not self.running
        for button in (ui.addPairButton, ui.addFolderButton, ui.addManifestButton):
            button.enabled = free
        for button in (ui.checkButton, ui.registerButton, ui.removeButton, ui.showButton, ui.divideButton):
            button.enabled = free and bool(cases)
        ui.registerButton.enabled = ui.registerButton.enabled and len(names) == 2
        ui.moveComboBox.enabled = free and bool(cases)
        ui.cancelDataButton.visible = ui.dataProgressBar.visible = self.running
        counts = ", ".join(f"{self.dataSet.count(split)} {split}" for split in SPLITS) if self.dataSet else ""
        ui.countLabel.text = (
            _("{cases}: {counts}").format(cases=casesInWords(len(cases)), counts=counts) if cases else ""
        )

    def selected(self) -> list[str]:
        """Return the names of the cases that are selected."""
        table = self._ui.caseTable
        rows = sorted({item.row() for item in table.selectedItems()})
        return [table.item(row, CASE).text() for row in rows if table.item(row, CASE) is not None]

    def addVolumes(self) -> None:
        """Write the chosen volumes as a new case; register it if that is wanted."""
        ui, roles = self._ui, self._wanted()
        register = ui.registerCheckBox.checked and len(roles.images) == 2
        nodes = self._nodes()[: len(roles.images)]

        def finish(cases: list[Case] | None, error: Exception | None) -> None:
            self._onVolumesAdded(cases, error, register)

        self._start(
            lambda **calls: jobs.addVolumes(
                self.dataSet, nodes, roles, ui.caseNameEdit.text, ui.patientEdit.text, finish, **calls
            ),
            _("Writing the images…"),
        )
        ui.caseNameEdit.text = ui.patientEdit.text = ""

    def addFolder(self) -> None:
        """Ask for a folder and add the cases that lie in it."""
        root = qt.QFileDialog.getExistingDirectory(self._ui.addFolderButton, _("Folder with cases"), "")
        if root:
            self.addFolderFrom(Path(root))

    def addFolderFrom(self, root: Path) -> None:
        """Add the cases in a folder, as the patterns or DICOM say."""
        roles, ui = self._wanted(), self._ui
        texts = [edit.text for edit in self._patternEdits()]
        patterns = {role: text for role, text in zip(roles.names, texts, strict=False) if text or roles.paired}
        if not patterns:
            raise MedSynthError(_("Give a pattern for the files of one of the images at least."))
        kind = "dicom" if ui.dicomCheckBox.checked else "folders"
        if kind == "dicom":
            modalities = {role.name: role.modality for role in roles.images}
            patterns = {role: modalities[role] for role in patterns}
        self._start(
            lambda **calls: jobs.buildPairs(root, kind, patterns, roles.paired, self.dataSet, self._onBuilt, **calls),
            _("Looking for cases…"),
        )

    def addManifest(self) -> None:
        """Ask for a manifest and add its cases."""
        found = qt.QFileDialog.getOpenFileName(
            self._ui.addManifestButton, _("Manifest of cases"), "", _("Table (*.csv)")
        )
        path = found[0] if isinstance(found, tuple) else found  # PythonQt gives the name alone
        if path:
            self.addManifestFrom(Path(path))

    def addManifestFrom(self, path: Path) -> None:
        """Add the cases of a manifest."""
        cases = self.dataSet.addManifest(path)
        self._changed(_("Added {cases}.").format(cases=casesInWords(len(cases))))

    def check(self) -> None:
        """Check all cases."""
        roles = self._wanted()
        self._start(
            lambda **calls: jobs.checkCases(self.dataSet, roles, self._onChecked, **calls), _("Checking the cases…")
        )

    def registerSelected(self) -> None:
        """Register the selected cases, one after the other."""
        names = self.selected()
        if not names:
            raise MedSynthError(_("Select the cases to register in the table first."))
        self._register(names)

    def removeSelected(self) -> None:
        """Remove the selected cases from the data set."""
        names = self.selected()
        self.dataSet.remove(names)
        self._changed(_("Removed {cases}; images that were not written here are untouched.").format(
            cases=casesInWords(len(names))
        ))  # fmt: skip

    def showSelected(self) -> None:
        """Load the first selected case into the scene and show its second image over the first."""
        names = self.selected()
        if not names:
            raise MedSynthError(_("Select the case to show in the table first."))
        case, nodes, roles = self.dataSet.case(names[0]), [], self._wanted()
        for role in roles.names:
            if not roles.paired and role not in case.files:
                continue
            try:
                nodes.append(slicer.util.loadVolume(str(case.files[role]), {"name": f"{case.name} {role}"}))
            except (KeyError, RuntimeError):
                raise MedSynthError(
                    _("The image '{role}' of {name} cannot be loaded.").format(role=role, name=case.name)
                ) from None
        if len(nodes) > 1:
            showOver(*nodes)
        else:
            slicer.util.setSliceViewerLayers(background=nodes[0], fit=True)

    def divide(self) -> None:
        """Divide the cases by patient; those that have a split keep it."""
        keep = any(case.split for case in self.dataSet.cases) and bool(self.dataSet.count(""))
        self.dataSet.divide(self._wanted(), keep=keep)
        self._changed(_("Divided by patient."))

    def moveSelected(self, index: int = 0) -> None:
        """Put the selected cases into the split that was chosen."""
        box = self._ui.moveComboBox
        split = box.itemData(box.currentIndex)
        box.setCurrentIndex(0)
        if split and self.selected():
            self.dataSet.setSplit(self.selected(), split)
            self._changed("")

    def cancel(self) -> None:
        """Cancel the job that runs."""
        self._queue.clear()
        if self.running:
            self._job.cancel()

    def wait(self) -> None:
        """Return when no long job runs any more."""
        while self.running or self._queue:
            if self.running:
                self._job.wait()
            slicer.app.processEvents()

    def _register(self, names: list[str]) -> None:
        self._queue = list(names)
        self._registerNext()

    def _registerNext(self) -> None:
        name, roles, deformable = self._queue.pop(0), self._wanted(), self._ui.deformableCheckBox.checked

        def finish(quality: dict[str, Any] | None, error: Exception | None) -> None:
            self._onRegistered(name, quality, error)

        self._start(
            lambda **calls: jobs.RegisterJob(self.dataSet, name, roles, finish, deformable, **calls),
            _("Registering {name}…").format(name=name),
        )

    def _start(self, make: Callable[..., Any], message: str) -> None:
        if self.running:
            raise MedSynthError(_("Wait for the end of what is running, or cancel it."))
        self._ui.dataProgressBar.value = 0
        self._say(message)
        with slicer.util.WaitCursor():
            self._job = make(onProgress=self._onProgress, onLog=self._onLog)
        self.refresh()

    def _onProgress(self, fraction: float, message: str) -> None:
        self._ui.dataProgressBar.value = round(STEPS * fraction)
        self._say(message)

    def _onVolumesAdded(self, cases: list[Case] | None, error: Exception | None, register: bool) -> None:
        if self._job is None:  # closed, and the widgets may be gone
            return
        self._changed(_("Added {name}.").format(name=cases[0].name) if cases is not None else sentenceOf(error))
        if cases is not None and register and not self._wanted().lackingIn(cases[0].files):
            self._queue = [cases[0].name]
            qt.QTimer.singleShot(0, told(self._registerNext, self._onProblem))

    def _onBuilt(self, cases: list[Case] | None, error: Exception | None) -> None:
        if self._job is None:  # closed, and the widgets may be gone
            return
        added = _("Added {cases}.").format(cases=casesInWords(len(cases))) if cases is not None else ""
        self._changed(added or sentenceOf(error))

    def _onChecked(self, checks: list[dict[str, Any]] | None, error: Exception | None) -> None:
        if self._job is None:
            return
        if checks is None:
            self._changed(sentenceOf(error))
            return
        self._checks = {check["case"]: check for check in checks}
        counts = [f"{sum(c['state'] == state for c in checks)} {state}" for state in MARKS]
        self._changed(_("Checked: {counts}.").format(counts=", ".join(counts)))

    def _onRegistered(self, name: str, quality: dict[str, Any] | None, error: Exception | None) -> None:
        if self._job is None:
            return
        if quality is None:
            self._queue.clear()
            self._changed(f"{name}: {sentenceOf(error)}")
            return
        before, after = quality["before"], quality["after"]
        words = _("{name}: mutual information {before} → {after}.").format(
            name=name,
            before=f"{before['mutual_information']:.2f}" if before else "–",
            after=f"{after['mutual_information']:.2f}",
        )
        self._checks.pop(name, None)
        self._changed(" ".join(part for part in (words, quality.get("note") or "") if part))
        if self._queue:
            qt.QTimer.singleShot(0, told(self._registerNext, self._onProblem))

    def _changed(self, message: str) -> None:
        known = {case.name for case in self.dataSet.cases}
        self._checks = {name: check for name, check in self._checks.items() if name in known}
        self._say(message)
        self.refresh()
        self._onChanged()

    def _onProblem(self, sentence: str) -> None:
        self._say(sentence)
        self.refresh()

    def _wanted(self) -> Roles:
        if self._roles is None:
            raise MedSynthError(_("Correct the recipe first: it says what the images of a case are."))
        return self._roles

    def _tellSelected(self) -> None:
        problems = [
            problem for name in self.selected()[:1] for problem in self._checks.get(name, {}).get("problems", ())
        ]
        if problems:
            self._say(" ".join(problems))

    def _showWhatIsNeeded(self, roles: Roles) -> None:
        """Say what is needed of a case: a pair, one of two images, or what lower doses are simulated from."""
        ui, isPair = self._ui, len(roles.images) == 2
        for widget in (
            ui.targetVolumeCaption, ui.targetVolumeSelector, ui.targetPatternEdit, ui.registerCheckBox,
            ui.deformableCheckBox,
        ):  # fmt: skip
            widget.visible = isPair
        first, second = (*roles.names, "")[:2]
        ui.inputVolumeCaption.text = f"{first}:" if roles.simulated else _("Input:")
        ui.targetVolumeCaption.text = f"{second}:" if roles.simulated else _("Target:")
        ui.inputVolumeSelector.toolTip = (
            _("The full-dose image, from which lower doses are simulated.") if roles.simulated
            else _("The image to synthesize from.")
        )  # fmt: skip
        ui.targetVolumeSelector.toolTip = (
            _("The CT by which photons are attenuated, of the same patient and place.") if roles.simulated
            else _("The image to synthesize, of the same patient and place.")
        )  # fmt: skip
        ui.registerCheckBox.toolTip = _("Register {second} rigidly to {first}.").format(first=first, second=second)
        ui.addPairButton.text = _("Add pair") if roles.paired and isPair else _("Add")
        ui.addPairButton.toolTip = (
            _("Write what is chosen into the folder as a new case.") if roles.paired
            else _("Write the chosen volumes into the folder as a new case. One is enough to train; validation and "
                   "test need both.")
        )  # fmt: skip
        for edit in self._patternEdits():
            edit.placeholderText = "" if roles.paired else _("none")

    def _patternEdits(self) -> tuple[Any, Any]:
        return self._ui.inputPatternEdit, self._ui.targetPatternEdit

    def _showThumbnails(self) -> None:
        if self._thumbnails is None or self.dataSet is None or self._roles is None:
            return
        for row, case in enumerate(self.dataSet.cases):
            for column, role in zip((INPUT, TARGET), self._roles.names, strict=False):
                file = case.files.get(role)
                picture = self._thumbnails.get(file) if file is not None else None
                cell = self._cell(row, column)
                cell.setIcon(qt.QIcon(str(picture)) if picture else qt.QIcon())
                cell.setText("" if picture else "–" if file is None or not file.is_file() else "…")
                cell.setToolTip(str(file or _("no file")))

    def _cell(self, row: int, column: int):
        item = self._ui.caseTable.item(row, column)
        if item is None:
            item = qt.QTableWidgetItem()
            self._ui.caseTable.setItem(row, column, item)
        return item

    def _select(self, names: list[str]) -> None:
        table = self._ui.caseTable
        wasBlocked = table.blockSignals(True)
        for row in range(table.rowCount):
            chosen = self._cell(row, CASE).text() in names
            for column in range(table.columnCount):
                self._cell(row, column).setSelected(chosen)
        table.blockSignals(wasBlocked)

    def _say(self, text: str) -> None:
        self._ui.dataStatusLabel.text = text
