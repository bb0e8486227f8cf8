"""The picture of structure maps: the section of the panel, and the preview over an image."""

from __future__ import annotations

from pathlib import Path

import slicer
from application import rendering

PRESET = "extremity-ct"


def renderStructure(panel, ct, folder: Path) -> None:
    """Write ``structure.png`` into a folder: the section with its preview over a CT.

    Args:
        panel: the panel of MedSynth, entered, with the CT as input volume.
        ct: volume node of a CT of a limb.
        folder: folder for the picture.
    """
    ui = panel.ui
    for section in (ui.setupCollapsibleButton, ui.synthesizeCollapsibleButton, ui.advancedCollapsibleButton):
        section.collapsed = True
    ui.structureCollapsibleButton.collapsed = False
    index = ui.structurePresetComboBox.findData(PRESET)
    ui.structurePresetComboBox.setCurrentIndex(index)
    ui.structurePresetComboBox.activated.emit(index)
    slicer.util.setSliceViewerLayers(background=ct, foreground=None, labelOpacity=0.6, fit=True)
    ui.structurePreviewCheckBox.checked = True
    drawn = rendering.panelImage(panel)
    view = rendering.sliceViewImage("Red", drawn.height() - rendering.BAR_HEIGHT, "Preview of the structure map")
    rendering.save(rendering.sideBySide([drawn, view]), folder / "structure.png")
    ui.structurePreviewCheckBox.checked = False
    ui.structureCollapsibleButton.collapsed = True
    ui.synthesizeCollapsibleButton.collapsed = False
