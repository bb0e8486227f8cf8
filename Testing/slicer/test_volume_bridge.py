"""Conversion between volume nodes and arrays: units, modality, geometry, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import slicer
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.models import fitOf
from scene_helpers import matrixOf, patientLikeVolume, volumeNames

from MedSynth import MedSynthLogic
from medsynth_core.errors import MedSynthError
from medsynth_core.io.suv.body import SUV_UNITS


def codedEntry(value: str, scheme: str, meaning: str):
    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(value, scheme, meaning)
    return entry


@pytest.fixture
def volume():
    return patientLikeVolume(np.diag([1.0, 1.0, 2.0, 1.0]), (4, 6, 8))


def test_UnstatedUnitAndModalityAreNotGuessed(volume):
    assert bridge.unitOf(volume) == ""
    assert bridge.modalityOf(volume) == ""


def test_UnitsOfDicomReadersAreUnderstood(volume):
    for code, unit in (("[hnsf'U]", "HU"), ("Bq/ml", "Bq/mL"), ("BQ/mL", "Bq/mL"), ("1", ""), ("{counts}", "CNTS")):
        volume.SetVoxelValueUnits(codedEntry(code, "UCUM", "unit"))
        assert bridge.unitOf(volume) == unit


@pytest.mark.parametrize("unit", SUV_UNITS)
def test_EveryKindOfSuvIsToldFromTheOthers(volume, unit):
    kind = {"SUVlbm-james": "SUVlbm(James128)", "SUVlbm-janma": "SUVlbm(Janma)"}.get(unit, unit)
    mass = "cm2/ml" if unit == "SUVbsa" else "g/ml"
    for code in (f"{{{kind}}}{mass}", f"{mass}{{{kind}}}"):
        volume.SetVoxelValueUnits(codedEntry(code, "UCUM", "unit"))
        assert bridge.unitOf(volume) == unit
    volume.SetVoxelValueUnits(None)
    volume.SetAttribute("DICOM.MeasurementUnitsCodeValue", f"{{{kind}}}{mass}")
    assert bridge.unitOf(volume) == unit


@pytest.mark.slow
@pytest.mark.parametrize("code", ["mmHg", "kBq/ml", "{SUVxyz}g/ml"])
def test_AStatedUnitThatIsNotKnownIsNoMissingOne(volume, code):
    volume.SetVoxelValueUnits(codedEntry(code, "UCUM", "unit"))
    assert bridge.unitOf(volume) == bridge.coreVolume(volume).unit == code
    refused = f"The volume is in {re.escape(code)}, but this model takes HU"
    assert re.match(refused, fitOf(volume, "ct-to-pet").misfits[0])
    with pytest.raises(MedSynthError, match=refused):
        MedSynthLogic().synthesize(volume, model="ct-to-pet")
    assert volumeNames() == ["CT"]


def test_EveryQuantityOfSuvIsOfAPet(volume):
    for code in ("126400", "126401", "126402", "126403", "126404", "126405", "126406"):
        volume.SetVoxelValueQuantity(codedEntry(code, "DCM", "SUV"))
        assert bridge.modalityOf(volume) == "PT"


def test_ModalityComesFromQuantityOrDicomDatabase(volume):
    volume.SetVoxelValueQuantity(codedEntry("110852", "DCM", "MR signal intensity"))
    assert bridge.modalityOf(volume) == "MR"
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    assert bridge.modalityOf(volume) == "MR"
    slicer.dicomDatabase.values["1.2.3"] = {"0008,0060": "CT"}
    assert bridge.modalityOf(volume) == "CT"


@pytest.mark.parametrize("unit", ["HU", "SUVbw", "Bq/mL"])
def test_StatedUnitsAreReadBack(volume, unit):
    bridge.setUnit(volume, unit)
    assert bridge.unitOf(volume) == unit
    bridge.setUnit(volume, "")
    assert volume.GetVoxelValueUnits() is None


def test_CoreVolumeIsTheNodeUncopied(volume):
    core = bridge.coreVolume(volume)
    assert np.array_equal(core.ijk_to_ras, matrixOf(volume))
    assert core.shape == (4, 6, 8)
    assert np.shares_memory(core.voxels, slicer.util.arrayFromVolume(volume))


def test_AMapOfErrorsIsNoInputOfAModel(volume):
    assert not bridge.coreVolume(volume).is_error_map
    volume.SetAttribute("MedSynth.ErrorOfModel", "ct-to-pet")
    errors = bridge.coreVolume(volume)
    assert errors.is_error_map
    assert "shows the errors of a synthetic image" in fitOf(volume, "ct-to-pet").misfits[0]


def test_ColorVolumeIsRefused():
    rgb = slicer.util.addVolumeFromArray(
        np.zeros((2, 3, 4, 3), np.uint8), name="photo", nodeClassName="vtkMRMLVectorVolumeNode"
    )
    with pytest.raises(MedSynthError, match="photo has 3 values in each voxel"):
        bridge.voxelsOf(rgb)


def test_EmptyNodeAndMissingNodeAreRefused():
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    with pytest.raises(MedSynthError, match="nothing has no voxels"):
        bridge.voxelsOf(node)
    with pytest.raises(MedSynthError, match="Choose a volume"):
        bridge.voxelsOf(None)


@pytest.mark.parametrize("scale", [0.0, 1e-20, np.nan])
def test_AVolumeThatItsTransformMakesFlatIsRefusedByName(volume, scale):
    other = patientLikeVolume(np.eye(4), (4, 6, 8), "MR")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    other.SetAndObserveTransformNodeID(transform.GetID())
    assert np.array_equal(bridge.between(volume, other), np.eye(4))
    before = bridge.placeOf(volume, other)
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.diag([1.0, scale, 1.0, 1.0])))
    for pair in ((volume, other), (other, volume)):
        with pytest.raises(MedSynthError, match="The volume MR has a transform that makes it flat, such as a scale"):
            bridge.volumeBeside(*pair)
    assert bridge.placeOf(volume, other) != before
    volume.SetAndObserveTransformNodeID(transform.GetID())
    assert np.array_equal(bridge.between(volume, other), np.eye(4))  # both are moved in the same way


def test_NothingStaysInTheSceneWhenAResultCannotBeMade(volume):
    nodes = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(RuntimeError):
        bridge.addResultVolume(volume, bridge.geometryOf(volume), np.zeros((4, 6, 8), np.int64), "result")
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert volumeNames() == ["CT"]
