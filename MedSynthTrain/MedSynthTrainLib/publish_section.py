"""The section Publish: how good the model is on the test cases, its card, and where it goes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from MedSynthLib.job import State, WorkerJob
from MedSynthLib.wording import sentenceOf, told
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthTrainLib import about, publishing
from MedSynthTrainLib.metrics import TITLES
from MedSynthTrainLib.recipe_text import parsedRecipe
from MedSynthTrainLib.run import TrainingRun

STEPS = 1000
FIGURE_WIDTH = 384
ROW_HEIGHT, MOST_ROWS = 26, 6


class PublishSection:
    """Shows the report and the card of a run, and publishes it.

    Args:
        ui: the panel's widgets.
        device: returns where to compute.
        onLog: called with sentences to keep.
    """

    def __init__(self, ui, device: Callable[[], str], onLog: Callable[[str], None]) -> None:
        self._ui, self._device, self._onLog = ui, device, onLog
        self._run: TrainingRun | None = None
        self._job: WorkerJob | None = None
        self._closed = False
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
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        for button, slot in (
            (ui.publishButton, self.publish), (ui.libraryButton, self.addToLibrary), (ui.exportButton, self.export),
        ):  # fmt: skip
            button.connect("clicked(bool)", told(slot, self._onProblem))

    def show(self, run: TrainingRun | None) -> None:
        """Show the report and the card of another run, or of the same one after its state has changed."""
        another = run is not self._run
        self._run = run
        if not self.running:
            self._say("")
        if another:
            self._fillCard()
        self._fillScores(self._storedScores())
        self._showFigure(run.testFigure if run is not None else None)
        self.refresh()

    def close(self) -> None:
        """End what still runs."""
        self._closed = True
        if self.running:
            self._job.abort()

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self._job is not None and self._job.state is not State.FINISHED

    def wait(self) -> None:
        """Return when no job runs any more."""
        if self._job is not None:
            self._job.wait()

    def refresh(self) -> None:
        """Enable what can be done now."""
        ui, run = self._ui, self._run
        free = run is not None and not self.running
        package = run.package if run is not None else None
        ui.publishButton.enabled = self.running or (free and run.canPublish)
        ui.publishButton.text = _("Cancel") if self.running else _("Judge and write package")
        ui.libraryButton.enabled = ui.exportButton.enabled = free and package is not None and not run.alive
        ui.publishProgressBar.visible = self.running
        for field in self._fields.values():
            field.enabled = run is not None
        if run is None:
            self._say(_("Choose a training under Run that is stopped or finished."))
        elif run.alive:
            self._say(_("The training still runs; its best epoch can be published when it has stopped."))

    def card(self) -> dict[str, Any]:
        """Return the card as the form says it."""
        return about.fromTexts({name: _text(field) for name, field in self._fields.items()})

    def publish(self) -> None:
        """Judge the run on the test cases and write its package, or cancel that."""
        if self.running:
            self._job.cancel()
            return
        lacking = [name for name, value in self.card().items() if not value and name != "references"]
        if lacking:
            raise MedSynthError(
                _("The card says nothing under '{field}'; fill it in.").format(field=lacking[0].replace("_", " "))
            )
        self._start(
            lambda **calls: publishing.publish(self._run, self.card(), self._device(), self._onPublished, **calls),
            _("Judging the best epoch on the test cases…"),
        )

    def addToLibrary(self) -> None:
        """Put the package into the user's library, where the module MedSynth offers it."""
        self._start(
            lambda **calls: publishing.addToLibrary(self._package(), self._onAdded, **calls),
            _("Checking the package and copying it…"),
        )

    def export(self) -> None:
        """Ask where to write the package as a zip file, and write it."""
        package = self._package()
        found = qt.QFileDialog.getSaveFileName(
            self._ui.exportButton, _("Export package"), f"{package.name}.zip", _("Package (*.zip)")
        )
        path = found[0] if isinstance(found, tuple) else found  # PythonQt gives the name alone
        if path:
            self.exportTo(Path(path if path.endswith(".zip") else f"{path}.zip"))

    def exportTo(self, path: Path) -> None:
        """Write the package as a zip file."""
        with slicer.util.WaitCursor():
            publishing.exportPackage(self._package(), path)
        self._say(_("The package is in {path}.").format(path=path))

    def _package(self) -> Path:
        package = self._run.package if self._run is not None else None
        if package is None:
            raise MedSynthError(_("The training has no package yet; press Judge and write package first."))
        return package

    def _start(self, make: Callable[..., WorkerJob], message: str) -> None:
        self._ui.publishProgressBar.value = 0
        self._job = make(onProgress=self._onProgress, onLog=self._onLog)
        self._say(message)
        self.refresh()

    def _onProgress(self, fraction: float, message: str) -> None:
        self._ui.publishProgressBar.value = round(STEPS * fraction)
        self._say(message)

    def _onPublished(self, done: dict[str, Any] | None, error: Exception | None) -> None:
        if self._closed:
            return
        if done is None:
            self._end(sentenceOf(error))
            return
        self._run.poll()
        self._fillScores(done["cases"])
        self._showFigure(Path(done["figure"]) if done.get("figure") else None)
        self._end(_("The package is in {package}.").format(package=done["package"]))

    def _onAdded(self, done: dict[str, Any] | None, error: Exception | None) -> None:
        if self._closed:
            return
        self._end(
            _("The model {name} is in the library; the module MedSynth offers it.").format(name=done["name"])
            if done is not None
            else sentenceOf(error)
        )

    def _end(self, message: str) -> None:
        self._say(message)
        self._onLog(message)
        self.refresh()

    def _fillCard(self) -> None:
        texts = dict.fromkeys(self._fields, "")
        if self._run is not None:
            try:
                texts = self._storedCard()
            except (OSError, MedSynthError, ImportError) as problem:
                self._say(_("The card of this training cannot be read: {reason}").format(reason=problem))
        for name, field in self._fields.items():
            if isinstance(field, qt.QLineEdit):
                field.text = texts[name]
                field.setCursorPosition(0)  # else a long text shows its end
            else:
                field.plainText = texts[name]

    def _storedCard(self) -> dict[str, str]:
        """Return the card of the run's package; before there is one, that of its recipe."""
        if self._run.package is not None:
            return about.textsOfPackage(self._run.package)
        return about.textsOf(parsedRecipe(self._run.recipeFile.read_text(encoding="utf-8")).about)

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
            cells = [line["case"], *(f"{line[name]:.3f}" if line.get(name) is not None else "–" for name in TITLES)]
            for column, text in enumerate(cells):
                table.setItem(row, column, qt.QTableWidgetItem(text))
        # One more for the header, which is no higher than a row.
        table.setFixedHeight((min(len(lines), MOST_ROWS) + 1) * ROW_HEIGHT)
        table.visible = bool(rows)
        self._ui.reportLabel.text = (
            _("Best epoch by validation, judged on cases that training never saw:")
            if rows
            else _("Not judged on test cases yet.")
        )

    def _showFigure(self, file: Path | None) -> None:
        label = self._ui.figureLabel
        picture = qt.QPixmap(str(file)) if file is not None and file.is_file() else qt.QPixmap()
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
