"""Behaviour of both panels: they follow the scene and reload together with their libraries."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import slicer
from scene_helpers import closePanel

# Reloads modules one after the other, as the button Reload of the developer mode does, and says of each panel whether
# its base class and its sections are those that are loaded now, and whether it still works.
RELOAD = """
import importlib, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
import application
application.start()
import psutil, slicer

def show(name):
    module = importlib.import_module(name)
    return getattr(module, name + "Widget")()

def reloadScriptedModule(name):
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(name)
    importlib.reload(sys.modules[name])
    panels[name] = show(name)

slicer.util.reloadScriptedModule = reloadScriptedModule
for name in ("MedSynth", "MedSynthTrain"):
    application.loadModule(name)
panels = {{name: show(name) for name in ("MedSynth", "MedSynthTrain")}}
for name in {order!r}:
    before = type(panels[name])
    panels[name].enter()
    panels[name]._setup.waitForDevices()
    panels[name].onReload()
    assert psutil.Process().children() == [], "the worker of the old modules"
    panel = panels[name]
    from MedSynthLib.panel import ModulePanel
    assert type(panel) is not before and isinstance(panel, ModulePanel), name
    from MedSynthLib.setup_section import SetupSection
    assert type(panel._setup) is SetupSection
    panel.enter()
    panel._setup.waitForDevices()
    assert "CPU" in panel.ui.deviceLabel.text
for panel in panels.values():
    panel.enter()
    panel._setup.waitForDevices()
    panel.cleanup()
print("reloaded")
"""


@pytest.mark.parametrize("order", [("MedSynth",), ("MedSynthTrain",), ("MedSynth", "MedSynthTrain", "MedSynth")])
def test_ModulesReloadWithWhatTheyShare(order, tmp_path):
    script = RELOAD.format(folder=str(Path(__file__).parent), order=order)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0 and run.stdout.split()[-1:] == ["reloaded"], run.stderr


@pytest.mark.parametrize("module", ["MedSynth", "MedSynthTrain"])
def test_PanelFollowsTheParametersOfTheSceneThatIsOpenWhileItIsOpen(module, tmp_path):
    if module == "MedSynthTrain":
        from MedSynthTrainLib import settings

        settings.setRunsFolder(tmp_path)
    panel = getattr(importlib.import_module(module), f"{module}Widget")()
    node = panel._parameterNode.parameterNode
    slicer.mrmlScene.Clear(0)
    assert panel._parameterNode is not None and node.HasObserver("ModifiedEvent")
    panel.exit()
    assert panel._parameterNode is None and not node.HasObserver("ModifiedEvent")
    slicer.mrmlScene.Clear(0)
    assert panel._parameterNode is None
    panel.enter()
    assert panel._parameterNode is not None
    closePanel(panel)
    assert not node.HasObserver("ModifiedEvent")
