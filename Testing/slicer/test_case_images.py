"""A recipe with three images: the data section asks for each of them, from the scene and from folders."""

from __future__ import annotations

import json

import pytest
import qt
import slicer
from builders import phantom_ct
from scene_helpers import closePanel
from several_inputs_helpers import ctMrAndPet, threeImageRecipeText
from train_helpers import makePanel, recipeText

from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_volume


@pytest.fixture
def panel(tmp_path):
    panel = makePanel(tmp_path / "training")
    panel._recipe.setText(threeImageRecipeText())
    yield panel
    closePanel(panel)


def choose(panel, nodes: dict) -> None:
    panel.ui.inputVolumeSelector.setCurrentNode(nodes.get("ct"))
    panel.ui.targetVolumeSelector.setCurrentNode(nodes.get("mr"))
    panel._data.images.selector("pet").setCurrentNode(nodes.get("pet"))


def add(panel) -> str:
    """Add the chosen volumes as a case, and return what the panel says."""
    panel.ui.addPairButton.click()
    panel._data.wait()
    return panel.ui.dataStatusLabel.text


def test_EachImageHasASelectorAndAPattern(panel):
    ui, images = panel.ui, panel._data.images
    assert panel._recipe.problem == ""
    assert (ui.inputVolumeCaption.text, ui.targetVolumeCaption.text) == ("ct:", "mr:")
    assert ui.addPairButton.text == "Add" and "Register mr, pet rigidly to ct" in ui.registerCheckBox.toolTip
    third = images.selector("pet")
    assert third.visible and "aligned with ct" in third.toolTip
    patterns = {"ct": "*ct*.nii*", "mr": "*mr*.nii*", "pet": "*pet*.nii*"}
    assert images.patterns(panel._data._needs) == patterns

    panel._recipe.setText(recipeText())
    assert not third.visible and images.selector("pet") is None
    assert (ui.inputVolumeCaption.text, ui.addPairButton.text) == ("Input:", "Add pair")
    assert images.patterns(panel._data._needs) == {"ct": "*ct*.nii*", "pet": "*pet*.nii*"}
    assert not any(widget.visible for row in images._furtherPatterns for widget in row)

    panel._recipe.setText(threeImageRecipeText())
    assert images.selector("pet") is third and third.visible


def test_TypedPatternsSurviveWhatIsTypedInTheRecipe(panel):
    ui, text = panel.ui, recipeText()
    panel._recipe.setText(text)
    ui.inputPatternEdit.text = "*_myCT.nii.gz"
    panel._recipe.setText(text.replace('"epochs"', '"epoch'))
    assert panel._recipe.recipe is None and ui.inputPatternEdit.text == "*_myCT.nii.gz"
    panel._recipe.setText(text)
    assert (ui.inputPatternEdit.text, ui.targetPatternEdit.text) == ("*_myCT.nii.gz", "*pet*.nii*")
    # A recipe may also be valid for a moment with half of a name.
    panel._recipe.setText(text.replace('"ct"', '"c"'))
    assert panel._recipe.problem == "" and ui.inputPatternEdit.text == "*c*.nii*"
    panel._recipe.setText(threeImageRecipeText())
    assert panel._data.images.patterns(panel._data._needs)["ct"] == "*_myCT.nii.gz"


def test_ThreeVolumesBecomeACase(panel):
    nodes = ctMrAndPet()
    choose(panel, {role: nodes[role] for role in ("ct", "mr")})
    assert add(panel) == "Choose a volume for 'pet'."
    choose(panel, {**nodes, "pet": nodes["mr"]})
    assert add(panel) == "The same volume is chosen twice; choose another one."
    choose(panel, nodes)
    assert add(panel) == "Added case-001."
    (case,) = panel._data.dataSet.cases
    assert list(case.files) == ["ct", "mr", "pet"]
    for role, node in nodes.items():
        assert (read_volume(case.files[role]).voxels == slicer.util.arrayFromVolume(node)).all()


def test_FoldersWithThreeImagesBecomeCases(panel, tmp_path):
    for number in range(2):
        folder = tmp_path / "study" / f"patient{number}"
        folder.mkdir(parents=True)
        for role in ("ct", "mr", "pet"):
            write_volume(phantom_ct(seed=number), folder / f"{role}.nii.gz")
    panel._data.addFolderFrom(tmp_path / "study")
    panel._data.wait()
    assert panel.ui.dataStatusLabel.text == "Added 2 cases."
    assert [sorted(case.files) for case in panel._data.dataSet.cases] == [["ct", "mr", "pet"]] * 2


def writeStudy(folder, roles) -> None:
    for role in roles:
        write_volume(phantom_ct(), folder / "patient" / f"{role}.nii.gz")


def test_AFolderIsAddedByWhatWasChosenWhenItWasAskedFor(panel, tmp_path, monkeypatch):
    (tmp_path / "study" / "patient").mkdir(parents=True)
    writeStudy(tmp_path / "study", ("ct", "mr", "pet"))

    def ask(*_arguments) -> str:
        panel._recipe.setText("no recipe")  # the pause after the last key press ends while the window is open
        return str(tmp_path / "study")

    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", ask)
    panel.ui.addFolderButton.click()
    panel._data.wait()
    assert panel.ui.dataStatusLabel.text == "Added 1 case."
    assert [sorted(case.files) for case in panel._data.dataSet.cases] == [["ct", "mr", "pet"]]


@pytest.mark.parametrize(
    ("dialog", "button"), [("getExistingDirectory", "addFolderButton"), ("getOpenFileName", "addManifestButton")]
)
def test_NothingIsAddedToADataSetThatWasOpenedMeanwhile(panel, tmp_path, monkeypatch, dialog, button):
    def ask(*_arguments) -> str:
        panel.openFolder(tmp_path / "another")
        return str(tmp_path)

    monkeypatch.setattr(qt.QFileDialog, dialog, ask)
    getattr(panel.ui, button).click()
    said = "Another folder was opened in the meantime, so nothing was added; add the cases again."
    assert panel.ui.dataStatusLabel.text == said and not panel._data.running


def test_TheChoiceIsKeptInTheSceneAndNotBeyondIt(panel):
    nodes = ctMrAndPet()
    choose(panel, nodes)
    panel.exit()
    panel.enter()
    assert panel._data.images.selector("pet").currentNode() is nodes["pet"]
    slicer.mrmlScene.Clear(0)
    assert panel._data.images.selector("pet").currentNode() is None
    assert not nodes["pet"].HasObserver("ModifiedEvent")


def test_TheConsoleTakesVolumesByRole(tmp_path):
    from MedSynthTrain import MedSynthTrainLogic

    logic, nodes = MedSynthTrainLogic(), ctMrAndPet()
    data, roles = logic.dataSet(tmp_path / "data"), logic.roles(threeImageRecipeText())
    for further, words in (
        (None, "Choose a volume for 'pet'"),
        ({"pet": nodes["pet"], "lesion": nodes["pet"]}, "does not use 'lesion'; it uses ct, mr, pet"),
        ({"pet": nodes["ct"]}, "chosen twice"),
    ):
        with pytest.raises(MedSynthError, match=words):
            logic.addCase(data, roles, nodes["ct"], nodes["mr"], furtherVolumes=further)
    case = logic.addCase(data, roles, nodes["ct"], nodes["mr"], "leg", "A", {"pet": nodes["pet"]})
    assert (case.name, case.patient, sorted(case.files)) == ("leg", "A", ["ct", "mr", "pet"])
    assert logic.addCase(data, roles, None, furtherVolumes=nodes).files.keys() == case.files.keys()


@pytest.mark.slow
def test_EveryFurtherImageIsRegisteredToTheFirst(panel):
    choose(panel, ctMrAndPet((16, 72, 80)))
    panel.ui.registerCheckBox.checked = True
    add(panel)
    (case,) = panel._data.dataSet.cases
    names = {role: file.name for role, file in case.files.items()}
    assert names == {"ct": "ct.nii.gz", "mr": "mr-on-ct.nii.gz", "pet": "pet-on-ct.nii.gz"}
    assert panel.ui.dataStatusLabel.text.startswith("case-001, pet: mutual information")
    records = [json.loads(path.read_text()) for path in case.files["ct"].parent.glob("*-on-ct.registration.json")]
    assert len(records) == 2 and all(record["quality"]["after"] for record in records)


def test_AnOptionalImageMayBeLeftOut(panel):
    text = json.loads(threeImageRecipeText())
    text["contract"]["inputs"]["mr"]["optional"] = True
    panel._recipe.setText(json.dumps(text))
    nodes = ctMrAndPet()
    choose(panel, {role: nodes[role] for role in ("ct", "pet")})
    assert add(panel) == "Added case-001."
    assert sorted(panel._data.dataSet.cases[0].files) == ["ct", "pet"]
    panel.ui.targetPatternEdit.text = ""
    assert sorted(panel._data.images.patterns(panel._data._needs)) == ["ct", "pet"]
    assert [role.name for _name, role in panel._data._toRegister("case-001")] == ["pet"]
