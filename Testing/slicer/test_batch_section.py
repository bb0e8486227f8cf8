"""The section for many volumes: what is listed, what is missing, and the jobs that it starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
from builders import phantom_ct
from dicom_builder import write_series
from MedSynthLib import volume_bridge as bridge
from scene_helpers import patientLikeVolume, volumeNames, waitUntil
from test_many_volumes import PLACE, bodies, sequenceOfBodies

from medsynth_core import write_volume
from medsynth_core.batches.study_number import name_of_number, number_of


@pytest.fixture
def section(panel):
    """Return the widgets of a panel whose section for many volumes is open."""
    panel.ui.batchCollapsibleButton.collapsed = False
    panel.initializeParameterNode()
    panel.update()
    return panel


def writeCT(folder: Path, number: int) -> None:
    """Write a CT as the DICOM series of a study of its own."""
    stored = (phantom_ct(seed=number).voxels + 1024).clip(0).astype(np.uint16)
    uids = {"StudyInstanceUID": f"1.2.3.{number}", "SeriesInstanceUID": f"1.2.3.{number}.1"}
    who = {"PatientID": f"P{number}", "PatientName": f"Patient {number}"}
    places = [(-20.0, -30.0, 40.0 + 3 * k) for k in range(len(stored))]
    scale = {"RescaleSlope": 1, "RescaleIntercept": -1024}
    write_series(folder, places, stored, prefix=f"s{number}", **scale, **uids, **who)


def choose(panel, source: str) -> None:
    box = panel.ui.batchSourceComboBox
    box.setCurrentIndex(box.findData(source))


def entries(panel) -> dict[str, bool]:
    """Return the entries of the list, and whether they are checked."""
    items = [panel.ui.batchListWidget.item(row) for row in range(panel.ui.batchListWidget.count)]
    return {item.text(): item.checkState() == qt.Qt.Checked for item in items}


def check(panel, row: int, on: bool) -> None:
    panel.ui.batchListWidget.item(row).setCheckState(qt.Qt.Checked if on else qt.Qt.Unchecked)


def startAndWait(panel) -> str:
    """Press the button, wait for the job, and return the status line."""
    panel.ui.batchButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 120)
    return panel.ui.statusLabel.text


def test_VolumesOfTheModelsModalityAreCheckedAtFirst(section):
    ct, pet, unknown = bodies("CT", "PET", "Unknown")
    bridge.setUnit(ct, "HU")
    bridge.setUnit(pet, "SUVbw")
    made = patientLikeVolume(PLACE, (4, 8, 8), "Made")
    made.SetAttribute("MedSynth.Synthetic", "true")
    section.update()
    assert entries(section) == {"CT": True, "PET": False, "Unknown": False, "Made": False}


def test_TheListFollowsTheSceneAndRemembersWhatWasSaid(section):
    [first] = bodies("A")
    assert entries(section) == {"A": False}
    check(section, 0, True)
    assert section.ui.batchButton.enabled
    check(section, 0, False)
    assert not section.ui.batchButton.enabled
    assert section.ui.batchLabel.text == "Check at least one volume."
    bodies("B")
    check(section, 1, True)
    assert entries(section) == {"A": False, "B": True}
    slicer.mrmlScene.RemoveNode(first)
    assert entries(section) == {"B": True}
    slicer.mrmlScene.Clear(0)
    section.onSceneStartClose(None, None)
    section.onSceneEndClose(None, None)
    bodies("Another patient", "And another")
    assert entries(section) == {"Another patient": False, "And another": False}


@pytest.mark.slow
def test_CheckedVolumesGetResults(section):
    bodies("A", "B", "C")
    check(section, 0, True)
    check(section, 2, True)
    assert startAndWait(section) == "Done: 2 made, 0 failed."
    assert [name for name in volumeNames() if "synthetic" in name] == ["A synthetic PET", "C synthetic PET"]
    assert not entries(section)["A synthetic PET"]


@pytest.mark.slow
def test_TheButtonCancelsItsOwnJob(section):
    bodies("A", "B")
    check(section, 1, True)
    section.ui.batchButton.click()
    assert section.ui.batchButton.text == "Cancel" and section.ui.generateButton.text == "Generate"
    assert not section.ui.batchListWidget.enabled
    section.ui.batchButton.click()
    assert waitUntil(lambda: not section.logic.isRunning, 60)
    assert section.ui.batchButton.text == "Start" and section.ui.statusLabel.text == "Cancelled."


@pytest.mark.slow
def test_ASequenceBecomesASequence(section):
    choose(section, "sequence")
    assert section.ui.batchLabel.text == "Choose a sequence of volumes."
    section.ui.batchSequenceSelector.setCurrentNode(sequenceOfBodies(("0", "5")))
    assert startAndWait(section) == "Done: Dynamic CT synthetic PET"


@pytest.mark.slow
def test_AFolderBecomesAFolder(section, tmp_path):
    (tmp_path / "in").mkdir()
    for node in bodies("P1", "P2"):
        write_volume(bridge.coreVolume(node), tmp_path / "in" / f"{node.GetName()}.nii.gz")
    (tmp_path / "in" / "P3.nii.gz").write_bytes(b"")
    choose(section, "folder")
    assert section.ui.batchLabel.text.startswith("Choose a folder of image files")
    section.ui.batchFolderEdit.text = str(tmp_path / "in")
    assert section.ui.batchLabel.text == "Choose a folder for the results."
    section.ui.batchOutputEdit.text = str(tmp_path / "out")
    assert startAndWait(section) == (f"2 made, 0 already there, 1 failed; the results are in {tmp_path / 'out'}.")
    assert "P3 failed: P3.nii.gz is not a NIfTI image" in section.ui.logTextEdit.plainText
    assert (tmp_path / "out" / "P1" / "P1_pet.nii.gz").is_file()


@pytest.mark.slow
def test_StudiesOfTheDatabaseBecomeAFolder(section, tmp_path):
    choose(section, "database")
    assert section.ui.batchLabel.text == "Slicer's DICOM database has no study with CT images; import one."
    for number in (1, 2):
        writeCT(tmp_path / f"in{number}", number)
        slicer.dicomDatabase.addFiles(tmp_path / f"in{number}")
    section.enter()
    names = [name_of_number(number_of(f"1.2.3.{number}")) for number in (1, 2)]
    assert list(entries(section)) == [f"Patient 1 ({names[0]})", f"Patient 2 ({names[1]})"]
    assert section.ui.batchLabel.text == "Check at least one study."
    check(section, 1, True)
    section.ui.batchDicomCheckBox.checked = True
    section.ui.batchOutputEdit.text = str(tmp_path / "out")
    assert startAndWait(section).startswith("1 made, 0 already there, 0 failed")
    [study] = [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    assert study.name == names[1]  # whatever else was checked
    assert (study / "dicom_pet").is_dir() and list(study.glob("*.nii.gz"))


def test_AModelOfSeveralInputsNeedsFiles(section, monkeypatch):
    bodies("A")
    several = {"pet": "PT", "ct": "CT"}
    model = section._model.model("ct-to-pet")
    monkeypatch.setattr(section._model, "model", lambda name: type(model)(**{**vars(model), "inputs": several}))
    section.update()
    assert section.ui.batchLabel.text.startswith("This model takes several images")
    assert not section.ui.batchButton.enabled


@pytest.mark.parametrize(
    ("dialog", "button", "field"),
    [
        ("getExistingDirectory", "batchFolderButton", "batchFolderEdit"),
        ("getOpenFileName", "batchManifestButton", "batchFolderEdit"),
        ("getExistingDirectory", "batchOutputButton", "batchOutputEdit"),
    ],
)
def test_DialogsFillTheFields(section, monkeypatch, dialog, button, field):
    choose(section, "folder")
    for answer, shown in (("/data/studies", "/data/studies"), ("", "/data/studies")):
        monkeypatch.setattr(qt.QFileDialog, dialog, lambda *_, answer=answer: answer)
        getattr(section.ui, button).click()
        assert getattr(section.ui, field).text == shown


def test_OnlyWhatTheSourceNeedsIsShown(section):
    shown = {
        "scene": {"batchListWidget"},
        "sequence": {"batchSequenceSelector"},
        "folder": {"batchFolderEdit", "batchOutputEdit"},
        "database": {"batchListWidget", "batchOutputEdit", "batchDicomCheckBox"},
    }
    for source, names in shown.items():
        choose(section, source)
        every = {name for names in shown.values() for name in names}
        assert {name for name in every if not getattr(section.ui, name).isHidden()} == names
