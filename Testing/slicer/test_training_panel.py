"""MedSynthTrain as a user operates it, from volumes in the scene to a model that MedSynth runs."""

from __future__ import annotations

import zipfile

import application
import numpy as np
import pytest
import slicer
from scene_helpers import closePanel, matrixOf, waitUntil
from train_helpers import SECONDS, makePanel, phantomPair, recipeText

pytestmark = pytest.mark.slow

# Many more than are trained before the panel, on a busy machine, has seen two of them.
EPOCHS = 80


def epochsDrawn(view: str) -> int:
    """Return the number of epochs in the chart that a plot view shows."""
    viewNode = slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLPlotViewNode")
    chart = slicer.mrmlScene.GetNodeByID(viewNode.GetPlotChartNodeID() or "")
    series = chart.GetNthPlotSeriesNode(0) if chart else None
    return series.GetTableNode().GetNumberOfRows() if series else 0


def columnDrawn(view: str) -> tuple[str, list[float]]:
    """Return name and values of the first series in the chart that a plot view shows."""
    viewNode = slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLPlotViewNode")
    series = slicer.mrmlScene.GetNodeByID(viewNode.GetPlotChartNodeID()).GetNthPlotSeriesNode(0)
    return series.GetName(), list(slicer.util.arrayFromTableColumn(series.GetTableNode(), series.GetYColumnName()))


def test_FromTheSceneToAModelThatMedSynthRuns(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSYNTH_MODELS", str(tmp_path / "library"))
    panel = makePanel(tmp_path / "training")
    ui = panel.ui

    # Recipe: the numbers change the text.
    panel._recipe.setText(recipeText())
    ui.epochsSpinBox.value = EPOCHS
    assert panel._recipe.recipe.epochs == EPOCHS and f'"epochs": {EPOCHS}' in panel._recipe.text

    # Data: pairs from the scene, divided by patient, checked.
    assert not ui.startButton.enabled and "Add cases" in ui.runStatusLabel.text
    for number in range(4):
        ct, pet = phantomPair(number)
        ui.inputVolumeSelector.setCurrentNode(ct)
        ui.targetVolumeSelector.setCurrentNode(pet)
        ui.addPairButton.click()
        panel._data.wait()
    assert "'case-001' has no split, nor do 3 others" in ui.runStatusLabel.text
    assert "divide the data set by patient" in ui.runStatusLabel.text and "medsynth" not in ui.runStatusLabel.text
    ui.divideButton.click()
    assert ui.countLabel.text == "4 cases: 2 train, 1 val, 1 test"
    ui.checkButton.click()
    panel._data.wait()
    states = [ui.caseTable.item(row, 2).text() for row in range(4)]
    assert states == ["✓ good"] * 4
    assert waitUntil(lambda: not any(ui.caseTable.item(r, c).icon().isNull() for r in range(4) for c in (3, 4)), 10)
    assert [ui.caseTable.item(row, 0).text() for row in range(4)] == [f"case-00{n}" for n in (1, 2, 3, 4)]

    # Run: curves, previews, time, memory; closing the scene does not stop it.
    assert ui.startButton.enabled and ui.startButton.text == "Start"
    ui.startButton.click()
    run = panel._run.run
    assert ui.startButton.text == "Stop" and run.alive
    slicer.mrmlScene.Clear(0)
    assert waitUntil(lambda: epochsDrawn("MedSynthTrainLoss") >= 1 and not ui.previewLabel.pixmap.isNull(), SECONDS)
    epochs, caption = epochsDrawn("MedSynthTrainLoss"), ui.previewCaption.text
    assert waitUntil(lambda: epochsDrawn("MedSynthTrainLoss") > epochs and ui.previewCaption.text != caption, SECONDS)
    name, losses = columnDrawn("MedSynthTrainLoss")
    assert name == "loss" and losses == [run.metrics["train", "loss"][epoch] for epoch in range(1, len(losses) + 1)]
    assert columnDrawn("MedSynthTrainValidation")[0] == "MAE"
    ui.metricComboBox.setCurrentIndex(ui.metricComboBox.findData("psnr"))
    assert columnDrawn("MedSynthTrainValidation")[1][0] == run.metrics["val", "psnr"][1]
    assert "Epoch " in ui.runStatusLabel.text and "CPU" in ui.memoryLabel.text

    # Stop with a checkpoint, resume.
    ui.startButton.click()
    assert waitUntil(lambda: not run.alive, SECONDS)
    done = max(run.metrics["train", "loss"])
    assert ui.startButton.text == "Resume" and done < EPOCHS
    ui.startButton.click()
    assert waitUntil(lambda: not run.alive, SECONDS)
    assert run.state.value == "finished" and sorted(run.metrics["train", "loss"]) == list(range(1, EPOCHS + 1))

    # Publish: report, card, library, file.
    assert ui.scoresTable.rowCount == 2  # the test case and the mean
    ui.titleEdit.text = "Phantom PET"
    ui.limitsEdit.plainText = "It knows phantoms only.\nAnd few of them."
    ui.publishButton.click()
    panel._publish.wait()
    assert "The package is in" in ui.publishStatusLabel.text
    panel._publish.exportTo(tmp_path / "tiny.zip")
    assert "tiny/configs/metadata.json" in zipfile.ZipFile(tmp_path / "tiny.zip").namelist()
    ui.libraryButton.click()
    panel._publish.wait()
    assert "is in the library" in ui.publishStatusLabel.text
    closePanel(panel)

    # MedSynth offers it and runs it.
    synthesis = application.loadModule("MedSynth").MedSynthWidget()
    ct, pet = phantomPair(9)
    synthesis.ui.inputVolumeSelector.setCurrentNode(ct)
    box = synthesis.ui.modelComboBox
    box.setCurrentIndex(box.findText("Phantom PET"))
    assert synthesis.ui.limitsLabel.toolTip.count("\n\n") == 1
    synthesis.ui.applyButton.click()
    assert waitUntil(lambda: not synthesis.logic.isRunning, SECONDS)
    synthetic = synthesis.ui.outputVolumeSelector.currentNode()
    assert np.array_equal(matrixOf(synthetic), matrixOf(ct))
    found, real = slicer.util.arrayFromVolume(synthetic), slicer.util.arrayFromVolume(pet)
    body = slicer.util.arrayFromVolume(ct) > -300
    assert np.abs(found - real)[body].mean() < 0.9 * np.abs(real[body].mean() - real[body]).mean()
    closePanel(synthesis)
