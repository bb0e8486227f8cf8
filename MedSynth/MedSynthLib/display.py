"""How results look: window, colors, and which volumes the slice views show."""

import slicer

# Window and level of the units for which there is a custom: for SUV that of Slicer's PET readers.
WINDOWS = {"SUVbw": (6.0, 3.0), "HU": (350.0, 40.0)}
COLORS = {"SUVbw": "vtkMRMLColorTableNodeInvertedGrey", "HU": "vtkMRMLColorTableNodeGrey"}
FOREGROUND_OPACITY = 0.5


def applyCustomaryDisplay(volumeNode, unit: str) -> None:
    """Set the window and colors that readers of such images expect; an unknown unit changes nothing."""
    if unit not in WINDOWS:
        return
    displayNode = volumeNode.GetDisplayNode()
    displayNode.SetAutoWindowLevel(False)
    displayNode.SetWindowLevel(*WINDOWS[unit])
    displayNode.SetAndObserveColorNodeID(COLORS[unit])


def showOver(backgroundVolume, foregroundVolume) -> None:
    """Show one volume half-transparent over another in all slice views, keeping the view's place."""
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    shown = any(view.GetBackgroundVolumeID() == backgroundVolume.GetID() for view in views)
    slicer.util.setSliceViewerLayers(
        background=backgroundVolume,
        foreground=foregroundVolume,
        foregroundOpacity=FOREGROUND_OPACITY,
        fit=not shown,
    )
