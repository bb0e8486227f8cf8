"""The layout with the curves never costs a user the views: not in a saved scene, not after leaving the panel."""

from __future__ import annotations

from pathlib import Path

import pytest
import slicer
from application import leaks
from MedSynthTrainLib.curves import Curves
from MedSynthTrainLib.layout import LAYOUT_ID, LOSS_VIEW
from scene_helpers import closePanel
from train_helpers import makePanel

BEFORE = slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView
METRICS = {("train", "loss"): {1: 0.5, 2: 0.25}}


@pytest.fixture
def curves():
    """Return curves that are shown over a usual layout."""
    slicer.app.layoutManager().setLayout(BEFORE)
    curves = Curves()
    curves.update(METRICS, "mae")
    curves.show()
    assert slicer.app.layoutManager().layout == LAYOUT_ID
    yield curves
    curves.close()


def savedScene(folder: Path) -> str:
    """Save the scene and return the text of its file."""
    file = folder / "scene.mrml"
    assert slicer.mrmlScene.Commit(str(file)) == 1
    return file.read_text()


def layoutAfterOpening(text: str) -> int:
    """Return the layout in which another Slicer, which has never heard of this one, shows a scene."""
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkMRMLLayoutLogic()
    logic.SetMRMLScene(scene)
    logic.GetLayoutNode().SetViewArrangement(BEFORE)
    scene.SetLoadFromXMLString(1)
    scene.SetSceneXMLString(text)
    scene.Import()
    node = logic.GetLayoutNode()
    return node.GetViewArrangement() if node.GetCurrentLayoutDescription() else 0


def test_ASceneSavedWithTheCurvesOpensWithViews(curves, tmp_path):
    text = savedScene(tmp_path)
    assert str(LAYOUT_ID) not in text
    assert layoutAfterOpening(text) == BEFORE
    assert curves.shown


def test_ASceneSavedWithoutTheCurvesKeepsItsLayout(curves, tmp_path):
    for leave in (curves.hide, lambda: slicer.app.layoutManager().setLayout(BEFORE)):
        curves.show()
        leave()
        assert not curves.shown
        assert f'currentViewArrangement="{BEFORE}"' in savedScene(tmp_path)
    curves.close()
    assert leaks.observersOf(slicer.app.layoutManager().layoutLogic().GetLayoutNode()) == 0


def test_AClosedSceneChangesNothing(curves, tmp_path):
    slicer.mrmlScene.Clear(0)
    assert curves.shown and str(LAYOUT_ID) not in savedScene(tmp_path)
    curves.update(METRICS, "mae")
    assert curves.shown and str(LAYOUT_ID) not in savedScene(tmp_path)
    curves.hide()
    assert f'currentViewArrangement="{BEFORE}"' in savedScene(tmp_path)


def test_TheLayoutIsDescribedWhenSlicerHasStarted():
    """As a scene may have it that was saved by an earlier version."""
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import application
application.start()
application.loadModule("MedSynthTrain")
import slicer
node = slicer.app.layoutManager().layoutLogic().GetLayoutNode()
assert node.IsLayoutDescription({LAYOUT_ID})
node.SetViewArrangement({LAYOUT_ID})
assert {LOSS_VIEW!r} in node.GetCurrentLayoutDescription()
from MedSynthTrainLib.curves import Curves
curves = Curves()
assert curves.shown
curves.hide()
assert not curves.shown and node.GetCurrentLayoutDescription()
print("described")
"""
    import subprocess
    import sys

    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout.split() == ["described"], run.stderr


@pytest.mark.parametrize("leave", ["exit", "cleanup"])
def test_LeavingThePanelPutsTheLayoutBack(leave, tmp_path):
    slicer.app.layoutManager().setLayout(BEFORE)
    panel = makePanel(tmp_path)
    panel.enter()
    panel._run._curves.show()
    assert slicer.app.layoutManager().layout == LAYOUT_ID
    getattr(panel, leave)()
    assert slicer.app.layoutManager().layout == BEFORE
    closePanel(panel)


def test_WithoutViewsNothingIsShown(monkeypatch):
    monkeypatch.setattr(slicer.app, "layoutManager", lambda: None)
    curves = Curves()
    curves.show()
    curves.hide()
    curves.close()
    assert not curves.shown
