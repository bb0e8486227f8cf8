"""The section Publish: test scores, model card, package, library and export."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from MedSynthLib.connections import Connections
from MedSynthLib.job import State, WorkerJob
from MedSynthLib.messages import asItIs, sentenceOf, told
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.metrics.conditions import validated
from medsynth_core.metrics.registry import cell
from MedSynthTrainLib import card_form, publishing
from MedSynthTrainLib.publishing import TITLES
from MedSynthTrainLib.recipe_text import readRecipe
from MedSynthTrainLib.run import TrainingRun

STEPS = 1000
FIGURE_WIDTH = 384
ROW_HEIGHT, MOST_ROWS = 26, 6


class PublishSection:
    """Shows the test scores and the card of a run, and publishes it.

    Args:
        ui: the panel's widgets.
        device: returns the chosen device.
        onLog: called with lines for the log.
    """

    def __init__(self, ui, device: Callable[[], str], onLog: Callable[[str], None]) -> None:
        self._ui, self._device, self._onLog = ui, device, onLog
        self._run: TrainingRun | None = None
        self._job: WorkerJob | None = None
        # What was typed and not published yet, by run folder; and what the form was filled with.
        self._typed: dict[Path, dict[str, str]] = {}
        self._filled: dict[str, str] = {}
        self._closed, self._connections = False, Connections()
        self._fields = {
            "title": ui.titleEdit,
            "description": ui.descriptionEdit,
            "intended_use": ui.useEdit,
            "limits": ui.limitsEdit,
            "authors": ui.authorsEdit,
            "licence": ui.licenceEdit,
            "data_licence": ui.dataLicenceEdit,
            "references": ui.referencesEdit,
        }
        table = ui.scoresTable
        table.setColumnCount(1 + len(TITLES))
        table.setHorizontalHeaderLabels([_("Test case"), *TITLES.values()])
        for column, name in enumerate(TITLES, start=1):
            table.horizontalHeaderItem(column).setToolTip(asItIs(validated("", None).head(name)))
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        for button, slot in (
            (ui.publishButton, self.publish), (ui.libraryButton, self.addToLibrary), (ui.exportButton, self.export),
        ):  # fmt: skip
            self._connections.connect(button, "clicked(bool)", told(slot, self._onProblem))

    def show(self, run: TrainingRun | None) -> None:
        """Show the test scores and the card of another run, or of the same one after its state has changed."""
        another = run is not self._run
        if another:
            self._rememberCard()
        self._run = run
        if not self.running:
            self._say("")
        if another:
            self._fillCard()
        self._fillScores(self._storedScores())
        self._showFigure(run.testFigure if run is not None else None)
        self.refresh()

    def close(self) -> None:
        """Abort what still runs, and disconnect the widgets."""
        self._closed = True
        self._connections.close()
        if self._job is not None:
            self._job.abort()

    @property
    def running(self) -> bool:
        """Whether a job is running."""
        return self._job is not None and self._job.state is not State.FINISHED

    def wait(self) -> None:
        """Return when the job has finished."""
        if self._job is not None:
            self._job.wait()

    def refresh(self) -> None:
        """Enable the buttons whose actions are possible now."""
        ui, run = self._ui, self._run
        free = run is not None and not self.running
        package = run.package if run is not None else None
        ui.publishButton.enabled = self.running or (free and run.canPublish)
        ui.publishButton.text = _("Cancel") if self.running else _("Evaluate and write package")
        ui.libraryButton.enabled = ui.exportButton.enabled = free and package is not None and not run.alive
        ui.publishProgressBar.visible = self.running
        for field in self._fields.values():
            field.enabled = run is not None
        if run is None:
            self._say(_("Choose a stopped or finished training under Run."))
        elif run.alive:
            self._say(_("The training is still running; its best epoch can be published when it has stopped."))

    def card(self) -> dict[str, Any]:
        """Return the text of the card in the form."""
        return card_form.fromTexts(self._texts())

    def _texts(self) -> dict[str, str]:
        return {name: _text(field) for name, field in self._fields.items()}

    def publish(self) -> None:
        """Evaluate the run on the test cases and write its package, or cancel that."""
        if self.running:
            self._job.cancel()
            return
        lacking = [name for name, value in self.card().items() if not value and name != "references"]
        if lacking:
            raise MedSynthError(
                _("The field '{field}' of the card is empty; fill it in.").format(field=lacking[0].replace("_", " "))
            )
        run, card = self._run, self.card()
        self._start(
            lambda finish, **calls: publishing.publish(run, card, self._device(), finish, **calls),
            self._onPublished,
            _("Evaluating the best epoch on the test cases…"),
        )

    def addToLibrary(self) -> None:
        """Copy the package to the user's library, where the module MedSynth offers it."""
        package = self._package()
        self._start(
            lambda finish, **calls: publishing.addToLibrary(package, finish, **calls),
            self._onAdded,
            _("Checking the package and copying it…"),
        )

    def export(self) -> None:
        """Ask where to write the package as a zip file, and write it."""
        run, package = self._run, self._package()  # before the question: another may be chosen while it is open
        found = qt.QFileDialog.getSaveFileName(
            self._ui.exportButton, _("Export package"), f"{package.name}.zip", _("Package (*.zip)")
        )
        path = found[0] if isinstance(found, tuple) else found  # PythonQt gives the name alone
        if path:
            named = path.endswith(".zip")
            # The dialog has asked whether to replace a file of the name that was typed.
            self._write(run, package, Path(path if named else f"{path}.zip"), replace=named)

    def exportTo(self, path: Path, replace: bool = False) -> None:
        """Write the package as a zip file; an existing file only on request."""
        self._write(self._run, self._package(), path, replace)

    def _write(self, run: TrainingRun, package: Path, path: Path, replace: bool) -> None:
        with slicer.util.WaitCursor():
            publishing.exportPackage(package, path, replace)
        self._end(run, _("The package is in {path}.").format(path=path))

    def _package(self) -> Path:
        package = self._run.package if self._run is not None else None
        if package is None:
            raise MedSynthError(_("The training has no package yet; press Evaluate and write package first."))
        return package

    def _start(
        self, make: Callable[..., WorkerJob], onDone: Callable[[TrainingRun, dict[str, Any]], str], message: str
    ) -> None:
        """Start a job for the run that is shown; another one may be shown when it ends.

        Args:
            make: returns the job; called with what to call at its end, ``onProgress`` and ``onLog``.
            onDone: called with the run and what the job has done; returns a sentence.
            message: shown until the first progress.
        """
        run = self._run

        def finish(done: dict[str, Any] | None, error: Exception | None) -> None:
            if not self._closed:
                self._end(run, onDone(run, done) if done is not None else sentenceOf(error))

        def progress(fraction: float, text: str) -> None:
            if not self._closed:
                self._ui.publishProgressBar.value = round(STEPS * fraction)
                self._say(text if run is self._run else f"{run.folder.name}: {text}")

        self._ui.publishProgressBar.value = 0
        self._job = make(finish, onProgress=progress, onLog=self._onLog)
        self._say(message)
        self.refresh()

    def _onPublished(self, run: TrainingRun, done: dict[str, Any]) -> str:
        run.poll()
        if run is self._run:
            self._fillScores(done["cases"])
            self._showFigure(Path(done["figure"]) if done.get("figure") else None)
        return _("The package is in {package}.").format(package=done["package"])

    def _onAdded(self, _run: TrainingRun, done: dict[str, Any]) -> str:
        return _("The model {name} is in the library; choose it in the module MedSynth.").format(name=done["name"])

    def _end(self, run: TrainingRun, message: str) -> None:
        """Show how a job for a run has ended; beside another run it is only logged, with the name of its own."""
        isShown = run is self._run
        self._say(message if isShown else "")
        self._onLog(message if isShown else f"{run.folder.name}: {message}")
        self.refresh()

    def _rememberCard(self) -> None:
        """Keep what was typed into the form of a run, before that of another one is shown."""
        if self._run is not None and self._texts() != self._filled:
            self._typed[self._run.folder] = self._texts()

    def _fillCard(self) -> None:
        texts = dict.fromkeys(self._fields, "")
        if self._run is not None and self._run.folder in self._typed:
            texts = self._typed[self._run.folder]
        elif self._run is not None:
            try:
                texts = self._storedCard()
            except (MedSynthError, ImportError) as problem:
                self._say(_("The card of this training cannot be read: {reason}").format(reason=problem))
        for name, field in self._fields.items():
            if isinstance(field, qt.QLineEdit):
                field.text = texts[name]
                field.setCursorPosition(0)  # else a long text shows its end
            else:
                field.plainText = texts[name]
        self._filled = self._texts()

    def _storedCard(self) -> dict[str, str]:
        """Return the card of the run's package, or of its recipe if there is no package yet."""
        if self._run.package is not None:
            return card_form.textsOfPackage(self._run.package)
        return card_form.textsOf(readRecipe(self._run.recipeFile).about)

    def _storedScores(self) -> list[dict[str, Any]]:
        table = self._run.testScores if self._run is not None else None
        try:
            return publishing.readScores(table) if table is not None else []
        except MedSynthError as problem:
            self._say(problem.message)
            return []

    def _fillScores(self, rows: list[dict[str, Any]]) -> None:
        table = self._ui.scoresTable
        lines = (
            [*rows, {"case": _("Mean of {count}").format(count=len(rows)), **publishing.means(rows)}] if rows else []
        )
        table.setRowCount(len(lines))
        for row, line in enumerate(lines):
            cells = [line["case"], *(cell(name, line.get(name)) for name in TITLES)]
            for column, text in enumerate(cells):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        # One more for the header, which is not higher than a row.
        table.setFixedHeight((min(len(lines), MOST_ROWS) + 1) * ROW_HEIGHT)
        table.visible = bool(rows)
        self._ui.reportLabel.text = (
            _("Best epoch by validation, evaluated on the test cases:")
            if rows
            else _("Not evaluated on test cases yet.")
        )

    def _showFigure(self, file: Path | None) -> None:
        label = self._ui.figureLabel
        picture = qt.QPixmap(str(file)) if file is not None and os.path.isfile(file) else qt.QPixmap()
        label.visible = not picture.isNull()
        if not picture.isNull():
            label.setPixmap(picture.scaledToWidth(FIGURE_WIDTH, qt.Qt.SmoothTransformation))

    def _onProblem(self, sentence: str) -> None:
        self._say(sentence)
        self.refresh()

    def _say(self, text: str) -> None:
        self._ui.publishStatusLabel.text = text


def _text(field: Any) -> str:
    return field.text if isinstance(field, qt.QLineEdit) else field.plainText
