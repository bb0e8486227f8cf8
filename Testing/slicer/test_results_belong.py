"""What a job has made is shown only beside what it was asked for, whatever is chosen meanwhile."""

from __future__ import annotations

import json

import numpy as np
import pytest
import qt
import slicer
from MedSynthLib.job import State
from MedSynthTrainLib import dataset_jobs, publishing
from scene_helpers import closePanel, patientLikeVolume, waitUntil
from train_helpers import addPhantoms, doseRecipeText, makePanel, recipeText

from MedSynth import MedSynthLogic

GRID = np.diag([4.0, 4.0, 4.0, 1.0])
SCORES = [{"case": "P3", "mae": 0.604, "psnr": 20.0}]


class Job:
    """Stands for a job that takes long; ``end`` finishes it."""

    def __init__(self, finish, **calls) -> None:
        self.state, self.calls, self._finish = State.RUNNING, calls, finish

    def end(self, result) -> None:
        self.state = State.FINISHED
        self._finish(result, None)

    def abort(self) -> None:
        self.state = State.FINISHED


@pytest.fixture
def jobs(monkeypatch):
    """Return the jobs of a panel, of which none ends by itself."""
    started: list[Job] = []

    def start(*arguments, onProgress, onLog, **_options) -> Job:
        finish = next(one for one in reversed(arguments) if callable(one))
        started.append(Job(finish, onProgress=onProgress, onLog=onLog))
        return started[-1]

    for module, name in (
        (publishing, "publish"), (publishing, "addToLibrary"), (dataset_jobs, "checkCases"),
        (dataset_jobs, "RegisterJob"), (dataset_jobs, "addVolumes"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, start)
    return started


@pytest.fixture
def panel(tmp_path):
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
        events = [{"event": "started", "time": 1.0, "name": "tiny", "epochs": 1}, {"event": "done", "time": 2.0}]
        (tmp_path / name / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
        (tmp_path / name / "best.safetensors").touch()
        (tmp_path / name / "recipe.yaml").write_text(recipeText())
    (tmp_path / "A" / "tiny" / "configs").mkdir(parents=True)
    (tmp_path / "A" / "tiny" / "configs" / "metadata.json").write_text("{}")
    panel = makePanel(tmp_path)
    panel._recipe.setText(recipeText())
    addPhantoms(panel._data.dataSet)
    panel._data.refresh()
    yield panel
    closePanel(panel)


def chooseRun(panel, name: str) -> None:
    panel._run.show(next(run for run in panel._run.runs if run.folder.name == name))


def publishA(panel) -> None:
    chooseRun(panel, "A")
    for field in panel._publish._fields.values():
        if hasattr(field, "setPlainText"):
            field.setPlainText("text")
        else:
            field.text = "text"
    panel.ui.publishButton.click()


def rows(panel) -> list[str]:
    table = panel.ui.scoresTable
    return [table.item(row, 0).text() for row in range(table.rowCount)]


def test_ScoresOfATrainingAreNotShownBesideAnother(panel, jobs, tmp_path):
    publishA(panel)
    [job] = jobs
    chooseRun(panel, "B")
    job.calls["onProgress"](0.5, "Evaluating P3")
    assert panel.ui.publishStatusLabel.text == "A: Evaluating P3"
    job.end({"package": str(tmp_path / "A" / "tiny"), "cases": SCORES, "figure": None})
    assert rows(panel) == [] and panel.ui.reportLabel.text == "Not evaluated on test cases yet."
    assert panel.ui.publishStatusLabel.text == ""
    assert f"A: The package is in {tmp_path / 'A' / 'tiny'}." in panel.ui.logTextEdit.plainText


def test_ScoresOfTheTrainingThatIsShownAreShown(panel, jobs, tmp_path):
    publishA(panel)
    jobs[0].end({"package": str(tmp_path / "A" / "tiny"), "cases": SCORES, "figure": None})
    assert rows(panel) == ["P3", "Mean of 1"] and panel.ui.scoresTable.item(0, 1).text() == "0.604"
    assert panel.ui.publishStatusLabel.text == f"The package is in {tmp_path / 'A' / 'tiny'}."


def test_APackageIsAddedToTheLibraryForItsTraining(panel, jobs):
    chooseRun(panel, "A")
    panel.ui.libraryButton.click()
    chooseRun(panel, "B")
    jobs[0].end({"name": "tiny"})
    assert panel.ui.publishStatusLabel.text == ""
    assert "A: The model tiny is in the library" in panel.ui.logTextEdit.plainText


def test_APackageIsExportedOfTheTrainingThatWasShownWhenItWasAskedFor(panel, monkeypatch, tmp_path):
    written = []

    def ask(*_arguments) -> str:
        chooseRun(panel, "B")
        return str(tmp_path / "tiny.zip")

    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", ask)
    monkeypatch.setattr(publishing, "exportPackage", lambda *arguments: written.append(arguments))
    chooseRun(panel, "A")
    panel.ui.exportButton.click()
    assert written == [(tmp_path / "A" / "tiny", tmp_path / "tiny.zip", True)]
    assert panel.ui.publishStatusLabel.text == ""
    assert f"A: The package is in {tmp_path / 'tiny.zip'}." in panel.ui.logTextEdit.plainText


def test_AChecksOfOneRecipeAreNotShownForAnother(panel, jobs):
    panel.ui.checkButton.click()
    panel._recipe.setText(doseRecipeText())
    checks = [{"case": f"P{number}", "state": "good", "problems": []} for number in range(4)]
    done = {"cases": checks, "counts": {"good": 4, "doubtful": 0, "refused": 0}, "notes": []}
    jobs[0].end(done)
    states = {panel.ui.caseTable.item(row, 2).text() for row in range(4)}
    assert states == {"not checked"} and "check the cases again" in panel.ui.dataStatusLabel.text
    panel._recipe.setText(recipeText())
    panel.ui.checkButton.click()
    jobs[1].end(done)
    assert {panel.ui.caseTable.item(row, 2).text() for row in range(4)} == {"✓ good"}


def test_ARegistrationIsThatOfTheRecipeWithWhichItWasAskedFor(panel, jobs):
    panel.ui.deformableCheckBox.checked = True
    panel._data._register(["P0", "P1"])
    panel.ui.deformableCheckBox.checked = False
    panel._recipe.setText("epochs: [")
    [second] = panel._data._queue
    assert (second.case, [role.name for role in second.roles], second.deformable) == ("P1", ["ct", "pet"], True)
    quality = {"before": None, "after": {"mutual_information": 1.0}, "note": ""}
    jobs[0].end(quality)
    assert waitUntil(lambda: len(jobs) == 2)
    jobs[1].end(quality)
    assert panel.ui.dataStatusLabel.text == "P1: mutual information – → 1.00."


def test_ACaseIsRegisteredAsItWasAskedForWhenItWasAdded(panel, jobs):
    panel.ui.registerCheckBox.checked = True
    panel.ui.addPairButton.click()
    panel._recipe.setText("epochs: [")
    jobs[0].end(panel._data.dataSet.cases[:1])
    assert waitUntil(lambda: len(jobs) == 2) and panel.ui.dataStatusLabel.text == "Registering P0…"
    jobs[1].end({"before": None, "after": {"mutual_information": 1.0}, "note": ""})


@pytest.mark.slow
def test_AResultDoesNotBecomeTheOutputOfAnotherInput():
    from MedSynth import MedSynthWidget

    panel, first = MedSynthWidget(), patientLikeVolume(GRID, (8, 60, 60), "first")
    try:
        panel.enter()
        panel._parameterNode.inputVolume = first
        panel.ui.applyButton.click()
        second = patientLikeVolume(GRID, (8, 60, 60), "second")
        panel.logic.getParameterNode().inputVolume = second  # as a script or another panel does
        panel.logic.waitForCompletion()
        assert "Done in" in panel.ui.statusLabel.text and "first synthetic PET" in panel.ui.statusLabel.text
        assert panel._parameterNode.outputVolume is None and panel._parameterNode.inputVolume is second
    finally:
        closePanel(panel)


@pytest.mark.slow
def test_AChangeOfTheInputMeanwhileIsTold():
    volume, log = patientLikeVolume(GRID, (8, 60, 60), "CT"), []
    logic = MedSynthLogic()
    before = slicer.util.arrayFromVolume(volume).shape
    logic.synthesize(volume, device="cpu", waitForCompletion=False, onLog=log.append)
    slicer.util.updateVolumeFromArray(volume, np.zeros((3, 4, 5), np.int16))
    logic.waitForCompletion()
    assert "The volume CT was changed meanwhile; the result shows it as it was at the start." in log
    assert slicer.util.arrayFromVolume(slicer.util.getNode("CT synthetic PET")).shape == before
    log.clear()
    logic.synthesize(patientLikeVolume(GRID, (8, 60, 60), "other"), device="cpu", onLog=log.append)
    assert not any("meanwhile" in line for line in log)


def test_CurvesOverwriteNothingOfTheNextScene():
    from MedSynthTrainLib.curves import LOSS_VIEW, Curves

    curves = Curves()
    losses = {("train", "loss"): {1: 0.5, 2: 0.25}}
    curves.update(losses, "mae")
    ours = curves._node(f"{LOSS_VIEW} table").GetID()
    slicer.mrmlScene.Clear(0)
    theirs = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "doses")
    slicer.util.updateTableFromArray(theirs, [np.array([7.0])], ["dose"])
    assert theirs.GetID() == ours
    curves.update(losses, "mae")
    assert list(slicer.util.arrayFromTableColumn(theirs, "dose")) == [7.0] and theirs.GetName() == "doses"
    drawn = curves._node(f"{LOSS_VIEW} table")
    assert drawn is not theirs and list(slicer.util.arrayFromTableColumn(drawn, "loss")) == [0.5, 0.25]
    curves.close()


def test_WhatWasTypedIntoACardIsThereAgain(panel, tmp_path):
    chooseRun(panel, "A")
    stored = panel.ui.titleEdit.text
    panel.ui.descriptionEdit.setPlainText("An hour of careful writing.")
    chooseRun(panel, "B")
    assert panel.ui.descriptionEdit.plainText != "An hour of careful writing."
    panel.ui.limitsEdit.setPlainText("Fails in children.")
    chooseRun(panel, "A")
    assert panel.ui.descriptionEdit.plainText == "An hour of careful writing." and panel.ui.titleEdit.text == stored
    panel.openFolder(tmp_path)  # the same trainings, found again
    chooseRun(panel, "B")
    assert panel.ui.limitsEdit.plainText == "Fails in children."


def test_ChecksSurviveARecipeThatIsInvalidForAMoment(panel, jobs):
    text = recipeText()
    checks = [{"case": f"P{number}", "state": "good", "problems": []} for number in range(4)]
    panel.ui.checkButton.click()
    panel._recipe.setText(text.replace('"epochs"', '"epoch'))
    jobs[0].end({"cases": checks, "counts": {"good": 4, "doubtful": 0, "refused": 0}, "notes": []})
    assert panel.ui.dataStatusLabel.text == "Checked: 4 good, 0 doubtful, 0 refused."
    for recipe in (text, text.replace('"epochs"', '"epoch'), text):
        panel._recipe.setText(recipe)
        assert {panel.ui.caseTable.item(row, 2).text() for row in range(4)} == {"✓ good"}
