"""After a job, a visit or the end of a panel nothing of it is left, as strict as Slicer with what it holds."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
import time
import weakref
from pathlib import Path
from types import SimpleNamespace

import application
import pytest
import qt
import slicer
from application import eventloop, held, leaks
from MedSynthLib import coreFolder
from MedSynthLib.job import WorkerJob
from MedSynthLib.process import WorkerProcess
from scene_helpers import closePanel, processesOfGroup, waitUntil

from medsynth_core.errors import Cancelled, MedSynthError

MODULES = ["MedSynth", "MedSynthTrain"]

# The object that observes a node, and Python's view of the node, are garbage; the node itself stays in the scene.
COLLECTED = """
import gc, sys
sys.path.insert(0, {folder!r})
import application
application.start()
import slicer, vtk
from MedSynthLib.parameter_gui import weakly

class Owner:
    def __init__(self, node):
        self.node = node
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, weakly(self.changed))

    def changed(self, caller, event):
        print("changed", end=" ")

owner = Owner(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "parameters"))
owner.node.Modified()
del owner
gc.collect()
slicer.mrmlScene.GetFirstNodeByName("parameters").Modified()
print("survived")
"""


@pytest.fixture
def folder(tmp_path):
    """Let MedSynthTrain keep its files in a temporary folder, and return it."""
    from MedSynthTrainLib import settings

    settings.setRunsFolder(tmp_path)
    return tmp_path


def open_(module: str):
    """Return a new panel of a module, entered."""
    panel = getattr(importlib.import_module(module), f"{module}Widget")()
    panel.enter()
    return panel


def disconnectAsReloadDoes(panel) -> None:
    """Clean up as Slicer does when a module is reloaded: the old widgets are hidden, not deleted."""
    panel.cleanup()
    slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", panel._onModuleAboutToBeUnloaded)


@pytest.mark.parametrize("module", MODULES)
def test_OfAPanelThatIsReloadedNothingIsAlive(module, folder):
    connections, timers = held.connections(), held.timers()
    panel = open_(module)
    panel._setup.close()  # it may look for devices, which takes seconds
    root, parts = panel.parent, [weakref.ref(part) for part in (panel, panel.logic, *_sections(panel))]
    assert len(parts) > 5
    disconnectAsReloadDoes(panel)
    eventloop.processEvents()
    assert (held.connections(), held.timers()) == (connections, timers)
    del panel
    gc.collect()
    assert [part() for part in parts if part() is not None] == []
    root.deleteLater()


def _sections(panel) -> list:
    return [part for name, part in vars(panel).items() if type(part).__module__.startswith("MedSynth") and part]


@pytest.mark.parametrize("module", MODULES)
def test_APanelWhoseWidgetsAreGoneIsCleanedUp(module, folder, caplog):
    panel = open_(module)
    connections = panel.connections
    panel.parent.deleteLater()
    eventloop.processEvents()
    disconnectAsReloadDoes(panel)
    assert connections._made == [] and panel._parameterNode is None
    panel.cleanup()  # a second time, as when Slicer ends after a reload


@pytest.mark.slow
def test_AJobWhosePanelIsGoneIsEnded(someSlices, caplog):
    panel = open_("MedSynth")
    panel.ui.inputVolumeSelector.setCurrentNode(someSlices)
    panel.ui.applyButton.click()
    pid = panel.logic.workerPid
    assert panel.logic.isRunning and processesOfGroup(pid)
    panel.parent.deleteLater()
    eventloop.processEvents()
    disconnectAsReloadDoes(panel)
    assert not panel.logic.isRunning and processesOfGroup(pid) == []
    eventloop.idle(200)
    assert "destroyed" not in caplog.text
    assert list(Path(slicer.app.temporaryPath).glob("MedSynth-*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["done", "cancelled", "aborted", "error"])
def test_AJobLeavesTheCountsAsTheyWere(ending):
    before, finished = leaks.count(), []
    request = {"job": "describe"} if ending != "error" else {"job": "no such job"}
    job = WorkerJob(request, lambda *both: finished.append(both))
    assert leaks.count()["processes"] == before["processes"] + 1
    assert leaks.count()["descriptors"] == before["descriptors"] + 3
    if ending == "cancelled":
        job.cancel()
    if ending == "aborted":
        job.abort()
    assert waitUntil(lambda: finished)
    [(result, error)] = finished
    kinds = {"done": type(None), "error": MedSynthError}
    assert isinstance(error, kinds.get(ending, Cancelled)) and (result is not None) == (ending == "done")
    assert waitUntil(lambda: leaks.count() == before)
    reference = weakref.ref(job)
    del job
    assert reference() is None


@pytest.mark.slow
def test_ASynthesisLeavesTheCountsAsTheyWere(someSlices, panel):
    from MedSynth import MedSynthLogic

    logic = MedSynthLogic()
    logic.synthesize(someSlices)  # what is loaded once
    panel.exit()
    eventloop.processEvents()
    before = leaks.count()
    output = logic.synthesize(someSlices)
    eventloop.processEvents()
    slicer.mrmlScene.RemoveNode(output)
    assert leaks.count() == before
    finished = []
    logic.synthesize(someSlices, waitForCompletion=False, onFinished=lambda *both: finished.append(both))
    assert waitUntil(lambda: finished and leaks.count()["processes"] == before["processes"], 120)
    slicer.mrmlScene.RemoveNode(finished[0][0])
    assert waitUntil(lambda: leaks.count() == before)


@pytest.mark.slow
def test_AWorkerThatDoesNotEndIsKilled(tmp_path, monkeypatch):
    """Its input is closed, it does not care, and a child that has left its group holds its pipes."""
    exchanged = tmp_path / "exchanged"
    exchanged.mkdir()
    script = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], "
    script += "start_new_session=True); time.sleep(60)"
    monkeypatch.setattr("MedSynthLib.process.COMMAND", ["-c", script])
    monkeypatch.setattr("MedSynthLib.process.EXIT_PATIENCE_S", 0.5)
    worker = WorkerProcess(coreFolder())
    worker.removeAtEnd(exchanged)
    assert waitUntil(lambda: len(leaks.processes()) >= 2)
    children = leaks.processes()
    worker.close()
    assert not worker.gone() and exchanged.exists()
    assert waitUntil(worker.gone)
    assert not exchanged.exists() and worker.pid not in leaks.processes()
    import psutil

    for pid in children:
        if pid != worker.pid and psutil.pid_exists(pid):
            psutil.Process(pid).kill()


@pytest.mark.slow
def test_AWorkerThatIsDroppedIsEndedWithItsFiles(tmp_path):
    exchanged = tmp_path / "exchanged"
    exchanged.mkdir()
    worker = WorkerProcess(coreFolder())
    worker.removeAtEnd(exchanged)
    pid = worker.pid
    del worker
    gc.collect()
    assert processesOfGroup(pid) == [] and not exchanged.exists()


@pytest.mark.parametrize("module", MODULES)
def test_VisitsDoNotAddUp(module, folder):
    panel = open_(module)
    node = panel._parameterNode.parameterNode
    panel.exit()
    assert leaks.observersOf(node) == 0
    before = leaks.count()
    for _ in range(20):
        panel.enter()
        panel.exit()
    assert leaks.observersOf(node) == 0
    panel._setup.close()
    after = leaks.count()
    assert (after["observers"], after["callables"]) <= (before["observers"], before["callables"])
    panel.enter()
    once = leaks.observersOf(node)
    for _ in range(20):
        panel.exit()
        panel.enter()
    assert leaks.observersOf(node) == once
    panel.exit()
    closePanel(panel)


@pytest.mark.parametrize("module", MODULES)
def test_ClosedScenesHoldNothing(module, folder):
    panel = open_(module)
    panel._setup.waitForDevices()
    slicer.mrmlScene.Clear(0)
    eventloop.idle(50)
    before = leaks.count()
    for _ in range(5):
        slicer.mrmlScene.Clear(0)
        eventloop.idle(50)
    after = leaks.count()
    assert {kind: after[kind] for kind in ("timers", "callables", "observers")} == {
        kind: before[kind] for kind in ("timers", "callables", "observers")
    }
    closePanel(panel)


def test_AnObserverWhoseOwnerWasCollectedIsNotCalled(tmp_path):
    script = COLLECTED.format(folder=str(Path(__file__).parent))
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert (run.returncode, run.stdout.split()) == (0, ["changed", "survived"]), run.stderr


def test_ATimerThatIsClosedReleasesItsFunction():
    from MedSynthLib.connections import Timer

    class Owner:
        def __init__(self) -> None:
            self.calls, self.timer = 0, Timer(self.call, 1)

        def call(self) -> None:
            self.calls += 1
            self.timer.close()  # within its own call

    owner, before = Owner(), held.timers()
    reference = weakref.ref(owner)
    owner.timer.start()
    eventloop.idle(50)
    assert owner.calls == 1 and held.timers() == before - 1
    owner.timer.start()
    owner.timer.stop()
    owner.timer.close()
    del owner
    gc.collect()
    assert reference() is None


def test_JobsAreHeldNoLongerThanTheyRun(monkeypatch):
    """The end of a job is left to its timer, so that nothing of it waits for a thread to get a turn."""
    monkeypatch.setattr("MedSynthLib.process.COMMAND", ["-c", 'print(\'{"event": "done"}\')'])
    finished: list = []
    reference = weakref.ref(WorkerJob({"job": "any"}, lambda *both: finished.append(both)))
    start = time.monotonic()
    while reference() is not None and time.monotonic() - start < 60:
        eventloop.idle()
    assert reference() is None and finished == [({"event": "done"}, None)]


@pytest.fixture
def window(monkeypatch):
    """Return a main window in an application in which people are asked."""
    window = qt.QMainWindow()
    window.objectName = "qSlicerMainWindow"
    monkeypatch.setattr(slicer.app, "topLevelWidgets", lambda: [window])
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    yield window
    window.deleteLater()


def test_TheMainWindowIsNotWatchedAnyMore(window, folder):
    panel = open_("MedSynthTrain")
    guard = panel._closeGuard
    asked: list = []
    guard._running = lambda: asked.append(True) or []
    window.close()
    assert asked
    asked.clear()
    closePanel(panel)
    eventloop.processEvents()
    guard.close()
    window.show()
    window.close()
    assert asked == []


def test_QuestionsAreDeleted(window):
    from MedSynthTrainLib import close_prompt

    answer = qt.QTimer()
    answer.setSingleShot(True)
    answer.connect("timeout()", _pressCancel)
    for _ in range(2):
        answer.start(50)
        assert close_prompt.ask(["run"]) is close_prompt.Answer.STAY
        eventloop.processEvents()
        assert window.findChildren(qt.QMessageBox) == ()
    answer.deleteLater()


def _pressCancel() -> None:
    _press("Cancel")


def _press(text: str) -> None:
    box = qt.QApplication.activeModalWidget()
    next(button for button in box.buttons() if button.text().replace("&", "") == text).click()


def test_OnlyTrainingsThatWereAskedAboutAreStopped(window):
    from MedSynthTrainLib.close_prompt import CloseGuard

    stopped: list[str] = []
    first, second, third = (
        SimpleNamespace(folder=Path(name), stop=lambda name=name: stopped.append(name)) for name in ("A", "B", "C")
    )
    running = [first]
    guard, answer = CloseGuard(lambda: list(running)), qt.QTimer()
    answer.setSingleShot(True)

    def press() -> None:
        running.append(second if len(running) == 1 else third)  # it begins while the question is open
        _press("Stop training")

    answer.connect("timeout()", press)
    for count in (2, 3):
        answer.start(50)
        assert guard.mayClose() and len(running) == count  # asked again, about the one that began meanwhile
    guard.close()  # the window is not visible, as when it has closed
    assert stopped == ["A", "B"]
    answer.deleteLater()


def test_TheApplicationIsThatOfTheVersionAskedFor():
    assert f"{slicer.app.majorVersion}.{slicer.app.minorVersion}" == application.VERSION
