"""Renders ``generate.png``, the picture of generated images: python Testing/slicer/generation_pictures.py FOLDER MODEL.

It runs the section Generate with a generator of the library, once from noise and once from the sample CT with the
lesion that was drawn on it, and shows the panel beside the structure maps and images of both, and the subject
hierarchy. With ``--source noise`` the second row is another case from noise, for models that do not draw from CT.
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
from scene_helpers import closePanel, waitUntil  # noqa: E402

SECONDS, SIZE, MOST = 900.0, 270, 3
CAPTIONS = {"noise": "from noise", "volume": "from the CT, own lesion"}


def choose(box, data: str) -> None:
    """Choose an entry of a combo box as a user does."""
    index = box.findData(data)
    if index < 0:
        raise SystemExit(f"There is no '{data}' to choose; the library may not have this model.")
    box.setCurrentIndex(index)
    box.activated.emit(index)


def generated(panel, source: str) -> dict:
    """Press Generate, and return the first case of the result by the names of its volumes."""
    choose(panel.ui.generateSourceComboBox, source)
    before = set(slicer.util.getNodesByClass("vtkMRMLVolumeNode"))
    panel.ui.generateButton.click()
    if not waitUntil(lambda: not panel.logic.isRunning, SECONDS):
        raise SystemExit("It takes too long.")
    made = [node for node in slicer.util.getNodesByClass("vtkMRMLVolumeNode") if node not in before]
    if not made:
        raise SystemExit(panel.ui.logTextEdit.plainText)
    return {node.GetName().split(" seed")[0]: node for node in made}


def imagesOf(case: dict, caption: str, base) -> list:
    """Return axial views of a case: its structure map over a volume, and its images with the outline of the lesion."""
    volumes = [node for node in case.values() if not node.IsA("vtkMRMLLabelMapVolumeNode")][:MOST]
    shown = [(base or volumes[0], case["Structure"], "Structure map")] if "Structure" in case else []
    shown += [(node, case.get("Lesion"), node.GetName().split(" seed")[0]) for node in volumes]
    drawn = []
    for volume, label, name in shown:
        slicer.util.setSliceViewerLayers(background=volume, foreground=None, label=label)
        drawn.append(rendering.sliceViewImage("Red", SIZE, f"{name}, {caption}"))
    return drawn


def main() -> None:
    """Render the picture into the folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("model")
    parser.add_argument("--source", choices=list(CAPTIONS), default="volume")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--unfiltered", action="store_true")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    module = application.loadModule("MedSynth")
    ct, _pet, _mr, lesion = SampleData.downloadSamples("MedSynthSarcoma")
    panel = module.MedSynthWidget()
    panel.enter()
    ui = panel.ui
    for section in (ui.setupCollapsibleButton, ui.synthesizeCollapsibleButton):
        section.collapsed = True
    ui.generateCollapsibleButton.collapsed = False
    ui.inputVolumeSelector.setCurrentNode(ct)
    choose(ui.generateModelComboBox, arguments.model)
    ui.generateSeedSpinBox.value = arguments.seed
    ui.generateFilteredCheckBox.checked = not arguments.unfiltered
    rows = [imagesOf(generated(panel, "noise"), CAPTIONS["noise"], None)]
    ui.generateSeedSpinBox.value = arguments.seed + 1
    if arguments.source == "volume":
        choose(ui.generateSourceComboBox, "volume")
        ui.generateLesionSelector.setCurrentNode(lesion)
    base = ct if arguments.source == "volume" else None
    rows.append(imagesOf(generated(panel, arguments.source), CAPTIONS[arguments.source], base))
    panelPicture = rendering.panelImage(panel)
    grid = rendering.stacked([rendering.sideBySide(row) for row in rows])
    tree = rendering.subjectHierarchyImage(grid.width(), max(200, panelPicture.height() - grid.height() - 6))
    rendering.save(
        rendering.sideBySide([panelPicture, rendering.stacked([grid, tree])]), arguments.folder / "generate.png"
    )
    closePanel(panel)
    print(f"The picture is in {arguments.folder}.")


if __name__ == "__main__":
    main()
