"""What the panels show and use is what the parameter node has, whoever changes it and whenever."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from MedSynthLib import provenance
from MedSynthLib.scene_parameters import LiveParameters
from PySide6.QtTest import QTest
from scene_helpers import closePanel, patientLikeVolume
from train_helpers import makePanel

from medsynth_core.generation.order import new_seed

GRID = np.diag([-3.0, -3.0, 3.0, 1.0])


def ct(name: str):
    return patientLikeVolume(GRID, (4, 12, 12), name)


def madeFrom(volume, *further, model: str = "ct-to-pet", name: str = "R"):
    """Return a volume with what a result of a model says of itself."""
    result = ct(name)
    provenance.setProvenance(result, volume, {"model": model}, {f"role{n}": node for n, node in enumerate(further)})
    return result


def script(panel):
    """Return the wrapper of a script, which has been there for longer than the change that it makes."""
    return type(panel._parameterNode.wrapper)(panel._parameterNode.parameterNode)


def chosen(panel) -> tuple:
    """Return what the selectors of both panels show."""
    ui = panel.ui
    other = ui.outputVolumeSelector if hasattr(ui, "outputVolumeSelector") else ui.targetVolumeSelector
    return ui.inputVolumeSelector.currentNode(), other.currentNode()


def nameOf(node) -> str | None:
    return node.GetName() if node is not None else None


@pytest.mark.parametrize("how", ["load", "import"])
@pytest.mark.parametrize("second", ["outputVolume", "targetVolume"])
def test_TheChoicesOfASceneThatIsLoadedAreShown(tmp_path, panel, second, how):
    training = second == "targetVolume"
    panel = makePanel(tmp_path) if training else panel
    panel.enter()
    ct("A")
    setattr(panel._parameterNode, "inputVolume", ct("B"))  # noqa: B010 - as the other one
    setattr(panel._parameterNode, second, ct("C"))
    scene, file = slicer.mrmlScene, str(tmp_path / "scene.mrml")
    scene.SetURL(file)
    scene.Commit()
    if how == "import":
        scene.Clear(0)
        scene.SetURL(file)
        scene.Import()
    else:
        scene.Connect()
    assert [nameOf(node) for node in chosen(panel)] == ["B", "C"]
    fresh = panel.logic.getParameterNode()
    assert [nameOf(fresh.inputVolume), nameOf(getattr(fresh, second))] == ["B", "C"]
    assert panel._parameterNode.inputVolume is fresh.inputVolume
    if training:
        closePanel(panel)


def test_APanelThatIsClosedDoesNotFollowASceneThatIsLoaded(tmp_path, panel):
    panel.enter()
    scene = slicer.mrmlScene
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    panel.exit()
    scene.Connect()
    assert panel._parameterNode is None
    panel.enter()
    scene.StartState(scene.ImportState)
    panel.exit()  # another module is chosen by what follows the import
    scene.EndState(scene.ImportState)
    assert panel._parameterNode is None


def test_AnotherParameterNodeIsFollowedIfTheOwnIsRemoved(panel):
    panel.enter()
    panel._parameterNode.batchSize = 7
    slicer.mrmlScene.RemoveNode(panel._parameterNode.parameterNode)
    assert panel.ui.batchSizeSpinBox.value == 0
    panel.ui.batchSizeSpinBox.value = 12
    assert panel.logic.getParameterNode().batchSize == 12


def test_ANumberCanBeTyped(panel):
    panel.enter()
    for name in ("structureAlpha", "structureBeta", "structureGamma"):
        box = getattr(panel.ui, f"{name}SpinBox")
        for text in ("0.125", "0.05", "0.012"):
            box.selectAll()
            QTest.keyClicks(box, text)
            assert (box.value, getattr(panel._parameterNode, name)) == (float(text), float(text))
    panel.ui.generateSeedSpinBox.selectAll()
    QTest.keyClicks(panel.ui.generateSeedSpinBox, "12345")
    assert panel._parameterNode.generateSeed == 12345


def test_WhatAnObserverMakesOfAValueIsShownAndUsed(panel):
    panel.enter()
    node = panel._parameterNode.parameterNode

    def atMostEight(caller, event):
        if int(node.GetParameter("batchSize")) > 8:
            node.SetParameter("batchSize", "8")

    tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, atMostEight)
    panel.ui.batchSizeSpinBox.value = 100
    node.RemoveObserver(tag)
    assert (panel._parameterNode.batchSize, panel.ui.batchSizeSpinBox.value) == (8, 8)


def test_AChangeThatAWidgetCausesWhileItIsShownIsShownToo(panel):
    panel.enter()
    other = script(panel)

    def fiveWithUncertainty(isOn):
        other.batchSize = 5 if isOn else 7

    panel.ui.uncertaintyCheckBox.connect("toggled(bool)", fiveWithUncertainty)
    other.uncertainty = True
    panel.ui.uncertaintyCheckBox.disconnect("toggled(bool)", fiveWithUncertainty)
    assert (panel._parameterNode.batchSize, panel.ui.batchSizeSpinBox.value) == (5, 5)


def test_ParametersHaveNoOtherNames(panel):
    parameters = LiveParameters(panel.logic.getParameterNode())
    with pytest.raises(AttributeError, match="no parameter bachSize"):
        parameters.bachSize = 3
    with pytest.raises(AttributeError, match="no parameter bachSize"):
        print(parameters.bachSize)
    parameters.parameterNode.UnsetParameter("batchSize")
    assert parameters.batchSize == 0


def unlisted(kind: str):
    """Return a volume that no selector of images lists."""
    if kind == "hidden":
        node = ct("hidden")
        node.SetHideFromEditors(True)
        return node
    if kind == "label map":
        return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    colours = np.zeros((2, 3, 4, 3), np.uint8)
    return slicer.util.addVolumeFromArray(colours, np.eye(4), "photo", nodeClassName="vtkMRMLVectorVolumeNode")


@pytest.mark.parametrize("kind", ["hidden", "label map", "colours"])
def test_ANodeThatNoSelectorListsIsNotUsed(panel, kind):
    panel.exit()
    other, image = unlisted(kind), ct("CT")
    panel.enter()
    assert chosen(panel)[0] is image and panel._parameterNode.inputVolume is image
    for name in ("inputVolume", "outputVolume"):
        setattr(script(panel), name, other)
        assert getattr(panel._parameterNode, name) is not other
        assert getattr(panel.logic.getParameterNode(), name) is not other
    assert chosen(panel) == (panel._parameterNode.inputVolume, panel._parameterNode.outputVolume)
    node = panel._parameterNode.parameterNode
    panel.exit()
    node.SetNodeReferenceID("inputVolume", other.GetID())
    panel.enter()
    assert chosen(panel)[0] is panel._parameterNode.inputVolume is image


def test_AHiddenLesionIsNotUsed(panel):
    panel.enter()
    label = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "label")
    panel._parameterNode.lesionVolume = label
    panel.ui.generateLesionSelector.setCurrentNode(label)
    assert panel._parameterNode.lesionVolume is label and panel._generate._lesion() is label
    label.SetHideFromEditors(True)
    panel._parameterNode.parameterNode.Modified()
    assert panel._parameterNode.lesionVolume is None and panel._generate._lesion() is None


def test_AResultWhoseInputHasBeenRemovedIsNotOverwritten(panel):
    panel.enter()
    first, second = ct("A"), ct("B")
    parameters = panel._parameterNode
    parameters.inputVolume = first
    result = madeFrom(first)
    parameters.outputVolume = result
    slicer.mrmlScene.RemoveNode(first)
    parameters.inputVolume = second
    assert parameters.outputVolume is None and panel.ui.outputVolumeSelector.currentNode() is None
    further = ct("C")
    two = madeFrom(second, further)
    assert provenance.isFor(two, "ct-to-pet", (second, further))
    slicer.mrmlScene.RemoveNode(further)
    assert not provenance.isFor(two, "ct-to-pet", (second,))
    assert provenance.isFor(ct("new"), "ct-to-pet", (second,))


def test_AnOutputThatIsChosenTogetherWithAnInputStays(panel):
    panel.enter()
    first, second = ct("A"), ct("B")
    result, parameters = madeFrom(first), script(panel)
    parameters.inputVolume = first
    with slicer.util.NodeModify(parameters.parameterNode):
        parameters.inputVolume, parameters.outputVolume = second, result
    assert panel._parameterNode.outputVolume is result
    # One that is left from before is not for the other input.
    parameters.inputVolume = first
    parameters.inputVolume = second
    assert panel._parameterNode.outputVolume is None
    panel.exit()
    parameters.inputVolume = first
    panel.enter()
    panel.exit()
    parameters.inputVolume, parameters.outputVolume = second, result
    panel.enter()
    assert panel._parameterNode.outputVolume is result


def finished(panel, inputs: tuple, before, result) -> None:
    """Tell a panel that its job has made a result of some inputs."""
    result.SetAttribute("MedSynth.Seconds", "1")
    panel._onSynthesized(inputs, before.GetID() if before else "", result, None)


def test_AnOutputThatIsChosenDuringAJobStays(panel):
    panel.enter()
    image, mine = ct("A"), ct("mine")
    parameters = panel._parameterNode
    parameters.inputVolume, parameters.model = image, "ct-to-pet"
    finished(panel, (image,), None, madeFrom(image))
    assert nameOf(parameters.outputVolume) == "R"
    before = parameters.outputVolume
    parameters.outputVolume = mine
    finished(panel, (image,), before, madeFrom(image, name="later"))
    assert parameters.outputVolume is mine


def test_AutomaticSeedsFitIntoThePanel(panel):
    panel.enter()
    seeds = [new_seed() for _ in range(200)]
    for seed in (*seeds, 2**31 - 1):
        panel._parameterNode.generateSeed = seed
        assert panel.ui.generateSeedSpinBox.value == seed
    assert len(set(seeds)) > 190 and max(seeds) > 2**30
