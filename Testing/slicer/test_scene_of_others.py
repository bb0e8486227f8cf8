"""A scene that others made, or a script has written to, is shown as far as it can be used."""

from __future__ import annotations

import json

import numpy as np
import pytest
import slicer
from MedSynthLib import provenance
from MedSynthLib.difference_volume import DIFFERENCE, differenceOf
from scene_helpers import closePanel
from train_helpers import makePanel

RESULT = {"MedSynth.Model": "ct-to-pet", "MedSynth.Synthetic": "true"}


def volume(name: str = "result", **attributes):
    node = slicer.util.addVolumeFromArray(np.zeros((3, 4, 5), np.float32), np.eye(4), name)
    for key, value in {**RESULT, **attributes}.items():
        node.SetAttribute(key.replace("__", "."), value)
    return node


@pytest.mark.parametrize(
    ("attributes", "text"),
    [
        ({"MedSynth__ActivityRatio": "1,02"}, ""),
        ({"MedSynth__ActivityRatio": '"x"'}, ""),
        ({"MedSynth__ActivityRatio": "NaN"}, ""),
        ({"MedSynth__ActivityRatio": "1e999"}, ""),
        ({"MedSynth__ActivityRatio": "[" * 100_000}, ""),
        ({"MedSynth__ActivityRatio": "true"}, ""),
        ({"MedSynth__ActivityRatio": "1.0"}, "Activity kept in the body: 100.0 %."),
        ({"MedSynth__ActivityOutside": "{}"}, ""),
        ({"MedSynth__DoseReductionFactor": "4"}, "Estimated dose of the input: 1/4 of full dose."),
        ({"MedSynth__DoseReductionFactor": "4", "MedSynth__DoseProbabilities": "[4]"},
         "Estimated dose of the input: 1/4 of full dose."),
        ({"MedSynth__DoseReductionFactor": "4", "MedSynth__DoseProbabilities": '{"4": "x", "1": 0.5}'},
         "Estimated dose of the input: 1/4 of full dose."),
        ({"MedSynth__DoseReductionFactor": "4", "MedSynth__DoseProbabilities": '{"4": 0.5}'},
         "Estimated dose of the input: 1/4 of full dose (50 %)."),
    ],
)  # fmt: skip
def test_FactsThatCannotBeUsedAreNotShown(panel, attributes, text):
    panel.enter()
    panel._parameterNode.outputVolume = volume(**attributes)
    panel.update()  # what an observer raises is only printed
    assert panel.ui.resultLabel.text == text


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("[1]", list, [1]), ("[1]", dict, None), ('{"a": 1}', dict, {"a": 1}), ("3", float, 3.0), ("", float, None),
     ('{"a": 1, "a": 2}', dict, None), ("null", list, None)],
)  # fmt: skip
def test_AFactHasTheKindThatIsAskedFor(text, kind, value):
    assert provenance.valueOf(volume(MedSynth__Source=text), "source", kind) == value


@pytest.mark.parametrize(("key", "value"), [("batchSize", "abc"), ("batchSize", "9999"), ("batchSize", "")])
def test_AParameterThatCannotBeUsedHasItsDefault(panel, key, value):
    panel.enter()
    node = panel._parameterNode.parameterNode
    panel._parameterNode.uncertainty = True
    panel.exit()
    node.SetParameter(key, value)
    panel.enter()
    assert panel._parameterNode.batchSize == 0 and panel.ui.batchSizeSpinBox.value == 0
    assert panel._parameterNode.uncertainty is True  # the others stay


def test_AParameterThatIsDamagedWhileItIsShownIsKept(panel):
    panel.enter()
    panel._parameterNode.batchSize = 7
    panel._parameterNode.parameterNode.SetParameter("batchSize", "abc")
    assert panel._parameterNode.batchSize == 7 and panel.ui.batchSizeSpinBox.value == 7


def changedByAScript(parameters) -> dict:
    """Change every parameter that has a widget, as another wrapper of the same node, and return the new values."""
    other = type(parameters.wrapper)(parameters.parameterNode)
    label = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "label")
    new = {
        "inputVolume": volume("input"), "outputVolume": volume("output"), "batchSize": 5, "difference": True,
        "uncertainty": True, "lesionVolume": label, "structureAlpha": 0.25, "structureBeta": 0.5,
        "structureGamma": 0.75, "structureSolid": True, "generateCount": 7, "generateSlices": 8, "generateSeed": 9,
        "generateFiltered": False,
    }  # fmt: skip
    for name, value in new.items():
        setattr(other, name, value)
    return new


def test_WhatAScriptChangesIsShownAndStays(panel, monkeypatch):
    panel.enter()
    seen = []

    def update(caller=None, event=None):
        seen.append({name: getattr(panel._parameterNode, name) for name in panel._gui._connectors})

    monkeypatch.setattr(panel._gui, "_onChanged", update)
    new = changedByAScript(panel._parameterNode)
    assert new.keys() == panel._gui._connectors.keys()
    # What follows a change finds the values as they are now.
    assert [values[name] for values, name in zip(seen, new, strict=True)] == list(new.values()) and seen[-1] == new
    assert {name: connector.read() for name, connector in panel._gui._connectors.items()} == new
    assert {name: panel.logic.getParameterNode().getValue(name) for name in new} == new


def test_ShowingParametersWritesNothing(panel):
    panel._parameterNode.batchSize = 7
    node = panel._parameterNode.parameterNode
    before = node.GetMTime()
    panel.exit()
    panel.enter()
    panel._gui._show()
    assert node.GetMTime() == before


@pytest.mark.parametrize("isShown", [False, True])
def test_ANodeOfAnotherClassIsNotUsed(panel, isShown):
    panel.enter()
    node = panel._parameterNode.parameterNode
    if not isShown:
        panel.exit()
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "other")
    for name in ("inputVolume", "outputVolume"):
        node.SetNodeReferenceID(name, other.GetID())
    if not isShown:
        panel.enter()
    assert panel._parameterNode.inputVolume is None and panel._parameterNode.outputVolume is None
    assert panel.ui.fitLabel.text == "✗ Choose an input volume."


def test_FurtherImagesAreVolumes(tmp_path):
    from test_case_images import threeImageRecipeText

    panel = makePanel(tmp_path)
    try:
        panel._recipe.setText(threeImageRecipeText())
        panel.enter()
        [slot] = panel._data.images._slots
        node = panel._parameterNode.parameterNode
        other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "other")
        node.SetNodeReferenceID(f"furtherVolume.{slot.role}", other.GetID())
        panel._data.images.refresh()
        assert panel._data.images._selectors.chosen() == {}
        node.SetNodeReferenceID(f"furtherVolume.{slot.role}", volume("image").GetID())
        assert [chosen.GetName() for chosen in panel._data.images._selectors.chosen().values()] == ["image"]
    finally:
        closePanel(panel)


def test_ADifferenceIsAVolume():
    result, other = volume(), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "other")
    result.SetNodeReferenceID(DIFFERENCE, other.GetID())
    other.SetNodeReferenceID("MedSynth.Result", result.GetID())
    assert differenceOf(result) is None


def test_ASavedParameterNodeOfAnotherKindIsReadByTheTrainingPanelToo(tmp_path):
    panel = makePanel(tmp_path)
    try:
        panel.enter()
        node = panel._parameterNode.parameterNode
        panel.exit()
        other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "other")
        node.SetNodeReferenceID("targetVolume", other.GetID())
        panel.enter()
        assert panel._chosenNodes() == (None, None)
        assert json.dumps(node.GetNodeReferenceID("targetVolume")) == "null"
    finally:
        closePanel(panel)
