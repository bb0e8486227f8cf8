"""A training outlives Slicer: it is found again, stopped, killed and resumed."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections import Counter

import pytest
import qt
import slicer
from MedSynthTrainLib.startup import tellWhatRuns
from PySide6 import QtCore
from scene_helpers import closePanel, processesOfGroup, waitUntil
from train_helpers import SECONDS, addPhantoms, makePanel, recipeText, stopAll

from medsynth_core.training.event_log import append_event

pytestmark = pytest.mark.slow

MANY = 4000  # epochs: longer than any test


@pytest.fixture
def panel(tmp_path):
    """Return a panel that is ready to start a long training."""
    panel = makePanel(tmp_path)
    panel._recipe.setText(recipeText(epochs=MANY))
    addPhantoms(panel._data.dataSet)
    panel._data.refresh()
    panel._run.refresh()
    yield panel
    stopAll(panel)
    closePanel(panel)


class MainWindow(qt.QMainWindow):
    """Asks a question of its own before it closes, as Slicer's does; ``answers`` are those of the user."""

    def __init__(self) -> None:
        super().__init__()
        self._answers: list[str] = []

    def closeEvent(self, event) -> None:
        if self._answers and self._answers.pop(0) == "Cancel exit":
            event.ignore()
        else:
            event.accept()


@pytest.fixture
def mainWindow(monkeypatch):
    """Show a main window, and let the application be one in which people are asked."""
    window = MainWindow()
    window.objectName = "qSlicerMainWindow"
    window.show()
    monkeypatch.setattr(slicer.app, "topLevelWidgets", lambda: [window])
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    yield window
    window.deleteLater()


def startAndTrain(panel):
    """Start a training and return it when it has a checkpoint."""
    panel.ui.startButton.click()
    run = panel._run.run
    assert waitUntil(lambda: len(run.metrics.get(("train", "loss"), {})) >= 2, SECONDS)
    return run


def press(text: str, seen: list[str]) -> None:
    """Press a button of the question that will be asked."""

    def answer() -> None:
        box = qt.QApplication.activeModalWidget()
        seen.append(box.text)
        next(button for button in box.buttons() if button.text().replace("&", "") == text).click()

    timer = QtCore.QTimer(slicer.app.moduleManager())
    timer.setSingleShot(True)
    timer.timeout.connect(answer)
    timer.timeout.connect(timer.deleteLater)
    timer.start(200)


def test_ATrainingThatWasLeftRunningIsFoundAgain(panel, mainWindow):
    run = startAndTrain(panel)
    pid = run._process.pid
    closePanel(panel)
    assert processesOfGroup(pid)
    known = max(run.metrics["train", "loss"])
    tellWhatRuns()
    assert run.folder.name in mainWindow.statusBar().currentMessage()
    mainWindow.setObjectName("")  # the panel of the next session is one without a main window
    again = makePanel(run.folder.parent)
    found = again._run.run
    assert found.folder == run.folder and found.alive and again.ui.startButton.text == "Stop"
    assert "still running since" in again.ui.logTextEdit.plainText
    assert len(found.metrics["train", "loss"]) >= known  # the curve from its beginning
    assert waitUntil(lambda: max(found.metrics["train", "loss"]) > known + 1, SECONDS)
    again.ui.startButton.click()
    assert waitUntil(lambda: not found.alive, SECONDS)
    assert found.state.value == "stopped" and again.ui.startButton.text == "Resume"
    closePanel(again)
    assert waitUntil(lambda: not processesOfGroup(pid), 20)


def test_AKilledTrainingLosesOnlyWhatCameAfterItsCheckpoint(panel):
    run = startAndTrain(panel)
    os.killpg(run._process.pid, signal.SIGKILL)
    assert waitUntil(lambda: not run.alive, 20)
    assert run.state.value == "dead"
    assert "ended unexpectedly" in panel.ui.runStatusLabel.text and "can be resumed" in panel.ui.runStatusLabel.text
    done = max(run.metrics["train", "loss"])
    panel.ui.startButton.click()
    assert waitUntil(lambda: max(run.metrics["train", "loss"]) > done, SECONDS)
    # A checkpoint follows every epoch: at most the one that was logged but not yet kept is computed again.
    events = [json.loads(line) for line in (run.folder / "events.jsonl").read_text().splitlines()]
    logged = Counter(event["step"] for event in events if event["event"] == "metric" and event["name"] == "loss")
    assert {epoch for epoch, count in logged.items() if count > 1} <= {done}


def test_StopBeforeTheFirstEpochIsHeeded(panel):
    panel.ui.startButton.click()
    run = panel._run.run
    pid = run._process.pid
    assert run.state.value == "starting" and processesOfGroup(pid)
    panel.ui.startButton.click()
    assert waitUntil(lambda: not run.alive, 20)
    assert run.state.value == "stopped" and processesOfGroup(pid) == []
    assert panel.ui.startButton.text == "Resume"
    panel.ui.startButton.click()
    assert waitUntil(lambda: run.metrics, SECONDS)


def test_WhatTheConsoleSaidLastIsTold(panel, monkeypatch):
    monkeypatch.setattr("MedSynthTrainLib.run.COMMAND", ["-m", "medsynth_core.no_such_module"])
    panel.ui.startButton.click()
    assert waitUntil(lambda: not panel._run.run.alive, 30)
    assert "No module named medsynth_core.no_such_module" in panel.ui.runStatusLabel.text


def test_AnErrorOfTheTrainingIsTold(panel):
    case = panel._data.dataSet.cases[2]
    case.files["pet"].write_bytes(b"no image")
    panel.ui.startButton.click()
    assert waitUntil(lambda: not panel._run.run.alive, SECONDS)
    assert panel._run.run.state.value == "failed"
    assert "pet.nii.gz" in panel.ui.runStatusLabel.text


def test_AMissingFileIsToldBeforeATrainingIsStarted(panel):
    panel._data.dataSet.cases[2].files["pet"].unlink()
    panel.ui.startButton.click()
    assert panel._run.run is None
    assert "Case 'P2': pet: there is no such file" in panel.ui.logTextEdit.plainText


def test_ClosingSlicerAsksAndCanBeTakenBack(panel, mainWindow):
    reopened = makePanel(panel._data.dataSet.folder.parent)
    seen: list[str] = []
    assert mainWindow.close()  # nothing runs: nobody is asked
    mainWindow.show()
    run = startAndTrain(reopened)
    press("Cancel", seen)
    assert not mainWindow.close()
    assert mainWindow.visible and run.alive
    press("Leave running", seen)
    assert mainWindow.close()
    assert run.alive and mainWindow.close()  # one answer is enough
    assert len(seen) == 2 and run.folder.name in seen[0]
    run.stop()
    assert waitUntil(lambda: not run.alive, SECONDS)
    closePanel(reopened)


def test_ClosingSlicerCanStopTheTraining(panel, mainWindow):
    reopened = makePanel(panel._data.dataSet.folder.parent)
    run = startAndTrain(reopened)
    pid = run._process.pid
    press("Stop training", [])
    mainWindow._answers = ["Cancel exit"]
    assert not mainWindow.close()
    assert mainWindow.visible and run.alive
    run.poll()
    assert run.state.value == "running" and not (run.folder / "STOP").exists()
    assert mainWindow.close()  # the answer still holds
    run.poll()
    assert run.state.value == "running"  # until Slicer unloads its modules
    closePanel(reopened)
    assert waitUntil(lambda: not processesOfGroup(pid), SECONDS)
    run.poll()
    assert run.state.value == "stopped" and run.canResume


def test_AReloadAfterSlicerWasNotClosedStopsNothing(panel, mainWindow):
    reopened = makePanel(panel._data.dataSet.folder.parent)
    run = startAndTrain(reopened)
    press("Stop training", [])
    mainWindow._answers = ["Cancel exit"]
    assert not mainWindow.close()
    closePanel(reopened)  # what a reload of the module does as well
    run.poll()
    assert run.state.value == "running"
    run.stop()
    assert waitUntil(lambda: run.poll() is not None and not run.alive, SECONDS)


def writeRun(folder, epochs: int, ending: str) -> None:
    """Write what a training of so many epochs has told, minutes of progress in each."""
    folder.mkdir()
    append_event(folder, "started", name="tiny", epochs=epochs)
    with (folder / "events.jsonl").open("a") as events:
        for epoch in range(1, epochs + 1):
            told = [{"event": "progress", "progress": epoch / epochs, "epoch": epoch, "seconds_left": 9.0}] * 200
            told += [{"event": "metric", "name": "loss", "split": "train", "step": epoch, "value": 1 / epoch}]
            told += [{"event": "log", "message": "The memory ran out."}]
            events.writelines(json.dumps({"time": float(epoch), **event}) + "\n" for event in told)
    append_event(folder, ending, message="Bad luck.")


def test_OfRunsThatAreNotShownOnlyTheEndIsRead(tmp_path):
    for number, ending in enumerate(("done", "cancelled", "error")):
        writeRun(tmp_path / f"run{number}", 20, ending)
        os.utime(tmp_path / f"run{number}", (number, number))
    panel = makePanel(tmp_path)
    box = panel.ui.runComboBox
    assert [box.itemText(row) for row in range(1, 4)] == ["run2 – failed", "run1 – stopped", "run0 – finished"]
    shown, _, other = panel._run.runs
    assert panel._run.run is shown and "Bad luck." in panel.ui.runStatusLabel.text
    assert sorted(shown.metrics["train", "loss"]) == list(range(1, 21))
    assert other.epochs == 20 and len(other.metrics["train", "loss"]) < 3
    panel._run._choose(3)
    assert panel._run.run is other and sorted(other.metrics["train", "loss"]) == list(range(1, 21))
    assert panel.ui.logTextEdit.plainText == ""  # what was told long ago

    # Another training has taken the folder.
    shutil.rmtree(other.folder)
    writeRun(other.folder, 2, "done")
    panel._run.poll()
    assert sorted(other.metrics["train", "loss"]) == [1, 2] and other.epochs == 2
    closePanel(panel)


def test_NobodyIsAskedInTests(panel):
    from MedSynthTrainLib import close_prompt as quitting

    assert quitting.ask(["x"]) is quitting.Answer.LEAVE
