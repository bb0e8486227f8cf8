"""Many volumes from the console: of the scene, of a sequence, in a folder, and in the DICOM database."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import slicer
from MedSynthLib import volume_bridge as bridge
from scene_helpers import matrixOf, patientLikeVolume, waitUntil

from MedSynth import MedSynthLogic
from medsynth_core import write_volume
from medsynth_core.errors import Cancelled, MedSynthError

pytestmark = pytest.mark.slow
PLACE = np.diag([-2.0, -2.0, 3.0, 1.0])


def bodies(*names: str, shape: tuple[int, int, int] = (4, 48, 48)) -> list:
    """Return CT-like volumes in HU."""
    return [patientLikeVolume(PLACE, shape, name) for name in names]


def sequenceOfBodies(times: tuple[str, ...] = ("0", "20", "60"), broken: str = ""):
    """Return a sequence of CT-like volumes at some times; that at ``broken`` is all of one value."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Dynamic CT")
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    for number, time in enumerate(times):
        node = patientLikeVolume(PLACE, (4, 48, 48), f"Frame {time}")
        slicer.util.arrayFromVolume(node)[:] += np.int16(number)
        if time == broken:
            slicer.util.arrayFromVolume(node)[:] = 40
        sequence.SetDataNodeAtValue(node, time)
        slicer.mrmlScene.RemoveNode(node)
    return sequence


def test_EachVolumeGetsItsOwnResult():
    nodes, progress = bodies("A", "B", "B"), []
    outcome = MedSynthLogic().synthesizeAll(nodes, "ct-to-pet", onProgress=lambda f, m: progress.append((f, m)))
    assert outcome.failed == {}
    assert list(outcome.made) == ["A", *(f"B ({node.GetID()})" for node in nodes[1:])]
    assert [node.GetName() for node in outcome.made.values()] == [
        "A synthetic PET", "B synthetic PET", "B synthetic PET_1",
    ]  # fmt: skip
    for given, made in zip(nodes, outcome.made.values(), strict=True):
        assert made.GetNodeReference("MedSynth.Input") is given
        assert np.array_equal(matrixOf(made), matrixOf(given))
    fractions = [fraction for fraction, _ in progress]
    assert fractions == sorted(fractions) and progress[-1][1].startswith("3 of 3: B")


def test_TheWorkerIsKeptBetweenVolumes():
    logic, pids = MedSynthLogic(), set()
    logic.synthesizeAll(bodies("A", "B"), "ct-to-pet", onProgress=lambda f, m: pids.add(logic.workerPid))
    assert len(pids) == 1


def test_AVolumeThatFailsIsToldAndPassedOver():
    good, bad, last = bodies("A", "Bad", "C")
    slicer.util.arrayFromVolume(bad)[:] = 40
    log: list[str] = []
    outcome = MedSynthLogic().synthesizeAll([good, bad, last], "ct-to-pet", onLog=log.append)
    assert list(outcome.made) == ["A", "C"] and list(outcome.failed) == ["Bad"]
    assert f"Bad failed: {outcome.failed['Bad']}" in log


def test_ASeriesThatIsCancelledKeepsWhatIsFinished():
    logic, nodes = MedSynthLogic(), bodies("A", "B", "C")

    def cancelSecond(fraction: float, message: str) -> None:
        if message.startswith("2 of 3"):
            logic.cancel()

    with pytest.raises(Cancelled):
        logic.synthesizeAll(nodes, "ct-to-pet", onProgress=cancelSecond)
    assert not logic.isRunning
    assert [node.GetName() for node in slicer.util.getNodes("*synthetic*").values()] == ["A synthetic PET"]


def test_ASeriesEndsWithItsScene():
    logic, ended = MedSynthLogic(), []
    logic.synthesizeAll(bodies("A", "B"), "ct-to-pet", waitForCompletion=False, onFinished=lambda *r: ended.append(r))
    slicer.mrmlScene.Clear(0)
    logic.abortForScene()  # as the panel does
    assert isinstance(ended[0][1], Cancelled) and not logic.isRunning


def test_ABatchOfFilesGoesOnWithAnotherScene(tmp_path):
    logic, ended = MedSynthLogic(), []
    write_volume(bridge.coreVolume(bodies("P1")[0]), tmp_path / "P1.nii.gz")
    options = {"waitForCompletion": False, "onFinished": lambda *r: ended.append(r)}
    logic.batch(tmp_path, tmp_path / "out", "ct-to-pet", **options)
    slicer.mrmlScene.Clear(0)
    logic.abortForScene()
    assert waitUntil(lambda: ended, 120)
    assert ended[0][0]["made"] == ["P1"]


def test_AnUnexpectedErrorEndsAJobAndNotTheSeries(monkeypatch):
    good, bad = bodies("Good", "Bad")
    whole = bridge.coreVolume

    def fail(node):
        if node is bad:
            raise MemoryError("no memory")
        return whole(node)

    monkeypatch.setattr(bridge, "coreVolume", fail)
    logic = MedSynthLogic()
    outcome = logic.synthesizeAll([bad, good], "ct-to-pet")
    assert outcome.failed == {"Bad": "no memory"} and list(outcome.made) == ["Good"]
    assert not logic.isRunning


def test_NamesStayOutOfTheLogOfSlicer(caplog):
    [node] = bodies("Smith, John")
    slicer.util.arrayFromVolume(node)[:] = 40
    with caplog.at_level("DEBUG"):
        MedSynthLogic().synthesizeAll([node], "ct-to-pet")
    assert "Smith" not in caplog.text


def test_NoWindowIsNeeded(monkeypatch):
    """As Slicer is with --no-main-window: it has no layout manager then, and nobody answers a pop-up."""
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: None)
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: None)
    for name in ("errorDisplay", "warningDisplay", "infoDisplay", "confirmOkCancelDisplay", "messageBox"):
        monkeypatch.setattr(slicer.util, name, lambda *_, **__: pytest.fail("a pop-up was shown"))
    logic = MedSynthLogic()
    assert len(logic.synthesizeAll(bodies("A"), "ct-to-pet").made) == 1
    assert logic.synthesizeSequence(sequenceOfBodies(("0",)), "ct-to-pet") is not None


def test_NoVolumesAreRefused():
    with pytest.raises(MedSynthError, match="at least one volume"):
        MedSynthLogic().synthesizeAll([], "ct-to-pet")


def test_ASequenceBecomesASequence():
    sequence = sequenceOfBodies()
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    made = MedSynthLogic().synthesizeSequence(sequence, "ct-to-pet")
    assert made.GetName() == "Dynamic CT synthetic PET"
    assert (made.GetIndexName(), made.GetIndexUnit()) == ("time", "s")
    assert [made.GetNthIndexValue(number) for number in range(3)] == ["0", "20", "60"]
    for number in range(3):
        frame, given = made.GetNthDataNode(number), sequence.GetNthDataNode(number)
        assert np.array_equal(matrixOf(frame), matrixOf(given))
        assert slicer.util.arrayFromVolume(frame).shape == (4, 48, 48)
        assert frame.GetVoxelValueUnits().GetCodeValue() == "{SUVbw}g/ml"
        shown = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
        shown.CopyContent(frame)  # as a sequence browser does
        assert bridge.unitOf(shown) == "SUVbw"
        assert frame.GetAttribute("MedSynth.Synthetic") == "true"
        slicer.mrmlScene.RemoveNode(shown)
        assert frame.GetAttribute("MedSynth.InputName") == given.GetName()
    assert browser.IsSynchronizedSequenceNode(made)
    # Nothing else has come into the scene.
    assert not slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")


@pytest.fixture
def sequencesLogic(monkeypatch):
    """Return the logic of the module Sequences, which shows the frames of sequences as volumes."""
    logic = slicer.vtkSlicerSequencesLogic()
    logic.SetMRMLScene(slicer.mrmlScene)
    monkeypatch.setattr(slicer.modules, "sequences", SimpleNamespace(logic=lambda: logic), raising=False)
    yield logic
    logic.SetMRMLScene(None)


def test_TheBrowserShowsResultsWhereTheirFramesAre(sequencesLogic):
    sequence = sequenceOfBodies(("0", "20", "60"), broken="20")
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.SetSelectedItemNumber(0)
    sequencesLogic.UpdateProxyNodesFromSequences(browser)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    browser.GetProxyNode(sequence).SetAndObserveTransformNodeID(transform.GetID())
    shown = browser.GetProxyNode(MedSynthLogic().synthesizeSequence(sequence, "ct-to-pet"))
    assert shown.GetTransformNodeID() == transform.GetID()
    seen = []
    for number in range(3):
        browser.SetSelectedItemNumber(number)
        sequencesLogic.UpdateProxyNodesFromSequences(browser)
        seen.append(shown.GetImageData() is not None)
        assert shown.GetTransformNodeID() == transform.GetID()
    # Nothing where a frame failed, and not the result of another one.
    assert seen == [True, False, True]


def test_FramesGiveWhatVolumesGive():
    sequence = sequenceOfBodies(("0",))
    [alone] = bodies("Alone")
    made = MedSynthLogic().synthesizeSequence(sequence, "ct-to-pet")
    expected = slicer.util.arrayFromVolume(MedSynthLogic().synthesize(alone))
    assert np.array_equal(slicer.util.arrayFromVolume(made.GetNthDataNode(0)), expected)


def test_AFrameThatFailsIsMissingInTheSequence():
    log: list[str] = []
    made = MedSynthLogic().synthesizeSequence(sequenceOfBodies(broken="20"), "ct-to-pet", onLog=log.append)
    assert [made.GetNthIndexValue(number) for number in range(made.GetNumberOfDataNodes())] == ["0", "60"]
    assert any(line.startswith("Frame 2 failed: ") for line in log)


def test_SequencesThatAreNoneAreRefused():
    logic, empty = MedSynthLogic(), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Empty")
    with pytest.raises(MedSynthError, match="Choose a sequence"):
        logic.synthesizeSequence(None, "ct-to-pet")
    with pytest.raises(MedSynthError, match="Empty has no frames"):
        logic.synthesizeSequence(empty, "ct-to-pet")
    empty.SetDataNodeAtValue(slicer.vtkMRMLLinearTransformNode(), "0")
    with pytest.raises(MedSynthError, match="does not consist of volumes"):
        logic.synthesizeSequence(empty, "ct-to-pet")
    with pytest.raises(MedSynthError):
        logic.synthesizeSequence(sequenceOfBodies(("0",), broken="0"), "ct-to-pet")
    assert len(slicer.util.getNodesByClass("vtkMRMLSequenceNode")) == 2


def test_ASequenceThatIsRemovedMeanwhileGetsNoResult():
    sequence, logic, ended = sequenceOfBodies(), MedSynthLogic(), []
    logic.synthesizeSequence(sequence, "ct-to-pet", waitForCompletion=False, onFinished=lambda *r: ended.append(r))
    slicer.mrmlScene.RemoveNode(sequence)
    assert waitUntil(lambda: ended, 120)
    assert "was removed in the meantime" in str(ended[0][1])
    assert not slicer.util.getNodesByClass("vtkMRMLSequenceNode")


def test_AFolderBecomesAFolder(tmp_path):
    for node in bodies("P1", "P2"):
        write_volume(bridge.coreVolume(node), tmp_path / f"{node.GetName()}.nii.gz")
    (tmp_path / "P3.nii.gz").write_bytes(b"")
    names = set(slicer.util.getNodes("*"))
    found = MedSynthLogic().batch(tmp_path, tmp_path / "results", "ct-to-pet", settings={"suffix": ".nrrd"})
    assert (found["made"], found["there"], list(found["failed"])) == (["P1", "P2"], [], ["P3"])
    assert (tmp_path / "results" / "P1" / "P1_pet.nrrd").is_file()
    assert set(slicer.util.getNodes("*")) == names
    again = MedSynthLogic().batch(tmp_path, tmp_path / "results", "ct-to-pet", settings={"suffix": ".nrrd"})
    assert again["there"] == ["P1", "P2"]
    with pytest.raises(MedSynthError, match="'settings' cannot be used"):
        MedSynthLogic().batch(tmp_path, tmp_path / "results", "ct-to-pet", settings={"colour": "red"})
