"""The data set: pairs from the scene and from files, what is refused, splits by patient, registration."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
import vtk
from builders import phantom_ct, write_manifest
from scene_helpers import closePanel, waitUntil
from train_helpers import addPhantoms, makePanel, nodeOf, phantomPair, recipeText

from medsynth_core.datasets.manifest import Case, read_manifest
from medsynth_core.datasets.manifest import write_manifest as write_cases
from medsynth_core.errors import MedSynthError
from medsynth_core.io.reading import read_volume


@pytest.fixture
def logic():
    from MedSynthTrain import MedSynthTrainLogic

    return MedSynthTrainLogic()


@pytest.fixture
def roles(logic):
    return logic.roles(recipeText())


@pytest.fixture
def dataSet(tmp_path):
    from MedSynthTrainLib.dataset import DataSet

    return DataSet(tmp_path / "data")


@pytest.fixture
def panel(tmp_path):
    panel = makePanel(tmp_path)
    panel._recipe.setText(recipeText())
    yield panel
    closePanel(panel)


def moved(node, matrix: np.ndarray) -> None:
    """Put a node under a linear transform."""
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())


def test_APairBecomesFilesWhereTheSceneShowsThem(logic, dataSet, roles):
    ct, pet = phantomPair(0)
    shift = np.eye(4)
    shift[:3, 3] = (5, -7, 11)
    moved(pet, shift)
    case = logic.addCase(dataSet, roles, ct, pet, "leg 1", "patient A")
    assert (case.name, case.patient, case.split) == ("leg 1", "patient A", "")
    written = read_volume(case.files["pet"])
    assert np.array_equal(written.voxels, slicer.util.arrayFromVolume(pet))
    before = read_volume(case.files["ct"]).ijk_to_ras
    assert np.allclose(written.ijk_to_ras, shift @ before)
    # Another Slicer finds the same.
    from MedSynthTrainLib.dataset import DataSet

    assert DataSet(dataSet.folder).cases == dataSet.cases


def test_NamesSayNothingOfThePatientUnlessTyped(logic, dataSet, roles):
    ct, pet = phantomPair(0)
    ct.SetName("Doe^Jane CT")
    case = logic.addCase(dataSet, roles, ct, pet)
    assert case.name == case.patient == "case-001"
    assert "Doe" not in "".join(str(path) for path in dataSet.folder.rglob("*")) + dataSet.manifest.read_text()


def test_WhatIsNoPairIsRefusedAndLeavesNothing(logic, dataSet, roles):
    ct, pet = phantomPair(0)
    bent = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    grid = vtk.vtkThinPlateSplineTransform()
    bent.SetAndObserveTransformToParent(grid)
    other = phantomPair(1)[1]
    other.SetAndObserveTransformNodeID(bent.GetID())
    for pair, words in (
        ((pet, ct), "PET 0 is PT, but the recipe's 'ct'"),
        ((None, pet), "Choose a volume"),
        ((ct, ct), "same volume is chosen twice"),
        ((ct, other), "nonlinear transform; harden it"),
    ):
        with pytest.raises(MedSynthError, match=words):
            logic.addCase(dataSet, roles, *pair)
    logic.addCase(dataSet, roles, ct, pet, "P")
    with pytest.raises(MedSynthError, match="has a case P already"):
        logic.addCase(dataSet, roles, ct, pet, "P")
    assert [case.name for case in dataSet.cases] == ["P"]
    assert sorted(path.name for path in dataSet.folder.iterdir()) == ["P", "manifest.csv"]


def test_AManifestIsAddedAndItsFilesStayTheUsers(dataSet, roles, tmp_path):
    (tmp_path / "mine").mkdir()
    manifest = write_manifest(tmp_path / "mine")
    dataSet.addManifest(manifest)
    assert [case.split for case in dataSet.cases] == ["train", "train", "val", "test"]
    assert dataSet.whatIsMissing(roles) == ""
    with pytest.raises(MedSynthError, match="already"):
        dataSet.addManifest(manifest)
    dataSet.remove([case.name for case in dataSet.cases])
    assert dataSet.cases == [] and not dataSet.manifest.exists()
    assert len(read_manifest(manifest, ("ct", "pet"))) == 4


def test_RemovingACaseRemovesWhatWasWrittenForIt(dataSet, roles):
    addPhantoms(dataSet, 2)
    dataSet.remove(["P0"])
    assert sorted(path.name for path in dataSet.folder.iterdir()) == ["P1", "manifest.csv"]


def test_FilesThatATrainingMayStillNeedStay(dataSet, roles):
    addPhantoms(dataSet, 2)
    run = dataSet.folder.parent / "run"
    run.mkdir()
    write_cases([dataSet.case("P0")], run / "cases.csv")
    dataSet.remove(["P0", "P1"])
    assert dataSet.cases == [] and [path.name for path in dataSet.folder.iterdir()] == ["P0"]


def test_APatientOfTwoSplitsIsNotTakenFromAManifest(logic, dataSet, roles, tmp_path):
    logic.addCase(dataSet, roles, *phantomPair(0), "mine", "P2")
    dataSet.setSplit(["mine"], "train")
    (tmp_path / "theirs").mkdir()
    with pytest.raises(MedSynthError, match="patient 'P2' would be in the splits train and val"):
        dataSet.addManifest(write_manifest(tmp_path / "theirs"))
    assert len(dataSet.cases) == 1


@pytest.mark.slow
def test_CasesOfAPatientStayTogether(logic, dataSet, roles):
    for number in range(6):
        logic.addCase(dataSet, roles, *phantomPair(number), f"case {number}", f"patient {number // 2}")
    with pytest.raises(MedSynthError, match="no split"):
        dataSet.setSplit(["case 0"], "holdout")
    dataSet.divide(roles)
    splits = {case.patient: case.split for case in dataSet.cases}
    assert sorted(splits.values()) == ["test", "train", "val"]
    dataSet.setSplit(["case 0"], "test")
    assert dataSet.case("case 1").split == "test"


def test_ABrokenManifestIsToldAndKept(tmp_path):
    (tmp_path / "data").mkdir()
    manifest = tmp_path / "data" / "manifest.csv"
    manifest.write_text("case,split,ct,pet\nA,train,a.nii.gz,b.nii.gz\nA,val,a.nii.gz,b.nii.gz\n")
    text = manifest.read_text()
    panel = makePanel(tmp_path)
    assert "lists the case 'A' twice" in panel.ui.dataStatusLabel.text
    assert not panel.ui.addPairButton.enabled and not panel.ui.startButton.enabled
    assert manifest.read_text() == text
    closePanel(panel)


def test_FoldersBecomeCases(panel, tmp_path):
    from medsynth_core.io.writing import write_volume

    for number in range(3):
        folder = tmp_path / "study" / f"patient{number}"
        folder.mkdir(parents=True)
        write_volume(phantom_ct(seed=number), folder / "the_ct.nii.gz")
        write_volume(phantom_ct(seed=number + 9), folder / "the_pet.nii.gz")
    panel._data.addFolderFrom(tmp_path / "study")
    panel._data.wait()
    assert panel.ui.dataStatusLabel.text == "Added 3 cases."
    assert [case.patient for case in panel._data.dataSet.cases] == ["patient0", "patient1", "patient2"]


def test_APublicDataSetIsAddedWithoutPatterns(panel, tmp_path):
    for name in ("train/PNEUMONIA/person5_virus_9.jpeg", "test/NORMAL/IM-0001-0001.jpeg"):
        (tmp_path / "study" / name).parent.mkdir(parents=True)
        (tmp_path / "study" / name).touch()
    panel._data.addFolderFrom(tmp_path / "study")
    panel._data.wait()
    assert "give no pattern at all to read it as chest X-rays" in panel.ui.dataStatusLabel.text
    panel.ui.inputPatternEdit.text = panel.ui.targetPatternEdit.text = ""
    panel._data.addFolderFrom(tmp_path / "study")
    panel._data.wait()
    assert panel.ui.dataStatusLabel.text == "Added 2 cases."
    cases = {case.name: (case.split, case.label) for case in panel._data.dataSet.cases}
    assert cases == {"IM-0001-0001": ("test", "normal"), "person5_virus_9": ("", "viral")}
    assert panel._data.dataSet.manifest.read_text().splitlines()[0] == "case,split,patient,class,xray"


def test_AFolderWithoutCasesIsTold(panel, tmp_path):
    (tmp_path / "empty").mkdir()
    panel._data.addFolderFrom(tmp_path / "empty")
    panel._data.wait()
    assert "empty" in panel.ui.dataStatusLabel.text and panel._data.dataSet.cases == []
    assert not (panel._data.dataSet.folder / "imported").exists()


def test_ProblemsOfACaseAreShownWhenItIsSelected(panel):
    addPhantoms(panel._data.dataSet, 3)
    panel._data.dataSet.case("P1").files["pet"].unlink()
    panel._data.refresh()
    panel.ui.checkButton.click()
    panel._data.wait()
    assert panel.ui.caseTable.item(1, 2).text() == "✗ refused"
    panel.ui.caseTable.selectRow(1)
    assert "pet.nii.gz" in panel.ui.dataStatusLabel.text
    panel.ui.moveComboBox.setCurrentIndex(panel.ui.moveComboBox.findData("test"))
    panel._data.moveSelected()
    assert panel._data.dataSet.case("P1").split == "test"


@pytest.mark.slow
def test_RegistrationBringsTheTargetToTheInput(panel):
    ct, pet = _bigPair()
    shift = np.eye(4)
    shift[:3, 3] = (6, -4, 0)
    moved(pet, shift)
    panel.ui.inputVolumeSelector.setCurrentNode(ct)
    panel.ui.targetVolumeSelector.setCurrentNode(pet)
    panel.ui.registerCheckBox.checked = True
    panel.ui.caseNameEdit.text = "P"
    panel.ui.addPairButton.click()
    assert panel._data.running and panel.ui.cancelDataButton.visible
    panel._data.wait()
    case = panel._data.dataSet.case("P")
    assert case.files["pet"].name == "pet-on-ct.nii.gz", panel.ui.dataStatusLabel.text
    registered, truth = read_volume(case.files["pet"]), slicer.util.arrayFromVolume(pet)
    body = truth > 0.5
    assert np.abs(registered.voxels - truth)[body].mean() < 0.1
    record = json.loads((case.files["pet"].parent / "pet-on-ct.registration.json").read_text())
    # From points of the fixed to points of the moving image, in LPS: where RAS moves by (6, -4) it is (-6, 4).
    assert np.allclose(np.array(record["lps_matrix"])[:2, 3], (-6, 4), atol=1.5)
    assert (case.files["pet"].parent / "pet.nii.gz").is_file()
    assert waitUntil(lambda: not panel._data.running, 5)


def test_ShowLoadsTheCaseIntoTheScene(panel):
    addPhantoms(panel._data.dataSet, 1)
    panel._data.refresh()
    panel.ui.showButton.click()
    assert "Select the case" in panel.ui.dataStatusLabel.text
    panel.ui.caseTable.selectRow(0)
    panel.ui.showButton.click()
    names = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    assert names[-2:] == ["P0 ct", "P0 pet"]


def _bigPair():
    """Return a phantom that fills more voxels, for the registration to have something to look at."""
    from builders import phantom_pet

    ct = phantom_ct((16, 72, 80))
    return nodeOf(ct, "CT"), nodeOf(phantom_pet(ct), "PET")


def thumbnails(dataSet) -> list:
    """Write a picture for each image of a data set, and return their files."""
    from MedSynthTrainLib.thumbnail_files import pictureOf

    files = [file for case in dataSet.cases for file in case.files.values()]
    dataSet.thumbnails.mkdir(exist_ok=True)
    made = [pictureOf(dataSet.thumbnails, file) for file in files]
    for picture in made:
        picture.write_bytes(b"P5 1 1 255\n0")
    return made


def test_RemovingCasesRemovesTheirThumbnails(dataSet, tmp_path):
    addPhantoms(dataSet)
    pictures = thumbnails(dataSet)
    other = dataSet.thumbnails / "notes.txt"
    other.write_text("mine")
    dataSet.remove(["P0", "P2"])
    assert [picture.exists() for picture in pictures] == [False, False, True, True, False, False, True, True]
    dataSet.remove(["P1", "P3"])
    assert list(dataSet.thumbnails.iterdir()) == [other]


def test_ThumbnailsOfTheUsersOwnFilesGoToo(dataSet, tmp_path):
    files = {role: tmp_path / f"{role}.nii.gz" for role in ("ct", "pet")}
    for file in files.values():
        file.write_bytes(b"image")
    write_cases([Case("A", "train", files)], tmp_path / "mine.csv")
    dataSet.addManifest(tmp_path / "mine.csv")
    thumbnails(dataSet)
    dataSet.remove(["A"])
    assert not dataSet.thumbnails.exists() and all(file.exists() for file in files.values())


def test_OpeningRemovesThumbnailsThatNoCaseNeeds(tmp_path):
    from MedSynthTrainLib.dataset import DataSet

    dataSet = DataSet(tmp_path / "data")
    addPhantoms(dataSet)
    kept = thumbnails(dataSet)
    stale = [dataSet.thumbnails / name for name in ("0123456789abcdef.pgm", ".0a1b2c3d-0123456789abcdef.pgm")]
    for picture in stale:
        picture.write_bytes(b"P5 1 1 255\n0")
    panel = makePanel(tmp_path)
    assert sorted(dataSet.thumbnails.iterdir()) == sorted(kept)
    # A process that was still at work writes one of a case that is gone by now.
    panel._data.dataSet.remove(["P0"])
    kept[0].write_bytes(b"P5 1 1 255\n0")
    panel._data._table._thumbnails._onFinished({"made": []}, None)
    assert sorted(dataSet.thumbnails.iterdir()) == sorted(kept[2:])
    closePanel(panel)


def test_ATableInAnotherEncodingDoesNotKeepACase(dataSet):
    addPhantoms(dataSet)
    run = dataSet.folder.parent / "run"
    run.mkdir()
    (run / "cases.csv").write_bytes("case,note\nA,ü\n".encode("latin-1"))
    folder = dataSet.case("P0").files["ct"].parent
    dataSet.remove(["P0"])
    assert not folder.exists()


@pytest.mark.slow
def test_ASecondRegistrationStartsFromTheOriginal(logic, dataSet, roles):
    from MedSynthTrainLib.dataset_jobs import RegisterJob

    ct, pet = _bigPair()
    shift = np.eye(4)
    shift[:3, 3] = (6, -4, 0)
    moved(pet, shift)
    original = logic.addCase(dataSet, roles, ct, pet, "P").files["pet"]
    ended, records, images = [], [], []
    for _ in range(2):
        RegisterJob(dataSet, "P", roles.roles, lambda quality, error: ended.append((quality, error))).wait()
        image = dataSet.case("P").files["pet"]
        records.append(json.loads((image.parent / "pet-on-ct.registration.json").read_text()))
        images.append(read_volume(image))
    assert [error for _, error in ended] == [None, None] and original.is_file()
    first, second = records
    assert first["inputs"] == second["inputs"] and first["inputs"]["moving"]["file"] == str(original)
    assert np.allclose(np.array(second["lps_matrix"])[:2, 3], (-6, 4), atol=1.5)
    # The same up to rounding, as every registration of the same images.
    assert np.allclose(first["lps_matrix"], second["lps_matrix"], atol=1e-6)
    assert np.allclose(images[0].voxels, images[1].voxels, atol=1e-4)
    assert (images[0].modality, images[0].unit) == ("PT", "SUVbw")


@pytest.mark.slow
def test_ARegisteredImageIsAsSyntheticAsItsOriginal(logic, dataSet, roles):
    from MedSynthTrainLib.dataset_jobs import RegisterJob

    ct, pet = _bigPair()
    pet.SetAttribute("MedSynth.Synthetic", "true")
    pet.SetVoxelValueUnits(None)
    logic.addCase(dataSet, roles, ct, pet, "P")
    RegisterJob(dataSet, "P", roles.roles, lambda quality, error: None).wait()
    image = read_volume(dataSet.case("P").files["pet"])
    assert image.is_synthetic and image.unit == "" and image.modality == "PT"
