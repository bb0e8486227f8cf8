"""The section Run: start, stop and resume, and what a training tells while it runs."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from MedSynthLib.device_box import DeviceBox
from MedSynthLib.timeleft import inWords
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthTrainLib import settings
from MedSynthTrainLib.curves import Curves
from MedSynthTrainLib.metrics import TITLES
from MedSynthTrainLib.run import RunState, TrainingRun, findRuns

POLL_INTERVAL_MS = 500
STEPS = 1000
PREVIEW_WIDTH = 384
GIGABYTE = 1e9
STATES = {
    RunState.STARTING: _("starting"),
    RunState.RUNNING: _("running"),
    RunState.STOPPING: _("stopping"),
    RunState.STOPPED: _("stopped"),
    RunState.FINISHED: _("finished"),
    RunState.FAILED: _("failed"),
    RunState.DEAD: _("ended unexpectedly"),
}


class RunSection:
    """Shows one run of those in the folder, or a new one that can be started, and follows it.

    Args:
        ui: the panel's widgets.
        start: starts a new training on a device and returns it, or raises `MedSynthError`.
        whatIsMissing: returns in a sentence why no training can be started; "" if one can.
        onChanged: called when another run is shown, or its state has changed.
    """

    def __init__(
        self,
        ui,
        start: Callable[[str], TrainingRun],
        whatIsMissing: Callable[[], str],
        onChanged: Callable[[], None],
    ) -> None:
        self._ui, self._start, self._whatIsMissing, self._onChanged = ui, start, whatIsMissing, onChanged
        self._curves, self.devices = Curves(), DeviceBox(ui.deviceComboBox, settings.DEVICE)
        self.runs: list[TrainingRun] = []
        self.run: TrainingRun | None = None
        for name, title in TITLES.items():
            ui.metricComboBox.addItem(title, name)
        ui.metricComboBox.connect("currentIndexChanged(int)", lambda index: self._showCurves())
        ui.runComboBox.connect("activated(int)", self._choose)
        ui.startButton.connect("clicked(bool)", self.onStartButton)
        ui.curvesButton.connect("clicked(bool)", self._onCurvesButton)
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_INTERVAL_MS)
        self._timer.connect("timeout()", self.poll)

    def open(self, folder: Path) -> None:
        """Find the runs in a folder; one that is running is followed at once, else the newest is shown."""
        self.runs = []
        for place in findRuns(folder):
            try:
                self.runs.append(TrainingRun(place))
            except (OSError, ValueError, KeyError) as problem:
                logging.warning("MedSynth: the run in %s cannot be read: %s", place, problem)
        alive = [run for run in self.runs if run.alive]
        self.show(alive[0] if alive else self.runs[0] if self.runs else None)
        for run in alive:
            self._follow(run)
            since = time.strftime("%H:%M", time.localtime(run.startedAt)) if run.startedAt else _("a moment ago")
            self.log(_("{name} is still running since {since}.").format(name=run.folder.name, since=since))
        self._timer.start()

    def close(self) -> None:
        """Follow no more; a training goes on."""
        self._timer.stop()

    def show(self, run: TrainingRun | None) -> None:
        """Show a run, or with None what a new one needs."""
        self.run = run
        if run is not None:
            self._follow(run)
        if run is not None and run not in self.runs:
            self.runs.insert(0, run)
        self._fillRuns()
        self.refresh()
        self._showCurves()
        self._showPreview()
        self._onChanged()

    def onStartButton(self, *_clicked: Any) -> None:
        """Start a new training, stop the one that runs, or resume the one that was stopped."""
        run = self.run
        try:
            if run is None:
                self.show(self._start(self.devices.device))
                self.log(_("Started {name}.").format(name=self.run.folder.name))
                self._curves.show()
            elif run.alive:
                run.stop()
                self.log(_("Stopping {name}…").format(name=run.folder.name))
            else:
                run.resume(self.devices.device)
                self.log(_("Resumed {name}.").format(name=run.folder.name))
        except MedSynthError as problem:
            self._say(problem.message)
            self.log(problem.message)
            return
        self.poll()

    def poll(self) -> None:
        """Take in what all trainings have told, and show what has changed."""
        for run in self.runs:
            before = run.state
            if run is not self.run and not run.alive:
                continue
            events = {event["event"] for event in run.poll()}
            if run.state is not before:
                self._logState(run)
                self._fillRuns()
            if run is self.run:
                if "metric" in events:
                    self._showCurves()
                if "preview" in events:
                    self._showPreview()
                if run.state is not before:
                    self._onChanged()
        self.refresh()

    def refresh(self) -> None:
        """Show what the run is doing."""
        ui, run = self._ui, self.run
        missing = self._whatIsMissing() if run is None else ""
        ui.startButton.text = self._action()
        can = not missing if run is None else run.canResume or (run.alive and run.state is not RunState.STOPPING)
        ui.startButton.enabled = can
        ui.startButton.toolTip = missing or (
            _("The training stops with a checkpoint and can be resumed.") if run is not None and run.alive
            else _("The training runs in a process of its own, also when Slicer is closed.")
        )  # fmt: skip
        ui.runProgressBar.visible = run is not None and run.alive
        ui.runProgressBar.maximum = 0 if run is not None and run.state is RunState.STARTING else STEPS
        ui.runProgressBar.value = round(STEPS * run.progress) if run is not None else 0
        self._say(missing if run is None else self._status(run))
        ui.memoryLabel.text = _memory(run.memory) if run is not None and run.memory else "–"
        ui.curvesButton.text = _("Hide curves") if self._curves.shown else _("Show curves")
        ui.curvesButton.enabled = run is not None

    def running(self) -> list[TrainingRun]:
        """Return the trainings that run."""
        return [run for run in self.runs if run.alive]

    def redraw(self) -> None:
        """Draw the curves again, in a scene that was closed and opened."""
        # Not at once: the views forget what they show after the scene has told that it is closed.
        qt.QTimer.singleShot(0, lambda: self._showCurves() if self._timer.active else None)

    def _follow(self, run: TrainingRun) -> None:
        """Take in all that a run has told; what it tells from now on is kept in the log as well."""
        try:
            run.poll()
        except (OSError, ValueError, KeyError) as problem:
            logging.warning("MedSynth: the events in %s are damaged: %s", run.folder, problem)
        run.onLog = self.log

    def _action(self) -> str:
        if self.run is None:
            return _("Start")
        if self.run.alive:
            return _("Stop")
        return _("Finished") if self.run.state is RunState.FINISHED else _("Resume")

    def _status(self, run: TrainingRun) -> str:
        if run.state is RunState.STARTING:
            return _("Starting the process and preparing the cases…")
        if run.state is RunState.STOPPING:
            return _("Stopping with a checkpoint…")
        epoch = _("Epoch {epoch} of {epochs}").format(epoch=run.epoch, epochs=run.epochs) if run.epoch else ""
        if run.state is RunState.RUNNING:
            left = inWords(run.secondsLeft) if run.secondsLeft is not None else ""
            return " – ".join(part for part in (epoch or _("Running"), left) if part)
        if run.state is RunState.FINISHED:
            return _("Finished; the package is ready to be published below.")
        words = {RunState.STOPPED: _("Stopped")}.get(run.state, "")
        sentence = run.problem or ": ".join(part for part in (words, epoch) if part) + "."
        return f"{sentence} {_('It can be resumed.')}" if run.canResume else sentence

    def _logState(self, run: TrainingRun) -> None:
        message = f"{run.folder.name}: {STATES[run.state]}"
        self.log(f"{message}. {run.problem}" if run.problem else f"{message}.")

    def _fillRuns(self) -> None:
        box = self._ui.runComboBox
        wasBlocked = box.blockSignals(True)
        box.clear()
        box.addItem(_("New training"))
        for run in self.runs:
            box.addItem(f"{run.folder.name} – {STATES[run.state]}")
        box.setCurrentIndex(self.runs.index(self.run) + 1 if self.run in self.runs else 0)
        box.blockSignals(wasBlocked)

    def _choose(self, index: int) -> None:
        self.show(self.runs[index - 1] if index > 0 else None)

    def _onCurvesButton(self, *_clicked: Any) -> None:
        if self._curves.shown:
            self._curves.hide()
        else:
            self._curves.show()
            self._showCurves()
        self.refresh()

    def _showCurves(self) -> None:
        if self.run is not None:
            box = self._ui.metricComboBox
            self._curves.update(self.run.metrics, box.itemData(box.currentIndex))

    def _showPreview(self) -> None:
        label, run = self._ui.previewLabel, self.run
        file = run.previewFile if run is not None else None
        picture = qt.QPixmap(str(file)) if file is not None and file.is_file() else qt.QPixmap()
        label.visible = self._ui.previewCaption.visible = not picture.isNull()
        if picture.isNull():
            return
        label.setPixmap(picture.scaledToWidth(PREVIEW_WIDTH, qt.Qt.SmoothTransformation))
        self._ui.previewCaption.text = _("Input, synthetic and reference image of {case} after epoch {epoch}").format(
            case=run.preview["case"], epoch=run.preview["epoch"]
        )

    def log(self, message: str) -> None:
        """Keep a sentence in the log."""
        self._ui.logTextEdit.appendPlainText(f"{time.strftime('%H:%M:%S')} {message}")

    def _say(self, text: str) -> None:
        self._ui.runStatusLabel.text = text


def _memory(event: dict[str, Any]) -> str:
    """Return what a device event says: ``NVIDIA H200: 10.2 of 139.8 GB``."""
    used, total = event.get("used_bytes"), event.get("total_bytes")
    if used is None:
        return event["name"]
    if total is None:
        return _("{name}: {used:.1f} GB used").format(name=event["name"], used=used / GIGABYTE)
    return _("{name}: {used:.1f} of {total:.1f} GB").format(
        name=event["name"], used=used / GIGABYTE, total=total / GIGABYTE
    )
