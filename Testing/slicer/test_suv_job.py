"""A PET in Bq/mL that was loaded from DICOM becomes SUVbw, or is refused with what is missing."""

from __future__ import annotations

import logging
import re
import shutil

import numpy as np
import pytest
import slicer
from dose_helpers import MODEL, sharedDoseModel, writePhantomPet
from MedSynthLib import volume_bridge as bridge
from scene_helpers import loadedFromDicom, matrixOf, patientLikeVolume, studyOf, volumeNames, waitUntil

from MedSynth import MedSynthLogic
from medsynth_core import read_volume
from medsynth_core.errors import Cancelled, MedSynthError

# 70 kg, 368.08 MBq of F-18 (half-life 6586.2 s) injected an hour before the start of the series.
FACTOR = 70_000 / (368.08e6 * 2 ** (-3600 / 6586.2))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "series"


@pytest.fixture
def pet(folder):
    writePhantomPet(folder)
    return loadedFromDicom(folder)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MEDSYNTH_MODELS", str(tmp_path_factory.mktemp("library")))
        sharedDoseModel(tmp_path_factory)
        yield


def cropped(node, name: str = "PET cropped"):
    """Return a volume of some voxels of a node, loaded from the same DICOM, as cropping without resampling does."""
    matrix = matrixOf(node)
    matrix[:3, 3] += matrix[:3, :3] @ (4, 3, 2)
    made = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(node)[2:, 3:, 4:].copy(), matrix, name)
    made.SetAttribute("DICOM.instanceUIDs", node.GetAttribute("DICOM.instanceUIDs"))
    return made


def test_ThePetBecomesSuvBesideItself(pet, folder):
    before, log = slicer.util.arrayFromVolume(pet).copy(), []
    suv = MedSynthLogic().convertToSuv(pet, onLog=log.append)
    assert suv.GetName() == "PET SUVbw" and studyOf(suv) == studyOf(pet) != 0
    voxels = slicer.util.arrayFromVolume(suv)
    assert voxels.dtype == np.float32 and voxels.max() > 1
    assert np.allclose(voxels, before * FACTOR, rtol=1e-5)
    assert np.array_equal(voxels, read_volume(folder, unit="SUVbw").voxels)
    assert np.array_equal(matrixOf(suv), matrixOf(pet))
    assert (bridge.unitOf(suv), bridge.modalityOf(suv)) == ("SUVbw", "PT")
    assert suv.GetVoxelValueUnits().GetCodeValue() == "{SUVbw}g/ml"
    display = suv.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (6.0, 3.0, 0)
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeInvertedGrey"
    assert suv.GetAttribute("MedSynth.Synthetic") is None
    assert np.array_equal(slicer.util.arrayFromVolume(pet), before) and bridge.unitOf(pet) == "Bq/mL"
    for used in ("Stored in: BQML", "Weight: 70 kg", "Injected activity: 368.08 MBq", "Decay correction: START",
                 "Half-life: 6586.2 s", "From injection to reference time: 3600 s"):  # fmt: skip
        assert used in log


def test_WhatAViewerHasRoundedIsReadAgain(pet):
    """A reader that keeps whole numbers loses what lies between them; the files have it."""
    exact = slicer.util.arrayFromVolume(pet) * FACTOR
    slicer.util.updateVolumeFromArray(pet, np.rint(slicer.util.arrayFromVolume(pet)).astype(np.int16))
    suv = slicer.util.arrayFromVolume(MedSynthLogic().convertToSuv(pet))
    assert np.allclose(suv, exact, rtol=1e-5)


def test_ACroppedVolumeIsMultipliedItself(pet):
    part = cropped(pet)
    suv = MedSynthLogic().convertToSuv(part)
    assert np.allclose(slicer.util.arrayFromVolume(suv), slicer.util.arrayFromVolume(part) * FACTOR, rtol=1e-5)
    assert np.array_equal(matrixOf(suv), matrixOf(part)) and suv.GetName() == "PET cropped SUVbw"


def test_WhatWasChangedInPlaceStaysChanged(pet):
    slicer.util.arrayFromVolume(pet)[:, :, :10] = 0
    suv = slicer.util.arrayFromVolume(MedSynthLogic().convertToSuv(pet))
    assert not suv[:, :, :10].any() and suv[:, :, 10:].max() > 1


def test_AMovedVolumeStaysWhereItIs(pet):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "registration")
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]], (5, -7, 11)
    slicer.util.updateTransformMatrixFromArray(transform, turned)
    pet.SetAndObserveTransformNodeID(transform.GetID())
    assert MedSynthLogic().convertToSuv(pet).GetParentTransformNode() is transform
    before = matrixOf(pet)
    pet.HardenTransform()
    assert np.allclose(matrixOf(pet), turned @ before)
    suv = MedSynthLogic().convertToSuv(pet)
    assert np.array_equal(matrixOf(suv), matrixOf(pet)) and suv.GetParentTransformNode() is None


def test_SlicesOfDifferentFactorsAreConvertedWholeButNotCropped(folder):
    """Without decay correction, how much has decayed depends on when a slice was acquired."""
    times = [{"AcquisitionTime": f"11{minute:02}00"} for minute in range(24)]
    writePhantomPet(folder, per_slice=times, DecayCorrection="NONE", CorrectedImage=["ATTN"])
    node = loadedFromDicom(folder)
    expected = read_volume(folder, unit="SUVbw")
    low, high = expected.metadata["suv"]["factor"]
    assert high > 1.1 * low
    assert np.array_equal(slicer.util.arrayFromVolume(MedSynthLogic().convertToSuv(node)), expected.voxels)
    with pytest.raises(MedSynthError, match="convert the whole series, then crop it"):
        MedSynthLogic().convertToSuv(cropped(node))
    assert volumeNames() == ["PET", "PET SUVbw", "PET cropped"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"PatientWeight": None}, r"Patient's Weight \(0010,1030\)"),
        ({"injected": {"RadionuclideTotalDose": None}}, r"Radionuclide Total Dose \(0018,1074\)"),
        ({"DecayCorrection": None}, r"Decay Correction \(0054,1102\)"),
    ],
)
def test_ARefusalSaysWhichTagIsMissing(folder, changes, words):
    writePhantomPet(folder, **changes)
    node = loadedFromDicom(folder)
    with pytest.raises(MedSynthError, match=words) as raised:
        MedSynthLogic().convertToSuv(node)
    assert "cannot be converted to SUVbw" in raised.value.message and raised.value.message.endswith(".")
    assert volumeNames() == ["PET"]


def test_WithoutItsFilesNothingIsConverted(pet, folder):
    other = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(pet), matrixOf(pet), "other")
    with pytest.raises(MedSynthError, match="other was not loaded from DICOM"):
        MedSynthLogic().convertToSuv(other)
    other.SetAttribute("DICOM.instanceUIDs", pet.GetAttribute("DICOM.instanceUIDs") + " 1.2.999")
    with pytest.raises(MedSynthError, match="1 of the 25 DICOM files of the volume other are not in Slicer's DICOM"):
        MedSynthLogic().convertToSuv(other)
    shutil.rmtree(folder)
    with pytest.raises(MedSynthError, match=r"DICOM file .* cannot be read"):
        MedSynthLogic().convertToSuv(pet)
    bridge.setUnit(pet, "SUVbw")
    with pytest.raises(MedSynthError, match="in SUVbw already"):
        MedSynthLogic().convertToSuv(pet)


def code(value: str):
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(value, "UCUM", "unit")
    return entry


@pytest.mark.slow
@pytest.mark.parametrize(("stated", "unit"), [("{SUVlbm}g/ml", "SUVlbm"), ("kBq/ml", "kBq/ml")])
def test_AVolumeThatStatesAnotherUnitThanItsSeriesIsNotMultiplied(library, pet, panel, stated, unit):
    pet.SetVoxelValueUnits(code(stated))
    with pytest.raises(MedSynthError, match=f"PET is in {unit}, but its DICOM series is in Bq/mL, so that the SUV"):
        MedSynthLogic().convertToSuv(pet)
    panel.logic.getParameterNode().model = MODEL
    panel.initializeParameterNode()
    assert panel.ui.fitLabel.text.startswith(f"✗ The volume is in {unit}, but this model takes SUVbw")
    assert not panel.ui.convertButton.visible and not panel.ui.applyButton.enabled
    assert volumeNames() == ["PET"]


def test_ASeriesInAnotherSuvIsStillConverted(folder):
    writePhantomPet(folder, Units="GML", SUVType="LBM", PatientSex="M", PatientSize=1.75)
    node = loadedFromDicom(folder)
    node.SetVoxelValueUnits(code("g/ml{SUVlbm}"))
    suv = slicer.util.arrayFromVolume(MedSynthLogic().convertToSuv(node))
    assert np.array_equal(suv, read_volume(folder, unit="SUVbw").voxels)
    part = cropped(node)
    part.SetVoxelValueUnits(code("g/ml{SUVlbm}"))
    assert np.allclose(slicer.util.arrayFromVolume(MedSynthLogic().convertToSuv(part)), suv[2:, 3:, 4:], rtol=1e-5)


@pytest.mark.parametrize("scale", [0.7 * FACTOR, 1e-3, 1e3])
@pytest.mark.parametrize("crop", [False, True])
def test_ValuesInAnotherUnitThanTheSeriesAreNotMultiplied(pet, scale, crop):
    """Of a volume that states no unit the database says that of its series, whatever was done to its values."""
    node = cropped(pet) if crop else pet
    slicer.util.updateVolumeFromArray(node, slicer.util.arrayFromVolume(node) * np.float32(scale))
    before = volumeNames()
    with pytest.raises(MedSynthError, match=re.escape(f"about {scale:.2g} times those of its DICOM series")):
        MedSynthLogic().convertToSuv(node)
    assert volumeNames() == before


def moveAway(node) -> None:
    """Move a volume away from its series, as hardening a transform does."""
    matrix = matrixOf(node)
    matrix[:3, 3] += 5000
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))


def test_AVolumeThatWasMovedAwayIsJudgedAsAWhole(pet):
    part = cropped(pet)
    moveAway(part)
    values = slicer.util.arrayFromVolume(part).copy()
    for scale in (0.7 * FACTOR, 1e3):
        slicer.util.updateVolumeFromArray(part, values * np.float32(scale))
        with pytest.raises(MedSynthError, match="times those of its DICOM series"):
            MedSynthLogic().convertToSuv(part)


@pytest.mark.parametrize("moved", [False, True])
def test_AColdCropIsConverted(pet, moved):
    """What is hottest in a series need not be in a crop."""
    cold = slicer.util.arrayFromVolume(pet)[:, :7].copy()
    assert 0 < cold.max() < slicer.util.arrayFromVolume(pet).max() / 20
    part = slicer.util.addVolumeFromArray(cold, matrixOf(pet), "PET cropped")
    part.SetAttribute("DICOM.instanceUIDs", pet.GetAttribute("DICOM.instanceUIDs"))
    if moved:
        moveAway(part)
    suv = slicer.util.arrayFromVolume(MedSynthLogic().convertToSuv(part))
    assert np.allclose(suv, cold * FACTOR, rtol=1e-5)


def test_AMaskIsNoOtherUnit(pet):
    voxels = slicer.util.arrayFromVolume(pet)
    masked = np.where(voxels > np.percentile(voxels, 99), voxels, 0)
    slicer.util.updateVolumeFromArray(pet, masked)
    suv = slicer.util.arrayFromVolume(MedSynthLogic().convertToSuv(pet))
    assert np.allclose(suv, masked * FACTOR, rtol=1e-5)


def test_CancelLeavesNothing(pet):
    logic = MedSynthLogic()
    with pytest.raises(Cancelled):
        logic.convertToSuv(pet, onProgress=lambda fraction, message: logic.cancel())
    assert volumeNames() == ["PET"]


@pytest.mark.slow
def test_ThePanelOffersTheConversionAndGoesOnWithItsResult(library, pet, panel):
    ui = panel.ui
    panel.initializeParameterNode()
    assert not ui.convertButton.visible  # a model that takes CT has no use for it
    panel.logic.getParameterNode().model = MODEL
    assert ui.fitLabel.text.startswith("✗ The volume is in Bq/mL, but this model takes SUVbw; convert it")
    assert ui.convertButton.visible and ui.convertButton.enabled and not ui.applyButton.enabled
    ui.convertButton.click()
    assert panel.logic.isRunning and ui.applyButton.text == "Cancel" and not ui.convertButton.enabled
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    suv = ui.inputVolumeSelector.currentNode()
    assert suv.GetName() == "PET SUVbw" and ui.statusLabel.text == "Converted to SUVbw: PET SUVbw"
    assert "Weight: 70 kg" in ui.logTextEdit.plainText
    assert ui.fitLabel.text == "✓ The volume fits the model." and ui.applyButton.enabled
    assert not ui.convertButton.visible
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        assert view.GetBackgroundVolumeID() == suv.GetID()


@pytest.mark.slow
def test_TheConvertedPetTakesThePlaceOfTheOther(library, pet, panel):
    ct = patientLikeVolume(matrixOf(pet), (4, 6, 8))
    slicer.util.setSliceViewerLayers(background=ct, foreground=pet, foregroundOpacity=0.5)
    panel.logic.getParameterNode().model = MODEL
    panel.logic.getParameterNode().inputVolume = pet
    panel.initializeParameterNode()
    panel.ui.convertButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    suv = panel.ui.inputVolumeSelector.currentNode()
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        assert (view.GetBackgroundVolumeID(), view.GetForegroundVolumeID()) == (ct.GetID(), suv.GetID())
        assert view.GetForegroundOpacity() == 0.5


@pytest.mark.slow
def test_ThePanelSaysWhichTagIsMissing(library, folder, panel):
    writePhantomPet(folder, PatientWeight=None)
    loadedFromDicom(folder)
    panel.logic.getParameterNode().model = MODEL
    panel.initializeParameterNode()
    panel.ui.convertButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    assert "(0010,1030)" in panel.ui.statusLabel.text and "(0010,1030)" in panel.ui.logTextEdit.plainText
    assert volumeNames() == ["PET"] and panel.ui.convertButton.enabled


@pytest.mark.slow
def test_AfterARefusalTheModelSaysWhatIsMissing(library, folder, panel):
    writePhantomPet(folder, PatientWeight=None)
    node = loadedFromDicom(folder)
    panel.logic.getParameterNode().model = MODEL
    panel.initializeParameterNode()
    assert "(0010,1030)" not in panel.ui.fitLabel.text
    panel.ui.convertButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    text = panel.ui.fitLabel.text
    assert text.startswith("✗ The volume is in Bq/mL, but this model takes SUVbw, and the values of the series ")
    assert "Patient's Weight (0010,1030) is missing" in text and not panel.ui.applyButton.enabled
    with pytest.raises(MedSynthError, match=r"takes SUVbw, and the values .* Patient's Weight \(0010,1030\)"):
        MedSynthLogic().synthesize(node, model=MODEL)


def test_WhatWasRefusedOnceAndIsMendedIsForgotten(folder):
    writePhantomPet(folder, PatientWeight=None)
    node = loadedFromDicom(folder)
    with pytest.raises(MedSynthError):
        MedSynthLogic().convertToSuv(node)
    assert "(0010,1030)" in bridge.coreVolume(node).metadata["suv_refused"]
    for uid in node.GetAttribute("DICOM.instanceUIDs").split():
        mend(slicer.dicomDatabase.fileForInstance(uid))
    MedSynthLogic().convertToSuv(node)
    assert "suv_refused" not in bridge.coreVolume(node).metadata


def mend(file) -> None:
    """Enter the patient's weight, as a DICOM editor does."""
    import pydicom

    dataset = pydicom.dcmread(file)
    dataset.PatientWeight = 70
    dataset.save_as(file)


@pytest.mark.slow
def test_AVolumeWithoutAUnitIsSaidToBeTakenForSuv(library, pet, panel):
    node = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(pet) * np.float32(FACTOR), matrixOf(pet), "NIfTI")
    panel.logic.getParameterNode().model = MODEL
    panel.initializeParameterNode()
    panel.ui.inputVolumeSelector.setCurrentNode(node)
    sentence = "The volume states no unit, so its values are assumed to be SUVbw of a PET"
    assert panel.ui.fitLabel.text.startswith(f"⚠ {sentence}")
    panel.ui.applyButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, 60)
    assert sentence in panel.ui.logTextEdit.plainText
    assert panel.ui.outputVolumeSelector.currentNode().GetAttribute("MedSynth.InputUnitStated") == "false"
    bridge.setUnit(node, "SUVbw")
    panel.ui.inputVolumeSelector.setCurrentNode(node)
    assert panel.ui.fitLabel.text == "✓ The volume fits the model."


def test_UnitsAreTakenFromTheNodeBeforeDicom(pet, folder, tmp_path):
    assert bridge.unitOf(pet) == "Bq/mL"
    pet.SetAttribute("DICOM.MeasurementUnitsCodeValue", "{SUVbw}g/ml")  # Slicer's reader of PET in SUV
    assert bridge.unitOf(pet) == "SUVbw"
    bridge.setUnit(pet, "Bq/mL")
    assert bridge.unitOf(pet) == "Bq/mL"
    for number, (tags, unit) in enumerate((
        ({"Units": "GML"}, "SUVbw"), ({"Units": "GML", "SUVType": "LBM"}, "SUVlbm"), ({"Units": "CNTS"}, "CNTS"),
    )):  # fmt: skip
        writePhantomPet(tmp_path / str(number), **tags)
        assert bridge.unitOf(loadedFromDicom(tmp_path / str(number))) == unit


@pytest.mark.slow
def test_APetWithoutDicomCannotBeConvertedInThePanel(library, pet, panel):
    copy = slicer.util.addVolumeFromArray(slicer.util.arrayFromVolume(pet), matrixOf(pet), "copy")
    bridge.setUnit(copy, "Bq/mL")
    panel.logic.getParameterNode().model = MODEL
    panel.logic.getParameterNode().inputVolume = copy
    panel.initializeParameterNode()
    assert "takes SUVbw" in panel.ui.fitLabel.text and not panel.ui.convertButton.visible


def test_AScriptWritesNothingOfThePatientToSlicersLog(folder, caplog):
    writePhantomPet(folder, PatientWeight=70_000)  # taken as grams, of which a warning tells
    with caplog.at_level(logging.DEBUG):
        suv = MedSynthLogic().convertToSuv(loadedFromDicom(folder))
    assert "taken as grams" in suv.GetAttribute("MedSynth.Suv")
    assert "warnings about the conversion to SUVbw: 1; see the attribute MedSynth.Suv" in caplog.text
    assert not any(fact in caplog.text for fact in ("Weight", "70", "368", "Injected", "time"))
