"""Renders the pictures of the modules for the documentation: python Testing/slicer/render_pictures.py FOLDER.

It runs the module on the sample case in the test application, as a user would, and takes pictures:
``panel-ready.png``, ``panel-running.png``, ``panel-done.png``, ``panel-misfit.png``, ``views-ct.png``,
``views-result.png``, ``module.png`` (panel and views together) and ``structure.png`` (structure map).

With ``--cases MANIFEST.csv``, a table of real cases with the images ``ct`` and ``pet``, it also trains a small network
with some of them and takes ``train.png``: the sections of MedSynthTrain after a training that was stopped and resumed.

With ``--pet FOLDER``, a PET series in Bq/mL, and ``--dose-model NAME`` of the library it takes those of low-dose PET:
``panel-bqml.png``, ``panel-low-dose.png``, ``views-low-dose.png`` and ``low-dose.png``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import application  # noqa: E402 - the folder must be importable first

application.start()

import SampleData  # noqa: E402 - these exist once the application has started
import slicer  # noqa: E402
from application import rendering  # noqa: E402
from MedSynthLib.display import applyCustomaryDisplay, showOver  # noqa: E402
from scene_helpers import closePanel, waitUntil  # noqa: E402
from structure_pictures import renderStructure  # noqa: E402

SECONDS = 300.0
SYNTHETIC = "Synthetic PET over CT"


def lesionCenter(segmentation) -> tuple[float, float, float]:
    """Return the center of the lesion in RAS millimetres."""
    bounds = [0.0] * 6
    segmentation.GetRASBounds(bounds)
    return tuple((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3))


def axialViews(ct, pet, size: int, name: str) -> list:
    """Return the axial view with a PET half-transparent over the CT, and with the PET alone."""
    applyCustomaryDisplay(pet, "SUVbw")
    showOver(ct, pet)
    over = rendering.sliceViewImage("Red", size, f"{name} over CT")
    slicer.util.setSliceViewerLayers(foregroundOpacity=1.0)
    return [over, rendering.sliceViewImage("Red", size, f"{name}, SUVbw 0 to 6")]


def main() -> None:
    """Render the pictures into the folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--pet", type=Path)
    parser.add_argument("--dose-model", default="low-dose-pet")
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)

    module = application.loadModule("MedSynth")
    ct, pet, mr, lesion = SampleData.downloadSamples("MedSynthSarcoma")
    panel = module.MedSynthWidget()
    panel.enter()
    panel._setup.waitForDevices()
    panel.ui.inputVolumeSelector.setCurrentNode(ct)
    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    ct.GetDisplayNode().SetAutoWindowLevel(False)
    ct.GetDisplayNode().SetWindowLevel(350, 40)
    rendering.centerViewsOn(lesionCenter(lesion))
    sections = (panel.ui.setupCollapsibleButton, panel.ui.advancedCollapsibleButton)
    for section in sections:
        section.collapsed = False
    rendering.save(rendering.panelImage(panel), folder / "panel-ready.png")
    for section in sections:
        section.collapsed = True
    rendering.save(rendering.sliceViewsImage("CT"), folder / "views-ct.png")

    panel.ui.applyButton.click()
    if not waitUntil(lambda: panel.ui.progressBar.value > 400, SECONDS):
        raise SystemExit(panel.ui.logTextEdit.plainText)
    rendering.save(rendering.panelImage(panel), folder / "panel-running.png")
    if not waitUntil(lambda: not panel.logic.isRunning, SECONDS) or panel.ui.outputVolumeSelector.currentNode() is None:
        raise SystemExit(panel.ui.logTextEdit.plainText)
    rendering.centerViewsOn(lesionCenter(lesion))
    done, views = rendering.panelImage(panel), rendering.sliceViewsImage(SYNTHETIC)
    rendering.save(done, folder / "panel-done.png")
    rendering.save(views, folder / "views-result.png")
    size = (done.height() - 2 * rendering.BAR_HEIGHT - 6) // 2
    synthetic = panel.ui.outputVolumeSelector.currentNode()
    columns = (axialViews(ct, synthetic, size, "Synthetic PET"), axialViews(ct, pet, size, "Real PET"))
    grid = rendering.sideBySide([rendering.stacked(column) for column in columns])
    rendering.save(rendering.sideBySide([done, grid]), folder / "module.png")

    renderStructure(panel, ct, folder)
    panel.ui.inputVolumeSelector.setCurrentNode(mr)
    rendering.save(rendering.panelImage(panel), folder / "panel-misfit.png")
    closePanel(panel)
    if arguments.cases:
        from train_pictures import renderTraining

        renderTraining(arguments.cases, folder)
    if arguments.pet:
        from dose_pictures import renderLowDose

        renderLowDose(arguments.pet, arguments.dose_model, folder)
    print(f"The pictures are in {folder}.")


if __name__ == "__main__":
    main()
