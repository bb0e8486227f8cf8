"""Adding cases in the panel: from the scene, from folders and from DICOM, while the window stays responsive."""

from __future__ import annotations

import numpy as np
import pytest
import qt
import slicer
from builders import phantom_ct, phantom_pet
from dicom_builder import write_series
from scene_helpers import closePanel, waitUntil
from train_helpers import SECONDS, makePanel, nodeOf, phantomPair, recipeText, unpairedRecipeText

from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_volume

pytestmark = pytest.mark.slow


@pytest.fixture
def panel(tmp_path):
    panel = makePanel(tmp_path / "training")
    panel._recipe.setText(recipeText())
    yield panel
    closePanel(panel)


@pytest.fixture
def unpaired(panel):
    """Return the panel with the recipe of a CycleGAN."""
    panel._recipe.setText(unpairedRecipeText())
    return panel


def choose(panel, inputVolume, targetVolume) -> None:
    """Choose what becomes a case."""
    panel.ui.inputVolumeSelector.setCurrentNode(inputVolume)
    panel.ui.targetVolumeSelector.setCurrentNode(targetVolume)


def add(panel, *volumes) -> str:
    """Add a case from the scene, and return what the panel says."""
    choose(panel, *volumes)
    panel.ui.addPairButton.click()
    panel._data.wait()
    return panel.ui.dataStatusLabel.text


def largePair() -> tuple:
    """Return a pair that takes a second to write."""
    ct = phantom_ct((120, 256, 256))
    return nodeOf(ct, "CT"), nodeOf(phantom_pet(ct), "PET")


def filesIn(panel) -> list[str]:
    """Return what lies in the folder of the data set, thumbnails apart."""
    folder = panel._data.dataSet.folder
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return sorted(path for path in found if not path.startswith("thumbnails"))


def test_TheWindowLivesWhileAPairIsWritten(panel):
    ct, pet = largePair()
    choose(panel, ct, pet)
    ticks = []
    timer = qt.QTimer()
    timer.setInterval(20)
    timer.connect("timeout()", lambda: ticks.append(1))
    timer.start()
    panel.ui.caseNameEdit.text = "leg"
    panel.ui.addPairButton.click()
    assert panel._data.running and panel.ui.dataProgressBar.visible and panel.ui.caseNameEdit.text == ""
    assert not panel.ui.addPairButton.enabled and not panel.ui.startButton.enabled
    assert waitUntil(lambda: panel.ui.dataStatusLabel.text == "Writing pet of leg", SECONDS)
    assert panel.ui.dataProgressBar.value == 500
    slicer.util.arrayFromVolume(ct)[:] = 0  # what becomes of the scene meanwhile does not reach the case
    slicer.mrmlScene.Clear(0)
    panel._data.wait()
    assert len(ticks) > 5 and panel.ui.dataStatusLabel.text == "Added leg."
    assert np.array_equal(
        read_volume(panel._data.dataSet.case("leg").files["ct"]).voxels, phantom_ct((120, 256, 256)).voxels
    )
    images = ["leg/ct.json", "leg/ct.nii.gz", "leg/pet.json", "leg/pet.nii.gz"]
    assert filesIn(panel) == ["leg", "leg/.medsynth-case", *images, "manifest.csv"]


def test_CancelWhileAPairIsWrittenLeavesNothing(panel):
    choose(panel, *largePair())
    panel.ui.addPairButton.click()
    assert waitUntil(lambda: panel.ui.dataStatusLabel.text == "Writing ct of case-001", SECONDS)
    panel.ui.cancelDataButton.click()
    panel._data.wait()
    assert panel.ui.dataStatusLabel.text == "Cancelled." and panel.ui.addPairButton.enabled
    assert panel._data.dataSet.cases == [] and filesIn(panel) == []


def test_ClosingTheModuleWhileAPairIsWrittenLeavesNothing(panel, tmp_path):
    choose(panel, *largePair())
    panel.ui.addPairButton.click()
    assert waitUntil(lambda: panel.ui.dataStatusLabel.text.startswith("Writing "), SECONDS)
    panel._data.close()
    assert waitUntil(lambda: filesIn(panel) == [], SECONDS)
    assert panel._data.dataSet.cases == []


def test_AWorkerThatCannotStartLeavesNothing(panel, monkeypatch):
    monkeypatch.setattr("MedSynthLib.process.pythonExecutable", lambda: "/nowhere/python")
    assert "could not be passed to the worker process" in add(panel, *phantomPair(0))
    assert panel._data.dataSet.cases == [] and filesIn(panel) == []


def test_AnUnpairedCaseMayHaveOneImage(unpaired):
    ct, pet = phantomPair(0)
    assert unpaired.ui.addPairButton.text == "Add"
    assert add(unpaired, None, None) == "Choose a volume as input or as target."
    assert add(unpaired, ct, None) == "Added case-001."
    assert add(unpaired, None, pet) == "Added case-002."
    assert "both images" in divided(unpaired)
    for seed in (1, 2):
        add(unpaired, *phantomPair(seed))
    assert divided(unpaired) == "Divided by patient."
    cases = unpaired._data.dataSet.cases
    assert [sorted(case.files) for case in cases] == [["ct"], ["pet"], ["ct", "pet"], ["ct", "pet"]]
    assert [case.split for case in cases[:2]] == ["train", "train"]
    assert sorted(case.split for case in cases[2:]) == ["test", "val"]
    unpaired.ui.caseTable.selectRow(1)
    unpaired.ui.showButton.click()
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[-1].GetName() == "case-002 pet"
    unpaired.ui.registerButton.click()
    assert "has no file for 'ct'" in unpaired.ui.dataStatusLabel.text

    assert unpaired.ui.startButton.enabled
    unpaired._data.dataSet.setSplit(["case-001"], "val")
    unpaired._data._changed("")
    assert unpaired.ui.runStatusLabel.text.startswith("No case in the split 'train' has a file for 'ct'; add one")
    pair = next(case.name for case in cases if case.split == "test")
    unpaired._data.dataSet.setSplit([pair], "train")
    unpaired._data._changed("")
    said = unpaired.ui.runStatusLabel.text
    assert said.startswith("Case 'case-001': There is no file for 'pet', which the split 'val' needs; add it, or move")
    unpaired._recipe.setText(recipeText())
    assert "Case 'case-001': There is no file for 'pet'; add it, or remove" in unpaired.ui.runStatusLabel.text
    assert unpaired.ui.addPairButton.text == "Add pair"


def divided(panel) -> str:
    panel.ui.divideButton.click()
    return panel.ui.dataStatusLabel.text


def test_UnpairedCasesAreCheckedAndTrained(unpaired):
    """The two images of a training case need not be aligned; the patients differ in width."""
    ct, pet = phantomPair(4)
    slicer.util.arrayFromVolume(pet)[:] *= 1.5
    add(unpaired, ct, None)
    add(unpaired, None, pet)
    for seed in range(2):
        ct, pet = phantomPair(seed)
        slicer.util.arrayFromVolume(pet)[:] *= 1 + seed / 10
        add(unpaired, ct, pet)
    divided(unpaired)
    unpaired.ui.checkButton.click()
    unpaired._data.wait()
    assert unpaired.ui.dataStatusLabel.text == "Checked: 4 good, 0 doubtful, 0 refused."
    unpaired._recipe.setText(unpairedRecipeText(epochs=1))
    unpaired.ui.startButton.click()
    run = unpaired._run.run
    assert waitUntil(lambda: not run.alive, SECONDS)
    assert run.state.value == "finished", run.problem
    assert run.metrics["train", "cycle"]


def test_FoldersOfOneImageBecomeUnpairedCases(unpaired, tmp_path):
    for number, roles in enumerate((("ct",), ("pet",), ("ct", "pet"))):
        folder = tmp_path / "study" / f"patient{number}"
        folder.mkdir(parents=True)
        for role in roles:
            write_volume(phantom_ct(seed=number), folder / f"{role}.nii.gz")
    unpaired._data.addFolderFrom(tmp_path / "study")
    unpaired._data.wait()
    assert unpaired.ui.dataStatusLabel.text == "Added 3 cases."
    found = {case.name: sorted(case.files) for case in unpaired._data.dataSet.cases}
    assert found == {"patient0": ["ct"], "patient1": ["pet"], "patient2": ["ct", "pet"]}
    unpaired._data.dataSet.remove(list(found))
    unpaired.ui.targetPatternEdit.text = ""
    unpaired._data.addFolderFrom(tmp_path / "study")
    unpaired._data.wait()
    assert [sorted(case.files) for case in unpaired._data.dataSet.cases] == [["ct"], ["ct"]]
    assert filesIn(unpaired) == ["manifest.csv"]


def writeStudy(folder, number: int, modalities: tuple[str, ...] = ("CT", "PT")) -> None:
    """Write a phantom of its own as a DICOM study with CT in HU and PET in SUVbw."""
    ct = phantom_ct((6, 40, 40 + 2 * number), seed=number)
    stored = {"CT": ct.voxels + 1024, "PT": phantom_pet(ct).voxels * (1000 + 50 * number)}
    tags = {"CT": {}, "PT": {"Units": "GML", "SUVType": "BW", "RescaleSlope": 0.001}}
    for modality in modalities:
        write_series(
            folder / f"study{number}" / modality,
            positions=[(-20, -30, 40 + 3 * k) for k in range(6)],
            pixels=stored[modality].astype(np.int16),
            modality=modality,
            PatientID=f"STS_{number:03}",
            StudyInstanceUID=f"1.2.{number}",
            SeriesInstanceUID=f"1.2.{number}.{modality == 'PT':d}",
            PixelSpacing=[1.0, 1.0],
            **tags[modality],
        )


def test_DicomStudiesBecomeCases(panel, tmp_path):
    for number in range(3):
        writeStudy(tmp_path / "dicom", number)
    writeStudy(tmp_path / "dicom", 3, ("CT",))
    panel.ui.dicomCheckBox.checked = True
    panel._data.addFolderFrom(tmp_path / "dicom")
    assert panel._data.running and panel.ui.cancelDataButton.visible
    panel._data.wait()
    assert panel.ui.dataStatusLabel.text == "Added 3 cases."
    assert "study3/CT is skipped: it has no PT images." in panel.ui.logTextEdit.plainText
    names = ["001", "002", "003"]
    assert [panel.ui.caseTable.item(row, 0).text() for row in range(3)] == names
    case = panel._data.dataSet.case("002")
    ct, pet = (read_volume(case.files[role]) for role in ("ct", "pet"))
    assert np.array_equal(ct.voxels, phantom_ct((6, 40, 42), seed=1).voxels)
    assert (ct.unit, pet.unit, pet.modality) == ("HU", "SUVbw", "PT")
    panel.ui.checkButton.click()
    panel._data.wait()
    assert panel.ui.dataStatusLabel.text == "Checked: 3 good, 0 doubtful, 0 refused."
    panel.ui.divideButton.click()
    assert panel.ui.startButton.enabled
    assert waitUntil(lambda: not panel.ui.caseTable.item(0, 3).icon().isNull(), 10)
    assert "Doe" not in "".join(filesIn(panel)) + panel._data.dataSet.manifest.read_text()

    # What was written for a case goes with it; the studies stay.
    panel.ui.caseTable.selectRow(1)
    panel.ui.removeButton.click()
    assert filesIn(panel).count("imported/002") == 0 and filesIn(panel).count("imported/001") == 1
    panel.ui.caseTable.selectAll()
    panel.ui.removeButton.click()
    assert filesIn(panel) == []
    assert len(list((tmp_path / "dicom").rglob("*.dcm"))) == 7 * 6


def test_DicomStudiesCanBeAddedTwiceUnderOtherFoldersOnly(panel, tmp_path):
    for number in range(2):
        writeStudy(tmp_path / f"dicom{number}", number)
    panel.ui.dicomCheckBox.checked = True
    for name, words in (("dicom0", "Added 1 case."), ("dicom1", "Added 1 case."), ("dicom0", "has a case 001")):
        panel._data.addFolderFrom(tmp_path / name)
        panel._data.wait()
        assert words in panel.ui.dataStatusLabel.text
    assert [path for path in filesIn(panel) if "/" not in path] == ["imported", "imported-2", "manifest.csv"]


def test_AFolderWithoutDicomIsToldAndACancelledImportLeavesNothing(panel, tmp_path):
    (tmp_path / "dicom").mkdir()
    panel.ui.dicomCheckBox.checked = True
    panel._data.addFolderFrom(tmp_path / "dicom")
    panel._data.wait()
    assert "contains no usable DICOM study with CT and PT images" in panel.ui.dataStatusLabel.text
    for number in range(3):
        writeStudy(tmp_path / "dicom", number)
    panel._data.addFolderFrom(tmp_path / "dicom")
    panel.ui.cancelDataButton.click()
    panel._data.wait()
    assert panel.ui.dataStatusLabel.text == "Cancelled."
    assert panel._data.dataSet.cases == [] and filesIn(panel) == []


def test_OneKindOfDicomImagesBecomesUnpairedCases(unpaired, tmp_path):
    writeStudy(tmp_path / "dicom", 0, ("CT",))
    writeStudy(tmp_path / "dicom", 1)
    unpaired.ui.dicomCheckBox.checked = True
    unpaired.ui.targetPatternEdit.text = ""
    unpaired._data.addFolderFrom(tmp_path / "dicom")
    unpaired._data.wait()
    assert [sorted(case.files) for case in unpaired._data.dataSet.cases] == [["ct"], ["ct"]]
