"""The section Run: start, stop and resume a training, and follow it while it runs."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
from MedSynthLib.connections import Connections, Timer
from MedSynthLib.device_box import DeviceBox
from MedSynthLib.messages import asItIs
from MedSynthLib.time_left import inWords
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.metrics.earlier_names import todays_series
from MedSynthTrainLib import settings
from MedSynthTrainLib.curves import Curves
from MedSynthTrainLib.publishing import TITLES
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
    """Shows one of the runs in the folder and follows it, or lets a new one be started.

    Attributes:
        runs: those in the folder, newest first.
        run: the one that is shown; None for a new training.
        devices: the choice of the device.

    Args:
        ui: the panel's widgets.
        start: starts a new training on a device and returns it, or raises `MedSynthError`.
        whatIsMissing: returns in a sentence what must be done before a training can start; "" if nothing.
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
        self._connections = Connections()
        for widget, signal, slot in (
            (ui.metricComboBox, "currentIndexChanged(int)", lambda index: self._showCurves()),
            (ui.runComboBox, "activated(int)", self._choose), (ui.startButton, "clicked(bool)", self.onStartButton),
            (ui.curvesButton, "clicked(bool)", self._onCurvesButton),
        ):  # fmt: skip
            self._connections.connect(widget, signal, slot)
        self._timer = Timer(self.poll, POLL_INTERVAL_MS)
        # The views are reset after the event that announces the end of closing a scene.
        self._soon = Timer(self._showCurves, 0, once=True)

    def open(self, folder: Path) -> None:
        """Find the runs in a folder; one that is still running is shown, or else the newest."""
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
        """Stop following the runs, and disconnect the widgets; trainings go on."""
        self._timer.close()
        self._soon.close()
        self._curves.close()
        self.devices.close()
        self._connections.close()
        for run in self.runs:
            run.onLog = _ignore

    def leave(self) -> None:
        """Put back the layout in which the views were before the curves were shown."""
        self._curves.hide()
        self.refresh()

    def show(self, run: TrainingRun | None) -> None:
        """Show a run, or with None a new training."""
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
        """Start a new training, or stop or resume the one that is shown."""
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
        """Read the new events of all trainings, and show what has changed."""
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
        ui.startButton.toolTip = asItIs(missing) or (
            _("Stop the training with a checkpoint, from which it can be resumed.") if run is not None and run.alive
            else _("The training runs in a separate process that goes on when Slicer is closed.")
        )  # fmt: skip
        ui.runProgressBar.visible = run is not None and run.alive
        ui.runProgressBar.maximum = 0 if run is not None and run.state is RunState.STARTING else STEPS
        ui.runProgressBar.value = round(STEPS * run.progress) if run is not None else 0
        self._say(missing if run is None else self._status(run))
        ui.memoryLabel.text = _memory(run.memory) if run is not None and run.memory else "–"
        ui.curvesButton.text = _("Hide curves") if self._curves.shown else _("Show curves")
        ui.curvesButton.enabled = run is not None

    def running(self) -> list[TrainingRun]:
        """Return the running trainings."""
        return [run for run in self.runs if run.alive]

    def redraw(self) -> None:
        """Draw the curves again after the scene was closed."""
        self._soon.start()

    def _follow(self, run: TrainingRun) -> None:
        """Read all events of a run; messages from now on are also shown in the log."""
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
            return _("Finished; publish the package below.")
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
            self._curves.update(todays_series(self.run.metrics), box.itemData(box.currentIndex))

    def _showPreview(self) -> None:
        label, run = self._ui.previewLabel, self.run
        file = run.previewFile if run is not None else None
        picture = qt.QPixmap(str(file)) if file is not None and os.path.isfile(file) else qt.QPixmap()
        label.visible = self._ui.previewCaption.visible = not picture.isNull()
        if picture.isNull():
            return
        label.setPixmap(picture.scaledToWidth(PREVIEW_WIDTH, qt.Qt.SmoothTransformation))
        self._ui.previewCaption.text = _("Input, synthetic and reference image of {case} after epoch {epoch}").format(
            case=run.preview["case"], epoch=run.preview["epoch"]
        )

    def log(self, message: str) -> None:
        """Add a line with the time to the log."""
        self._ui.logTextEdit.appendPlainText(f"{time.strftime('%H:%M:%S')} {message}")

    def _say(self, text: str) -> None:
        self._ui.runStatusLabel.text = text


def _ignore(message: str) -> None:
    """Log nothing: the panel is closed."""


def _memory(event: dict[str, Any]) -> str:
    """Return the memory use of a device event: ``NVIDIA H200: 10.2 of 139.8 GB``."""
    used, total = event.get("used_bytes"), event.get("total_bytes")
    if used is None:
        return event["name"]
    if total is None:
        return _("{name}: {used:.1f} GB used").format(name=event["name"], used=used / GIGABYTE)
    return _("{name}: {used:.1f} of {total:.1f} GB").format(
        name=event["name"], used=used / GIGABYTE, total=total / GIGABYTE
    )
