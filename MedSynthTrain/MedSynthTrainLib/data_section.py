"""The section Data: adding cases, checking, registering, dividing and removing them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
import slicer
from MedSynthLib.connections import Connections, Timer
from MedSynthLib.display import showOver
from MedSynthLib.job import State
from MedSynthLib.messages import sentenceOf, told
from slicer.i18n import tr as _

from medsynth_core.datasets.completeness import lacking_roles
from medsynth_core.datasets.manifest import SPLITS, Case
from medsynth_core.errors import MedSynthError
from medsynth_core.systems.data_needs import DataNeeds, Role
from MedSynthTrainLib import dataset_jobs as jobs
from MedSynthTrainLib.case_images import CaseImages
from MedSynthTrainLib.case_table import MARKS, CaseTable
from MedSynthTrainLib.dataset import DataSet

STEPS = 1000


@dataclass(frozen=True)
class _ToRegister:
    """An image that waits for its registration, as it was asked for: the recipe may change meanwhile.

    Attributes:
        case: name of the case.
        title: case, and the image where it has several to register.
        roles: of the image that keeps its position and of the image that is registered to it.
        deformable: whether it is deformed as well.
    """

    case: str
    title: str
    roles: tuple[Role, Role]
    deformable: bool


class DataSection:
    """Shows the data set and works on it, one long job at a time.

    Attributes:
        dataSet: the cases; None while the folder has a manifest that cannot be used.
        images: asks for the images of a case.

    Args:
        ui: the panel's widgets.
        nodes: returns the volume nodes that are chosen for the first two images, each may be None.
        onChanged: called when the data set has changed.
        onLog: called with lines for the log.
    """

    def __init__(
        self,
        ui,
        nodes: Callable[[], tuple[Any, Any]],
        onChanged: Callable[[], None],
        onLog: Callable[[str], None],
    ) -> None:
        self._ui, self._nodes, self._onChanged, self._onLog = ui, nodes, onChanged, onLog
        self._needs: DataNeeds | None = None
        self._validNeeds: DataNeeds | None = None  # those of the last valid recipe
        self._checks: dict[str, dict[str, Any]] = {}
        self._checked: dict[str, tuple] = {}  # what was checked, by the names of the cases
        self._job: Any = None
        self._queue: list[_ToRegister] = []
        self._connections = Connections()
        # A job that has just ended cannot be followed by the next one before its callback has returned.
        self._next = Timer(told(self._registerNext, self._onProblem), 0, once=True)
        self.images = CaseImages(ui)
        self._table = CaseTable(ui.caseTable, self._sayProblems)
        self.dataSet: DataSet | None = None
        for split in SPLITS:
            ui.moveComboBox.addItem(split, split)
        for button, slot in (
            (ui.addPairButton, self.addVolumes), (ui.addFolderButton, self.addFolder),
            (ui.addManifestButton, self.addManifest), (ui.checkButton, self.check),
            (ui.registerButton, self.registerSelected), (ui.removeButton, self.removeSelected),
            (ui.showButton, self.showSelected), (ui.divideButton, self.divide), (ui.cancelDataButton, self.cancel),
        ):  # fmt: skip
            self._connections.connect(button, "clicked(bool)", told(slot, self._onProblem))
        self._connections.connect(ui.moveComboBox, "activated(int)", told(self.moveSelected, self._onProblem))

    def open(self, folder: Path) -> None:
        """Show the data set in a folder; a manifest that cannot be used is reported and left as it is."""
        self._abort()
        self._checks, self.dataSet = {}, None
        self._say("")
        try:
            self.dataSet = DataSet(folder)
        except MedSynthError as problem:
            self._say(problem.message)
        self._table.open(self.dataSet)
        self.refresh()

    def close(self) -> None:
        """Abort what still runs, and disconnect the widgets."""
        self._abort()
        self._table.close()
        self._next.close()
        self._connections.close()

    def _abort(self) -> None:
        self._queue.clear()
        self._next.stop()
        job, self._job = self._job, None  # None first: callbacks then leave the widgets alone, which may be gone
        if job is not None:
            job.abort()

    def setNeeds(self, needs: DataNeeds | None) -> None:
        """Adapt the section to what another recipe needs of its cases; None while the recipe is invalid."""
        if needs == self._needs:
            return
        self._needs = needs
        # A recipe that is invalid while it is being typed changes nothing of what was entered or checked before.
        if needs is not None and needs != self._validNeeds:
            self._validNeeds, self._checks = needs, {}
            self.images.suggestPatterns(needs)
            self.images.show(needs)
        self.refresh()

    @property
    def running(self) -> bool:
        """Whether a long job is under way."""
        return self._job is not None and self._job.state is not State.FINISHED

    def readAgain(self) -> None:
        """Show the data set as it is on the disk, where another program may have changed it."""
        if self.dataSet is None or self.running:
            return
        try:
            changed = self.dataSet.readAgain()
        except MedSynthError as problem:
            self._say(problem.message)
            return
        if changed:
            self._changed("")

    def refresh(self) -> None:
        """Show the data set as it is."""
        self._dropChecks()
        ui, cases = self._ui, self.dataSet.cases if self.dataSet else []
        names = self._needs.names if self._needs else ()
        self._table.show(cases, names, self._checks)
        free = self.dataSet is not None and self._needs is not None and not self.running
        for button in (ui.addPairButton, ui.addFolderButton, ui.addManifestButton):
            button.enabled = free
        for button in (ui.checkButton, ui.registerButton, ui.removeButton, ui.showButton, ui.divideButton):
            button.enabled = free and bool(cases)
        ui.registerButton.enabled = ui.registerButton.enabled and len(names) > 1
        ui.moveComboBox.enabled = free and bool(cases)
        ui.cancelDataButton.visible = ui.dataProgressBar.visible = self.running
        counts = ", ".join(f"{self.dataSet.count(split)} {split}" for split in SPLITS) if self.dataSet else ""
        ui.countLabel.text = (
            _("{cases}: {counts}").format(cases=countOfCases(len(cases)), counts=counts) if cases else ""
        )

    def selected(self) -> list[str]:
        """Return the names of the selected cases."""
        return self._table.selected()

    def addVolumes(self) -> None:
        """Write the chosen volumes as a new case, and register it if the check box is on."""
        ui, needs = self._ui, self._wanted()
        register = ui.registerCheckBox.checked and len(needs.roles) > 1
        nodes = self.images.volumes(needs, self._nodes())
        notes: list[str] = []

        def finish(cases: list[Case] | None, error: Exception | None) -> None:
            self._onVolumesAdded(cases, error, needs if register else None, notes)

        def log(message: str) -> None:
            notes.append(message)
            self._onLog(message)

        self._start(
            lambda **calls: jobs.addVolumes(
                self.dataSet, nodes, needs, ui.caseNameEdit.text, ui.patientEdit.text, finish, **{**calls, "onLog": log}
            ),
            _("Writing the images…"),
        )
        ui.caseNameEdit.text = ui.patientEdit.text = ""

    def addFolder(self) -> None:
        """Ask for a folder and add the cases in it."""
        add = self._folderAdder()  # before the question: the recipe may change while it is open
        root = qt.QFileDialog.getExistingDirectory(self._ui.addFolderButton, _("Folder with cases"), "")
        if root:
            add(Path(root))

    def addFolderFrom(self, root: Path) -> None:
        """Add the cases in a folder, found by the patterns of file names or by DICOM modality.

        Without any pattern the folder is a public data set.
        """
        self._folderAdder()(root)

    def _folderAdder(self) -> Callable[[Path], None]:
        """Return what adds the cases in a folder to the data set, by the recipe and the patterns as they are now."""
        needs, dataSet = self._wanted(), self.dataSet
        patterns = self.images.patterns(needs)
        kind = "dicom" if self._ui.dicomCheckBox.checked else "folders" if any(patterns.values()) else "data_set"
        if kind == "dicom":
            if not patterns:
                raise MedSynthError(_("Enter a pattern for at least one of the images that the DICOM files contain."))
            modalities = {role.name: role.modality for role in needs.roles}
            patterns = {role: modalities[role] for role in patterns}

        def add(root: Path) -> None:
            self._checkIsOpen(dataSet)
            self._start(
                lambda **calls: jobs.buildPairs(root, kind, patterns, needs.paired, dataSet, self._onBuilt, **calls),
                _("Looking for cases…"),
            )

        return add

    def addManifest(self) -> None:
        """Ask for a manifest and add its cases."""
        dataSet = self.dataSet
        found = qt.QFileDialog.getOpenFileName(
            self._ui.addManifestButton, _("Manifest of cases"), "", _("Table (*.csv)")
        )
        path = found[0] if isinstance(found, tuple) else found  # PythonQt gives the name alone
        if path:
            self._checkIsOpen(dataSet)
            self.addManifestFrom(Path(path))

    def addManifestFrom(self, path: Path) -> None:
        """Add the cases of a manifest."""
        cases = self.dataSet.addManifest(path)
        self._changed(_("Added {cases}.").format(cases=countOfCases(len(cases))))

    def _checkIsOpen(self, dataSet: DataSet | None) -> None:
        """Raise an error if cases were to be added to another data set than the one that is shown now."""
        if dataSet is not self.dataSet:
            raise MedSynthError(
                _("Another folder was opened in the meantime, so nothing was added; add the cases again.")
            )

    def check(self) -> None:
        """Check all cases."""
        needs = self._wanted()

        def finish(checks: dict[str, Any] | None, error: Exception | None) -> None:
            self._onChecked(checks, error, needs)

        self._start(lambda **calls: jobs.checkCases(self.dataSet, needs, finish, **calls), _("Checking the cases…"))

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
        self._changed(_("Removed {cases}; your own image files were not deleted.").format(
            cases=countOfCases(len(names))
        ))  # fmt: skip

    def showSelected(self) -> None:
        """Load the first selected case into the scene and show its second image over the first."""
        names = self.selected()
        if not names:
            raise MedSynthError(_("Select the case to show in the table first."))
        case, nodes, needs = self.dataSet.case(names[0]), [], self._wanted()
        for role in needs.names:
            if role not in case.files and (not needs.paired or role in needs.optional):
                continue
            try:
                nodes.append(slicer.util.loadVolume(str(case.files[role]), {"name": f"{case.name} {role}"}))
            except (KeyError, RuntimeError):
                raise MedSynthError(
                    _("The image '{role}' of {name} cannot be loaded.").format(role=role, name=case.name)
                ) from None
        if len(nodes) > 1:
            showOver(*nodes[:2])
        else:
            slicer.util.setSliceViewerLayers(background=nodes[0], fit=True)

    def divide(self) -> None:
        """Divide the cases by patient; those that have a split keep it."""
        keep = any(case.split for case in self.dataSet.cases) and bool(self.dataSet.count(""))
        self.dataSet.divide(self._wanted(), keep=keep)
        self._changed(_("Divided by patient."))

    def moveSelected(self, index: int = 0) -> None:
        """Move the selected cases to the split that was chosen."""
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
        """Return when all jobs have finished."""
        while self.running or self._queue:
            if self.running:
                self._job.wait()
            slicer.app.processEvents()

    def _register(self, names: list[str]) -> None:
        self._queue = self._queued(names, self._wanted())
        if not self._queue:
            raise MedSynthError(_("The selected cases have one image each, so there is nothing to register."))
        self._registerNext()

    def _queued(self, names: list[str], needs: DataNeeds) -> list[_ToRegister]:
        """Return the images of cases that are to be registered, as the panel asks for it now."""
        first, deformable, several = needs.roles[0], self._ui.deformableCheckBox.checked, len(needs.roles) > 2
        return [
            _ToRegister(name, f"{name}, {role.name}" if several else name, (first, role), deformable)
            for case in names
            for name, role in self._toRegister(case, needs)
        ]

    def _toRegister(self, name: str, needs: DataNeeds | None = None) -> list[tuple[str, Role]]:
        """Return a case with each role that is registered to its first image; optional ones that it lacks are not.

        Args:
            name: name of the case.
            needs: what the recipe needs of a case; that of the present recipe if None.
        """
        needs, files = needs or self._wanted(), self.dataSet.case(name).files
        return [(name, role) for role in needs.roles[1:] if role.name in files or role.name not in needs.optional]

    def _registerNext(self) -> None:
        if not self._queue:
            return
        image = self._queue.pop(0)

        def finish(quality: dict[str, Any] | None, error: Exception | None) -> None:
            self._onRegistered(image, quality, error)

        self._start(
            lambda **calls: jobs.RegisterJob(self.dataSet, image.case, image.roles, finish, image.deformable, **calls),
            _("Registering {name}…").format(name=image.title),
        )

    def _start(self, make: Callable[..., Any], message: str) -> None:
        if self.running:
            raise MedSynthError(_("Wait until the running job has finished, or cancel it."))
        self._ui.dataProgressBar.value = 0
        self._say(message)
        with slicer.util.WaitCursor():
            self._job = make(onProgress=self._onProgress, onLog=self._onLog)
        self.refresh()

    def _onProgress(self, fraction: float, message: str) -> None:
        if self._job is None:  # closed, and the widgets may be gone
            return
        self._ui.dataProgressBar.value = round(STEPS * fraction)
        self._say(message)

    def _onVolumesAdded(
        self, cases: list[Case] | None, error: Exception | None, needs: DataNeeds | None, notes: list[str]
    ) -> None:
        """Show the new case, and register it by what the recipe needed when it was added; not with None."""
        if self._job is None:  # closed, and the widgets may be gone
            return
        added = _("Added {name}.").format(name=cases[0].name) if cases is not None else sentenceOf(error)
        self._changed(" ".join([added, *(notes if cases is not None else [])]))
        if cases is not None and needs is not None and not lacking_roles(cases[0].files, needs):
            self._queue = self._queued([cases[0].name], needs)
            self._next.start()

    def _onBuilt(self, cases: list[Case] | None, error: Exception | None) -> None:
        if self._job is None:  # closed, and the widgets may be gone
            return
        added = _("Added {cases}.").format(cases=countOfCases(len(cases))) if cases is not None else ""
        self._changed(added or sentenceOf(error))

    def _onChecked(self, checks: dict[str, Any] | None, error: Exception | None, needs: DataNeeds) -> None:
        if self._job is None:
            return
        if checks is None:
            self._changed(sentenceOf(error))
            return
        if needs != self._validNeeds:
            self._changed(_("The recipe now needs other images than those that were checked; check the cases again."))
            return
        self._checks = {check["case"]: check for check in checks["cases"]}
        self._checked = {case.name: _identity(case) for case in self.dataSet.cases}
        counts = ", ".join(f"{checks['counts'][state]} {state}" for state in MARKS)
        self._changed(" ".join([_("Checked: {counts}.").format(counts=counts), *checks["notes"]]))

    def _onRegistered(self, image: _ToRegister, quality: dict[str, Any] | None, error: Exception | None) -> None:
        if self._job is None:
            return
        if quality is None:
            self._queue.clear()
            self._changed(f"{image.title}: {sentenceOf(error)}")
            return
        before, after = quality["before"], quality["after"]
        words = _("{name}: mutual information {before} → {after}.").format(
            name=image.title,
            before=f"{before['mutual_information']:.2f}" if before else "–",
            after=f"{after['mutual_information']:.2f}",
        )
        self._checks.pop(image.case, None)
        self._changed(" ".join(part for part in (words, quality.get("note") or "") if part))
        if self._queue:
            self._next.start()

    def _changed(self, message: str) -> None:
        self._say(message)
        self.refresh()
        self._onChanged()

    def _dropChecks(self) -> None:
        """Forget the checks of cases that are gone, or whose files or patient are not those that were checked."""
        cases = {case.name: case for case in self.dataSet.cases} if self.dataSet else {}
        self._checks = {
            name: check
            for name, check in self._checks.items()
            if name in cases and _identity(cases[name]) == self._checked.get(name)
        }

    def _onProblem(self, sentence: str) -> None:
        self._say(sentence)
        self.refresh()

    def _wanted(self) -> DataNeeds:
        if self._needs is None:
            raise MedSynthError(_("Correct the recipe first: it states which images a case needs."))
        return self._needs

    def _sayProblems(self) -> None:
        """Say what the check found in the first selected case."""
        problems = [
            problem for name in self.selected()[:1] for problem in self._checks.get(name, {}).get("problems", ())
        ]
        if problems:
            self._say(" ".join(problems))

    def _say(self, text: str) -> None:
        self._ui.dataStatusLabel.text = text


def _identity(case: Case) -> tuple:
    return case.patient, case.files


def countOfCases(count: int) -> str:
    """Return a number of cases in words: ``1 case``, ``4 cases``."""
    return _("1 case") if count == 1 else _("{count} cases").format(count=count)
