"""`MedSynthLogic` from the console: the real worker, the real model, the sample CT."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import slicer
from MedSynthLib import volume_bridge as bridge
from scene_helpers import matrixOf, patientLikeVolume, processesOfGroup, volumeNames, waitUntil

from MedSynth import MedSynthLogic
from medsynth_core.errors import Cancelled, MedSynthError

pytestmark = pytest.mark.slow


def leftoverFolders() -> list[Path]:
    return list(Path(slicer.app.temporaryPath).glob("MedSynth-*"))


def test_SampleCaseBecomesAPet(sampleCT):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Study")
    hierarchy.CreateItem(study, sampleCT)
    progress, log = [], []
    logic = MedSynthLogic()
    pet = logic.synthesize(sampleCT, onProgress=lambda f, m: progress.append(f), onLog=log.append)

    assert pet.GetName() == "Sarcoma CT synthetic PET"
    assert np.array_equal(matrixOf(pet), matrixOf(sampleCT))
    voxels = slicer.util.arrayFromVolume(pet)
    assert voxels.shape == slicer.util.arrayFromVolume(sampleCT).shape
    assert voxels.dtype == np.float32
    assert np.isfinite(voxels).all() and voxels.min() >= 0 and voxels.max() > 0.5
    assert pet.GetVoxelValueUnits().GetCodeValue() == "{SUVbw}g/ml"
    assert pet.GetVoxelValueUnits().GetCodingSchemeDesignator() == "UCUM"
    assert pet.GetVoxelValueQuantity().GetCodeValue() == "126400"
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(pet)) == study
    display = pet.GetDisplayNode()
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeInvertedGrey"
    assert (display.GetWindow(), display.GetLevel(), display.GetAutoWindowLevel()) == (6.0, 3.0, 0)
    assert pet.GetAttribute("MedSynth.Synthetic") == "true"
    assert pet.GetAttribute("MedSynth.Model") == "ct-to-pet"
    assert len(pet.GetAttribute("MedSynth.WeightsSha256")) == 64
    assert pet.GetNodeReference("MedSynth.Input") is sampleCT
    assert progress == sorted(progress) and progress[-1] == 1.0
    assert processesOfGroup(logic.workerPid) == []
    assert leftoverFolders() == []


def test_ResultReplacesTheOutputVolume(someSlices):
    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "mine")
    assert MedSynthLogic().synthesize(someSlices, outputVolume=output, device="cpu", batchSize=4) is output
    assert output.GetName() == "mine"
    assert np.array_equal(matrixOf(output), matrixOf(someSlices))
    assert output.GetDisplayNode().GetWindow() == 6.0


def test_NamesStayUnique(someSlices):
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Sarcoma CT synthetic PET")
    assert MedSynthLogic().synthesize(someSlices).GetName() == "Sarcoma CT synthetic PET_1"


def test_WithoutWaitingTheResultComesToTheCallback(someSlices):
    finished, logic = [], MedSynthLogic()
    returned = logic.synthesize(someSlices, waitForCompletion=False, onFinished=lambda *r: finished.append(r))
    assert returned is None and logic.isRunning and finished == []
    with pytest.raises(MedSynthError, match="already running"):
        logic.synthesize(someSlices)
    assert waitUntil(lambda: finished, 120)
    [(node, error)] = finished
    assert error is None and node.GetName() == "Sarcoma CT synthetic PET"


def test_CancelLeavesNothing(someSlices):
    logic, seen = MedSynthLogic(), []

    def cancelHalfway(fraction: float, message: str) -> None:
        seen.append(fraction)
        if fraction > 0.3:
            logic.cancel()

    with pytest.raises(Cancelled):
        logic.synthesize(someSlices, batchSize=1, onProgress=cancelHalfway)
    assert max(seen) < 1.0
    assert volumeNames() == ["Sarcoma CT"]
    assert processesOfGroup(logic.workerPid) == []
    assert leftoverFolders() == []


def test_CancelInTheLastMomentStillCancels(someSlices):
    logic = MedSynthLogic()
    with pytest.raises(Cancelled):
        logic.synthesize(someSlices, onProgress=lambda fraction, message: fraction == 1.0 and logic.cancel())
    assert volumeNames() == ["Sarcoma CT"]


def test_KillingAGroupOfZombiesIsNoFailure(someSlices, monkeypatch):
    """On macOS a process group of which only zombies are left may not be signalled."""

    def refuse(group: int, signal: int) -> None:
        raise PermissionError("Operation not permitted")

    logic = MedSynthLogic()
    logic.synthesize(someSlices, waitForCompletion=False)
    with monkeypatch.context() as patched:
        patched.setattr(os, "killpg", refuse)
        logic.abort()
    assert not logic.isRunning
    logic.waitForCompletion()
    assert processesOfGroup(logic.workerPid) == []


def test_WorkerThatDoesNotAnswerIsKilledWithItsChildren(someSlices, monkeypatch):
    # A worker that starts a child and then ignores everything, as a hanging driver call does.
    script = (
        "import subprocess, sys, time, signal; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)']);"
        'print(\'{"event": "progress", "progress": 0.5}\', flush=True); time.sleep(99)'
    )
    monkeypatch.setattr("MedSynthLib.process.COMMAND", ["-c", script])
    monkeypatch.setattr("MedSynthLib.job.CANCEL_PATIENCE_S", 0.2)
    finished, progress, logic = [], [], MedSynthLogic()
    logic.synthesize(
        someSlices, waitForCompletion=False,
        onFinished=lambda *r: finished.append(r), onProgress=lambda *p: progress.append(p),
    )  # fmt: skip
    assert waitUntil(lambda: progress, 20)
    assert len(processesOfGroup(logic.workerPid)) == 2
    logic.cancel()
    assert waitUntil(lambda: finished, 20)
    assert isinstance(finished[0][1], Cancelled)
    logic.waitForCompletion()
    assert processesOfGroup(logic.workerPid) == []


def test_DeathOfTheWorkerIsToldInASentence(someSlices):
    logic = MedSynthLogic()

    def killWorker(fraction: float, message: str) -> None:
        if logic.isRunning:
            os.killpg(logic.workerPid, 9)

    with pytest.raises(MedSynthError, match="worker process ended unexpectedly") as raised:
        logic.synthesize(someSlices, onProgress=killWorker)
    assert "memory" in raised.value.hint
    assert volumeNames() == ["Sarcoma CT"]


def test_ResultIsDiscardedWhenTheInputIsRemoved(someSlices):
    finished, logic = [], MedSynthLogic()
    logic.synthesize(someSlices, waitForCompletion=False, onFinished=lambda *r: finished.append(r))
    slicer.mrmlScene.RemoveNode(someSlices)
    assert waitUntil(lambda: finished, 120)
    assert "removed" in str(finished[0][1])
    assert volumeNames() == []


def mrAsCt():
    mr = slicer.util.loadVolume(
        str(Path(__file__).parents[2] / "Resources" / "SampleCase" / "mr_t1.nii.gz"), {"name": "input"}
    )
    bridge.setUnit(mr, "")
    return mr


def withNaN():
    node = patientLikeVolume(np.eye(4), (6, 8, 8), "input")
    voxels = slicer.util.arrayFromVolume(node).astype(np.float32)
    voxels[3, 4, 4] = np.nan
    slicer.util.updateVolumeFromArray(node, voxels)
    return node


def oneVoxel():
    return slicer.util.addVolumeFromArray(np.full((1, 1, 1), 40, np.int16), np.eye(4), "input")


def vectorVolume():
    return slicer.util.addVolumeFromArray(
        np.zeros((4, 4, 4, 3), np.float32), name="input", nodeClassName="vtkMRMLVectorVolumeNode"
    )


def statedAsPet():
    node = patientLikeVolume(np.eye(4), (6, 8, 8), "input")
    bridge.setUnit(node, "SUVbw")
    return node


def singularGeometry():
    return patientLikeVolume(np.diag([1.0, 0.0, 1.0, 1.0]), (6, 8, 8), "input")


WRONG_INPUTS = {
    "not Hounsfield units": mrAsCt,
    "not finite": withNaN,
    "1 voxel": oneVoxel,
    "3 values in each voxel": vectorVolume,
    "is PET, but this model takes CT": statedAsPet,
    "geometry of the volume": singularGeometry,
}


@pytest.mark.parametrize("sentence", WRONG_INPUTS)
def test_WrongInputIsRefusedInOneSentence(sentence):
    node = WRONG_INPUTS[sentence]()
    with pytest.raises(MedSynthError, match=sentence) as raised:
        MedSynthLogic().synthesize(node)
    assert raised.value.message.count(". ") == 0 and raised.value.message.endswith(".")
    assert volumeNames() == ["input"]


def test_UnknownModelAndSameOutputAreRefused(someSlices):
    with pytest.raises(MedSynthError, match="no model 'nonsense'"):
        MedSynthLogic().synthesize(someSlices, model="nonsense")
    with pytest.raises(MedSynthError, match="must be different volumes"):
        MedSynthLogic().synthesize(someSlices, outputVolume=someSlices)
    assert volumeNames() == ["Sarcoma CT"]


def test_WorkerThatNeverSpeaksIsGivenUp(someSlices, monkeypatch):
    monkeypatch.setattr("MedSynthLib.process.COMMAND", ["-c", "import time; time.sleep(600)"])
    monkeypatch.setattr("MedSynthLib.job.START_PATIENCE_S", 0.5)
    logic = MedSynthLogic()
    with pytest.raises(MedSynthError, match="did not answer within 0.5 s"):
        logic.synthesize(someSlices)
    assert volumeNames() == ["Sarcoma CT"]
    assert processesOfGroup(logic.workerPid) == []
