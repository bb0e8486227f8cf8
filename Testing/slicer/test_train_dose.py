"""Training for low-dose PET in the panel: cases hold full-dose images, and lower doses are simulated."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from builders import phantom_body_pet, phantom_ct, write_dose_manifest
from scene_helpers import closePanel, waitUntil
from test_training_panel import columnDrawn
from train_helpers import SECONDS, doseRecipeText, makePanel, nodeOf, recipeText

from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_volume
from medsynth_core.metrics.earlier_names import todays_series

pytestmark = pytest.mark.slow


@pytest.fixture
def panel(tmp_path):
    panel = makePanel(tmp_path / "training")
    panel._recipe.setText(doseRecipeText())
    yield panel
    closePanel(panel)


def withCt() -> str:
    """Return a recipe that also asks for the CT by which photons are attenuated."""
    return doseRecipeText(dose={"simulation": {"counts": 200000, "subsets": 8}, "attenuation_role": "ct"})


def seen(panel) -> dict[str, bool]:
    """Return which widgets for a second image are shown."""
    names = ("targetVolumeSelector", "targetVolumeCaption", "targetPatternEdit", "registerCheckBox")
    return {name: getattr(panel.ui, name).visible for name in names}


def written(panel) -> list[str]:
    """Return what lies in the folder of the data set, thumbnails apart."""
    folder = panel._data.dataSet.folder
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return sorted(path for path in found if not path.startswith("thumbnails"))


def test_EachImageIsAskedForOnce(panel):
    ui = panel.ui
    assert not any(seen(panel).values()) and ui.inputVolumeCaption.text == "pet:"
    assert ui.inputPatternEdit.text == "*pet*.nii*" and ui.addPairButton.text == "Add"
    assert ui.caseTable.isColumnHidden(4)
    panel._recipe.setText(withCt())
    assert all(seen(panel).values()) and not ui.caseTable.isColumnHidden(4)
    assert (ui.inputVolumeCaption.text, ui.targetVolumeCaption.text) == ("pet:", "ct:")
    assert ui.targetPatternEdit.text == "*ct*.nii*" and "Register ct rigidly to pet" in ui.registerCheckBox.toolTip
    headers = [ui.caseTable.horizontalHeaderItem(column).text() for column in range(6)]
    assert headers == ["Case", "Split", "State", "pet", "ct", "Patient"]
    panel._recipe.setText(recipeText())
    assert all(seen(panel).values()) and ui.inputVolumeCaption.text == "Input:" and ui.addPairButton.text == "Add pair"


def test_FromTheSceneToAPackage(panel):
    ui = panel.ui
    for seed in range(4):
        ui.inputVolumeSelector.setCurrentNode(nodeOf(phantom_body_pet(seed), f"PET {seed}"))
        ui.registerCheckBox.checked = True  # as a pair has left it
        ui.addPairButton.click()
        panel._data.wait()
    cases = panel._data.dataSet.cases
    assert [sorted(case.files) for case in cases] == [["pet"]] * 4, ui.dataStatusLabel.text
    assert np.array_equal(read_volume(cases[2].files["pet"]).voxels, phantom_body_pet(2).voxels)
    assert not ui.registerButton.enabled
    ui.divideButton.click()
    ui.checkButton.click()
    panel._data.wait()
    assert ui.dataStatusLabel.text == "Checked: 4 good, 0 doubtful, 0 refused."
    assert ui.startButton.enabled
    ui.metricComboBox.setCurrentIndex(ui.metricComboBox.findData("nrmse_minmax"))
    ui.startButton.click()
    run = panel._run.run
    assert waitUntil(lambda: not run.alive, SECONDS), ui.logTextEdit.plainText
    assert run.state.value == "finished", run.problem

    # The first epoch trains a part of the model alone, and its scores are another curve.
    logged = todays_series(run.metrics)
    assert sorted(logged["coarse", "nrmse_minmax"]) == [1] and sorted(logged["val", "nrmse_minmax"]) == [2, 3]
    name, values = columnDrawn("MedSynthTrainValidation")
    assert name == "NRMSE (min-max)" and np.isnan(values[0])
    assert values[1:] == list(logged["val", "nrmse_minmax"].values())
    chart = panel._run._curves.chart("MedSynthTrainValidation")
    assert chart.GetNthPlotSeriesNode(1).GetName() == "NRMSE (min-max), coarse stage"
    assert not ui.previewLabel.pixmap.isNull() and "DRF" in ui.previewCaption.text

    assert ui.scoresTable.rowCount >= 2 and ui.scoresTable.horizontalHeaderItem(4).text() == "NRMSE (min-max)"
    assert ui.scoresTable.horizontalHeaderItem(1).toolTip() == "MAE in the body (lower is better)"
    assert float(ui.scoresTable.item(0, 4).text()) > 0
    assert ui.publishStatusLabel.text == ""  # no longer that the training still runs
    ui.publishButton.click()
    panel._publish.wait()
    assert "The package is in" in ui.publishStatusLabel.text and not ui.figureLabel.pixmap.isNull()


def test_APetWithItsCtIsACaseAndTheCtIsRegistered(panel, tmp_path):
    panel._recipe.setText(withCt())
    ui = panel.ui
    pet = phantom_body_pet(0, (24, 40, 44))
    ct = phantom_ct((24, 40, 44), matrix=pet.ijk_to_ras)
    ui.inputVolumeSelector.setCurrentNode(nodeOf(ct, "CT"))
    ui.targetVolumeSelector.setCurrentNode(nodeOf(pet, "PET"))
    ui.addPairButton.click()
    assert "CT is CT, but the recipe's 'pet' is PT" in ui.dataStatusLabel.text
    ui.inputVolumeSelector.setCurrentNode(slicer.util.getNode("PET"))
    ui.targetVolumeSelector.setCurrentNode(slicer.util.getNode("CT"))
    ui.registerCheckBox.checked = True
    ui.addPairButton.click()
    panel._data.wait()
    (case,) = panel._data.dataSet.cases
    assert case.files["ct"].name == "ct-on-pet.nii.gz", ui.dataStatusLabel.text
    assert read_volume(case.files["ct"]).same_grid(pet)
    assert sorted(path.name for path in case.files["ct"].parent.iterdir()) == [
        ".medsynth-case", "ct-on-pet.json", "ct-on-pet.nii.gz", "ct-on-pet.registration.json", "ct.json", "ct.nii.gz",
        "pet.json", "pet.nii.gz",
    ]  # fmt: skip

    folder = tmp_path / "study" / "P1"
    folder.mkdir(parents=True)
    write_volume(pet, folder / "pet.nii.gz")
    panel._data.addFolderFrom(tmp_path / "study")
    panel._data.wait()
    assert "has a file matching '*ct*.nii*' for 'ct'" in ui.dataStatusLabel.text
    panel._data.addManifestFrom(write_dose_manifest(tmp_path))
    panel._data.dataSet.setSplit([case.name], "train")
    assert "Case 'P0': There is no file for 'ct'" in panel._data.dataSet.whatIsMissing(panel._data._needs)


def test_CancelOfARegistrationLeavesNothing(panel):
    panel._recipe.setText(withCt())
    pet = phantom_body_pet(0, (24, 40, 44))
    for selector, volume in ((panel.ui.inputVolumeSelector, pet), (panel.ui.targetVolumeSelector, None)):
        node = nodeOf(volume or phantom_ct((24, 40, 44), matrix=pet.ijk_to_ras), "node")
        selector.setCurrentNode(node)
    panel.ui.addPairButton.click()
    panel._data.wait()
    (case,) = panel._data.dataSet.cases
    before = written(panel)
    panel.ui.caseTable.selectRow(0)
    panel.ui.registerButton.click()
    assert panel._data.running
    panel.ui.cancelDataButton.click()
    panel._data.wait()
    assert panel.ui.dataStatusLabel.text.endswith("Cancelled.")
    assert waitUntil(lambda: written(panel) == before, 10)
    assert panel._data.dataSet.case(case.name).files["ct"].name == "ct.nii.gz"
