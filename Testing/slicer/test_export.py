"""A result is exported as a DICOM series of its study, with the same SUV in every reader."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import qt
import slicer
from dose_helpers import MODEL, sharedDoseModel, writePhantomPet
from MedSynthLib import volume_bridge as bridge
from pydicom import dcmread
from scene_helpers import loadedFromDicom, matrixOf, processesOfGroup, volumeNames, waitUntil

from MedSynth import MedSynthLogic
from medsynth_core import read_volume
from medsynth_core.errors import Cancelled, MedSynthError

pytestmark = pytest.mark.slow

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MEDSYNTH_MODELS", str(tmp_path_factory.mktemp("library")))
        sharedDoseModel(tmp_path_factory)
        yield


@pytest.fixture
def suv(tmp_path):
    """Return a PET as DICOM, loaded and in SUVbw."""
    writePhantomPet(tmp_path / "series")
    return MedSynthLogic().convertToSuv(loadedFromDicom(tmp_path / "series"))


@pytest.fixture
def result(suv):
    return MedSynthLogic().synthesize(suv, model=MODEL, device="cpu")


def assertSameSuv(found: np.ndarray, true: np.ndarray) -> None:
    """Compare SUV: to a thousandth where it is at least 1 % of the greatest of its slice, to 1e-5 of that elsewhere."""
    size, greatest = true.astype(np.float64), true.max(axis=(1, 2), keepdims=True)
    assert (np.abs(found - size) <= np.where(size >= 0.01 * greatest, 1e-3 * size, 1e-5 * greatest)).all()


def test_TheSeriesReadsBackToTheSameSuvInSlicerAndHere(result, suv, tmp_path):
    folder = MedSynthLogic().exportDicom(result, tmp_path / "out" / "derived")
    assert folder == tmp_path / "out" / "derived" and sorted(p.name for p in folder.parent.iterdir()) == ["derived"]
    voxels = slicer.util.arrayFromVolume(result)
    ours = read_volume(folder)
    assert (ours.modality, ours.unit, ours.is_synthetic) == ("PT", "SUVbw", True)
    assert ours.same_grid(bridge.coreVolume(result))
    assertSameSuv(ours.voxels, voxels)

    loaded = loadedFromDicom(folder, "derived")
    assertSameSuv(slicer.util.arrayFromVolume(loaded), voxels)
    assert np.allclose(matrixOf(loaded), matrixOf(result), atol=1e-4)
    # In Slicer it fits the models of SUV as it is, and is known for what it is.
    assert bridge.unitOf(loaded) == "SUVbw" and bridge.coreVolume(loaded).is_synthetic

    header, source = dcmread(next(folder.iterdir())), dcmread(next((tmp_path / "series").iterdir()))
    assert (
        header.SeriesDescription.startswith("SYNTHETIC - not for diagnosis") and "tiny-dose" in header.SeriesDescription
    )
    assert result.GetAttribute("MedSynth.WeightsSha256") in header.DerivationDescription
    assert (header.PatientID, header.StudyInstanceUID) == (source.PatientID, source.StudyInstanceUID)
    assert header.FrameOfReferenceUID == source.FrameOfReferenceUID
    assert header.SourceImageSequence[0].ReferencedSOPInstanceUID in suv.GetAttribute("DICOM.instanceUIDs").split()


def test_WhatASecondModelMadeIsExportedToo(result, tmp_path):
    second = MedSynthLogic().synthesize(result, model=MODEL, device="cpu")
    slicer.mrmlScene.RemoveNode(result)
    folder = MedSynthLogic().exportDicom(second, tmp_path / "out")
    assertSameSuv(read_volume(folder).voxels, slicer.util.arrayFromVolume(second))


def test_AnotherSeriesOfTheStudyIsNoSource(result, tmp_path):
    writePhantomPet(tmp_path / "other", SeriesInstanceUID="1.2.3.77")
    header = dcmread(next(MedSynthLogic().exportDicom(result, tmp_path / "out", tmp_path / "other").iterdir()))
    assert "SourceImageSequence" not in header and header.DecayCorrection == "NONE"
    related = {one.SeriesInstanceUID: one.PurposeOfReferenceCodeSequence[0] for one in header.RelatedSeriesSequence}
    source = dcmread(next((tmp_path / "series").iterdir())).SeriesInstanceUID
    assert related["1.2.3.77"].CodeMeaning == "Same Anatomy"
    assert related[source].CodeMeaning == "Source series for image processing operation"


def test_WhatCannotBeExportedIsRefusedInASentence(result, suv, tmp_path):
    logic = MedSynthLogic()
    with pytest.raises(MedSynthError, match="Only results of MedSynth can be exported"):
        logic.exportDicom(suv, tmp_path / "out")
    with pytest.raises(MedSynthError, match="is not empty"):
        logic.exportDicom(result, tmp_path / "series")
    uids = result.GetAttribute("MedSynth.SourceInstanceUIDs")
    result.SetAttribute("MedSynth.SourceInstanceUIDs", "1.2.999")
    with pytest.raises(MedSynthError, match="not in Slicer's DICOM database"):
        logic.exportDicom(result, tmp_path / "out")
    result.RemoveAttribute("MedSynth.SourceInstanceUIDs")
    with pytest.raises(MedSynthError, match="was not made from a DICOM series"):
        logic.exportDicom(result, tmp_path / "out")
    assertSameSuv(
        read_volume(logic.exportDicom(result, tmp_path / "out", reference=tmp_path / "series")).voxels,
        slicer.util.arrayFromVolume(result),
    )
    result.SetAttribute("MedSynth.SourceInstanceUIDs", uids)
    matrix = matrixOf(result)
    matrix[:3, 3] += 5000
    result.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    with pytest.raises(MedSynthError, match="does not overlap with the series"):
        logic.exportDicom(result, tmp_path / "far")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("series", "out")) == []


def test_CancelLeavesNothing(result, tmp_path):
    logic = MedSynthLogic()
    with pytest.raises(Cancelled):
        logic.exportDicom(result, tmp_path / "out", onProgress=lambda fraction, message: logic.cancel())
    assert [path.name for path in tmp_path.iterdir()] == ["series"]
    logic.exportDicom(result, tmp_path / "out", waitForCompletion=False)
    logic.abort()
    logic.waitForCompletion()
    assert waitUntil(lambda: [path.name for path in tmp_path.iterdir()] == ["series"], 10)
    assert processesOfGroup(logic.workerPid) == []


def test_ThePanelExportsTheResult(suv, panel, tmp_path):
    ui, parameters = panel.ui, panel.logic.getParameterNode()
    parameters.model, parameters.inputVolume = MODEL, suv
    panel.initializeParameterNode()
    assert not ui.exportButton.visible
    ui.applyButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 120)
    result = ui.outputVolumeSelector.currentNode()
    assert ui.exportButton.visible and ui.exportButton.enabled and "marked as synthetic" in ui.exportButton.toolTip
    (tmp_path / "exports").mkdir()
    panel._result.exportBelow(tmp_path / "exports")
    assert panel.logic.isRunning and not ui.exportButton.enabled and ui.applyButton.text == "Cancel"
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    folder = tmp_path / "exports" / "PET-SUVbw-synthetic-PET"
    assert ui.statusLabel.text == f"The DICOM series is in {folder}."
    assertSameSuv(read_volume(folder).voxels, slicer.util.arrayFromVolume(result))
    panel._result.exportBelow(tmp_path / "exports")
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    assert (tmp_path / "exports" / "PET-SUVbw-synthetic-PET-2").is_dir()


def test_WhatIsExportedIsWhatWasShownWhenTheButtonWasPressed(result, suv, panel, tmp_path, monkeypatch):
    ui, parameters = panel.ui, panel.logic.getParameterNode()
    parameters.model, parameters.inputVolume, parameters.outputVolume = MODEL, suv, result
    panel.initializeParameterNode()
    another = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.float32), np.eye(4), "another")
    exports, meanwhile = tmp_path / "exports", [lambda: setattr(parameters, "outputVolume", another)]
    exports.mkdir()

    def ask(*_arguments) -> str:
        meanwhile.pop()()
        return str(exports)

    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", ask)
    ui.exportButton.click()
    assert ui.outputVolumeSelector.currentNode() is another
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    assert [folder.name for folder in exports.iterdir()] == ["PET-SUVbw-synthetic-PET"]
    assertSameSuv(read_volume(exports / "PET-SUVbw-synthetic-PET").voxels, slicer.util.arrayFromVolume(result))
    parameters.outputVolume = result
    meanwhile.append(lambda: slicer.mrmlScene.Clear(0))
    ui.exportButton.click()
    said = "The volume PET SUVbw synthetic PET was removed in the meantime, so nothing was exported."
    assert ui.statusLabel.text == said and not panel.logic.isRunning and len(list(exports.iterdir())) == 1


def test_AResultWithoutDicomSaysWhyItIsNotExported(someSlices, panel):
    panel.ui.applyButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 120)
    assert panel.ui.exportButton.visible and not panel.ui.exportButton.enabled
    assert "was not made from a DICOM series" in panel.ui.exportButton.toolTip


def unzipped(archive: str, folder: Path) -> Path:
    """Return a folder with the files of a real archive; the test is skipped where it is not at hand."""
    if not (SHARED_DATA / archive).is_file():
        pytest.skip(f"the real data {archive} is not beside this checkout")
    zipfile.ZipFile(SHARED_DATA / archive).extractall(folder)
    return folder


def test_ARealWholeBodyPetGoesTheWholeWay(tmp_path):
    """From Bq/mL of a GE scanner to SUV, to a synthetic PET, to DICOM, to Slicer's reader and to ours."""
    source = unzipped("pet-wb-dicom/STS_001_FDG_PET_GE_DiscoveryST_BQML.zip", tmp_path / "source") / "image"
    pet, logic = loadedFromDicom(source), MedSynthLogic()
    assert bridge.unitOf(pet) == "Bq/mL"
    suv = logic.convertToSuv(pet)
    # 71 kg, 388.78 MBq of F-18, 2711 s from the injection to the start of the series.
    factor = 71_000 / (388_777_472 * 2 ** (-2711 / 6588))
    assert np.allclose(
        slicer.util.arrayFromVolume(suv), slicer.util.arrayFromVolume(pet) * factor, rtol=1e-4, atol=1e-3
    )
    part = _slices(suv, 100, 116)
    result = logic.synthesize(part, model="low-dose-pet", device="cpu")
    folder = logic.exportDicom(result, tmp_path / "out")
    assert read_volume(folder).same_grid(bridge.coreVolume(part), tolerance=1e-2)
    assertSameSuv(read_volume(folder).voxels, slicer.util.arrayFromVolume(result))
    assertSameSuv(slicer.util.arrayFromVolume(loadedFromDicom(folder, "derived")), slicer.util.arrayFromVolume(result))
    header = dcmread(next(folder.iterdir()))
    assert header.SourceImageSequence[0].ReferencedSOPInstanceUID in pet.GetAttribute("DICOM.instanceUIDs").split()


def test_ARealCtBecomesAPetOfItsStudy(tmp_path):
    patient = unzipped("sts-dicom/STS_008.zip", tmp_path / "source")
    ct = loadedFromDicom(patient / "CT" / "image", "CT")
    assert bridge.modalityOf(ct) == "CT"
    logic = MedSynthLogic()
    result = logic.synthesize(_slices(ct, 20, 26), device="cpu")
    folder = logic.exportDicom(result, tmp_path / "out")
    assertSameSuv(read_volume(folder).voxels, slicer.util.arrayFromVolume(result))
    assertSameSuv(slicer.util.arrayFromVolume(loadedFromDicom(folder, "derived")), slicer.util.arrayFromVolume(result))
    pet = loadedFromDicom(patient / "PET" / "image")
    assert bridge.unitOf(pet) == "SUVbw"  # as it is stored: nothing to convert
    assert "derived" in volumeNames()


def _slices(node, first: int, last: int):
    """Return some slices of a node, as cropping without resampling leaves them."""
    matrix = matrixOf(node)
    matrix[:3, 3] += first * matrix[:3, 2]
    part = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(node)[first:last].copy(), matrix, "part")
    part.SetAttribute("DICOM.instanceUIDs", node.GetAttribute("DICOM.instanceUIDs"))
    bridge.setUnit(part, bridge.unitOf(node))
    return part
