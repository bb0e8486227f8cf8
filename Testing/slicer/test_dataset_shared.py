"""A data set whose table somebody else changes: by hand, or in another Slicer."""

from __future__ import annotations

import pytest
from scene_helpers import closePanel
from train_helpers import addPhantoms, makePanel, phantomPair, recipeText

from medsynth_core.errors import MedSynthError
from medsynth_core.io.table import read_rows, write_rows


@pytest.fixture
def panel(tmp_path):
    panel = makePanel(tmp_path)
    panel._recipe.setText(recipeText())
    addPhantoms(panel._data.dataSet)
    panel._data.refresh()
    yield panel
    closePanel(panel)


def correctByHand(panel) -> str:
    """Enter patients, and a column of one's own, as a spreadsheet program does; return what is in the table then."""
    manifest = panel._data.dataSet.manifest
    rows = read_rows(manifest)
    for row, patient in zip(rows, ("SAME", "SAME", "Q2", "Q3"), strict=True):
        row.update(patient=patient, site="Bern")
    write_rows(rows, manifest)
    return manifest.read_text()


def patientsShown(panel) -> list[str]:
    table = panel.ui.caseTable
    return [table.item(row, 5).text() for row in range(table.rowCount)]


@pytest.mark.parametrize(
    "act",
    [
        lambda panel: panel.ui.divideButton.click(),
        lambda panel: panel.ui.removeButton.click(),
        lambda panel: (
            panel.ui.moveComboBox.setCurrentIndex(panel.ui.moveComboBox.findData("test")),
            panel.ui.moveComboBox.activated.emit(panel.ui.moveComboBox.currentIndex),
        ),
        lambda panel: panel.ui.registerButton.click(),
        lambda panel: panel.ui.addPairButton.click(),
    ],
    ids=["divide", "remove", "move", "register", "add"],
)
def test_ACorrectionByHandIsShownAndNotOverwritten(panel, act):
    for selector, node in zip(
        (panel.ui.inputVolumeSelector, panel.ui.targetVolumeSelector), phantomPair(5), strict=True
    ):
        selector.setCurrentNode(node)
    panel.ui.caseTable.selectRow(0)
    text, folders = correctByHand(panel), sorted(panel._data.dataSet.folder.iterdir())
    act(panel)
    manifest = panel._data.dataSet.manifest
    assert f"The table {manifest} was changed by another program" in panel.ui.dataStatusLabel.text
    assert not panel._data.running and manifest.read_text() == text
    assert sorted(panel._data.dataSet.folder.iterdir()) == folders
    assert patientsShown(panel) == ["SAME", "SAME", "Q2", "Q3"]
    panel.ui.caseTable.selectAll()
    panel._data.dataSet.setSplit(["P2"], "test")  # the same again is done
    assert manifest.read_text() == text.replace("P2,val", "P2,test")


def test_TwoSlicersLoseNoCases(tmp_path):
    from MedSynthTrainLib.dataset import DataSet

    from MedSynthTrain import MedSynthTrainLogic

    logic, folder = MedSynthTrainLogic(), tmp_path / "data"
    roles, first, second = logic.roles(recipeText()), DataSet(folder), DataSet(folder)
    logic.addCase(first, roles, *phantomPair(0), name="A")
    with pytest.raises(MedSynthError, match="was changed by another program, so nothing was written"):
        logic.addCase(second, roles, *phantomPair(1), name="B")
    assert [case.name for case in second.cases] == ["A"]
    assert sorted(path.name for path in folder.iterdir()) == ["A", "manifest.csv"]
    logic.addCase(second, roles, *phantomPair(1), name="B")
    assert [case.name for case in DataSet(folder).cases] == ["A", "B"]


def test_WhatChangesWhileAJobRunsIsNotOverwritten(panel):
    for selector, node in zip(
        (panel.ui.inputVolumeSelector, panel.ui.targetVolumeSelector), phantomPair(5), strict=True
    ):
        selector.setCurrentNode(node)
    panel.ui.addPairButton.click()
    text = correctByHand(panel)
    panel._data.wait()
    assert "was changed by another program" in panel.ui.dataStatusLabel.text
    assert panel._data.dataSet.manifest.read_text() == text
    assert not (panel._data.dataSet.folder / "case-005").exists()
    assert patientsShown(panel) == ["SAME", "SAME", "Q2", "Q3"]


def test_AVisitAndACheckReadTheTableAgain(panel):
    panel.ui.checkButton.click()
    panel._data.wait()
    assert panel.ui.caseTable.item(0, 2).text() == "✓ good"
    panel.exit()
    correctByHand(panel)
    panel.enter()
    assert patientsShown(panel) == ["SAME", "SAME", "Q2", "Q3"]
    assert {panel.ui.caseTable.item(row, 2).text() for row in range(4)} == {"not checked"}
    manifest = panel._data.dataSet.manifest
    manifest.write_text(manifest.read_text().replace("Q2", "Q4"))
    panel.ui.checkButton.click()
    panel._data.wait()
    assert patientsShown(panel) == ["SAME", "SAME", "Q4", "Q3"]
    assert panel.ui.caseTable.item(0, 2).text() == "✓ good"


def test_ATrainingHasTheCasesOfTheCorrectedTable(panel, monkeypatch):
    from MedSynthTrainLib.run import TrainingRun

    started = []

    def start(_folder, _recipe, cases, _device) -> None:
        started.extend(case.patient for case in cases)
        raise MedSynthError("Stopped here.")

    monkeypatch.setattr(TrainingRun, "start", start)
    panel._run.refresh()
    correctByHand(panel)
    panel.ui.startButton.click()
    assert started == ["SAME", "SAME", "Q2", "Q3"] == patientsShown(panel)


def test_ATableThatIsDamagedMeanwhileIsToldAndKept(panel):
    manifest = panel._data.dataSet.manifest
    manifest.write_text("case,split,ct,pet\nA,train,a.nii.gz,b.nii.gz\nA,val,a.nii.gz,b.nii.gz\n")
    text = manifest.read_text()
    panel.ui.divideButton.click()
    assert "lists the case 'A' twice" in panel.ui.dataStatusLabel.text and manifest.read_text() == text


def test_ATableThatIsMissingIsNoEmptyDataSet(panel):
    manifest = panel._data.dataSet.manifest
    text = manifest.read_text()
    manifest.unlink()
    panel.ui.divideButton.click()
    assert f"The table {manifest} is missing; put it back" in panel.ui.dataStatusLabel.text
    assert not manifest.exists() and len(panel._data.dataSet.cases) == 4
    manifest.write_text(text)
    panel.ui.divideButton.click()
    assert manifest.exists() and len(panel._data.dataSet.cases) == 4
