"""The pictures of low-dose PET: a real PET in Bq/mL from DICOM, converted, thinned, made full-dose again, compared."""

from __future__ import annotations

from pathlib import Path

import application
import slicer
from application import rendering
from scene_helpers import closePanel, loadedFromDicom, matrixOf, waitUntil

SECONDS = 900.0
FACTOR = 20.0
# Of the whole body: enough to see, and simulated in a minute.
SLICES = 64


def renderLowDose(series: Path, model: str, folder: Path) -> None:
    """Write ``panel-bqml.png``, ``panel-low-dose.png``, ``views-low-dose.png`` and ``low-dose.png`` into a folder.

    Args:
        series: folder of a PET series in Bq/mL.
        model: name of a model for low-dose PET in the library.
        folder: folder for the pictures.
    """
    panel = application.loadModule("MedSynth").MedSynthWidget()
    panel.enter()
    panel._setup.waitForDevices()
    panel.ui.setupCollapsibleButton.collapsed = panel.ui.advancedCollapsibleButton.collapsed = True
    pet = loadedFromDicom(series, "PET AC")
    panel.logic.getParameterNode().model = model
    panel.logic.getParameterNode().inputVolume = pet
    rendering.save(rendering.panelImage(panel), folder / "panel-bqml.png")
    panel.ui.convertButton.click()
    _wait(panel)
    low = _lowDose(panel.ui.inputVolumeSelector.currentNode())
    panel.ui.inputVolumeSelector.setCurrentNode(low)
    panel.ui.differenceCheckBox.checked = True
    bounds = [0.0] * 6
    low.GetRASBounds(bounds)
    slicer.util.setSliceViewerLayers(background=low, foreground=None, fit=True)
    rendering.centerViewsOn(tuple((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))
    rows = [rendering.sliceViewsImage(f"1/{FACTOR:g} of full dose", size=300)]
    panel.ui.applyButton.click()
    _wait(panel)
    done = rendering.panelImage(panel)
    rendering.save(done, folder / "panel-low-dose.png")

    from MedSynthLib.difference_volume import differenceOf

    result = panel.ui.outputVolumeSelector.currentNode()
    for node, caption in ((result, "Result"), (differenceOf(result), "Difference")):
        slicer.util.setSliceViewerLayers(background=node, foreground=None)
        rows.append(rendering.sliceViewsImage(caption, size=300))
    rendering.save(rendering.stacked(rows), folder / "views-low-dose.png")
    rendering.save(rendering.sideBySide([done, rendering.stacked(rows)]), folder / "low-dose.png")
    closePanel(panel)


def _wait(panel) -> None:
    if not waitUntil(lambda: not panel.logic.isRunning, SECONDS):
        raise SystemExit(panel.ui.logTextEdit.plainText)


def _lowDose(suv):
    """Return a node with some slices of a PET at a lower dose, which is simulated."""
    from MedSynthLib import volume_bridge as bridge
    from MedSynthLib.display import applyCustomaryDisplay

    from medsynth_core.simulation.dose import simulate_dose

    whole, matrix = bridge.coreVolume(suv), matrixOf(suv)
    first = (whole.shape[0] - SLICES) // 2
    matrix[:3, 3] += first * matrix[:3, 2]
    part = whole.replace(voxels=whole.voxels[first : first + SLICES].copy(), ijk_to_ras=matrix)
    low = simulate_dose(part, [FACTOR], seed=1).low[FACTOR]
    node = slicer.util.addVolumeFromArray(low.voxels, matrix, "PET low dose")
    node.SetAttribute("DICOM.instanceUIDs", suv.GetAttribute("DICOM.instanceUIDs"))
    bridge.setUnit(node, "SUVbw")
    applyCustomaryDisplay(node, "SUVbw")
    return node
