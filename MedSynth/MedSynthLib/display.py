"""Display of results: window, colors, and which volumes the slice views show."""

import numpy as np
import slicer
from slicer.i18n import tr as _

# Usual window and level by unit; for SUV those of Slicer's PET readers.
WINDOWS = {"SUVbw": (6.0, 3.0), "HU": (350.0, 40.0)}
COLORS = {"SUVbw": "vtkMRMLColorTableNodeInvertedGrey", "HU": "vtkMRMLColorTableNodeGrey"}
FOREGROUND_OPACITY = 0.5
# Blue, white and red are distinguishable with red-green colour blindness.
LESS, SAME, MORE = (0.13, 0.40, 0.67), (1.0, 1.0, 1.0), (0.70, 0.09, 0.17)
SHADES = 255
SAMPLES = 4_000_000
DIFFERENCE_COLORS = "MedSynthDifference"
# Both are perceptually even from black to light; the first is read from a file that comes with Slicer.
ERROR_COLORS = ("vtkMRMLColorTableNodeFileInferno.txt", "vtkMRMLPETProceduralColorNodePET-Heat")


def applyCustomaryDisplay(volumeNode, unit: str) -> None:
    """Set the usual window and colors of a unit; an unknown unit changes nothing."""
    if unit not in WINDOWS:
        return
    displayNode = volumeNode.GetDisplayNode()
    displayNode.SetAutoWindowLevel(False)
    displayNode.SetWindowLevel(*WINDOWS[unit])
    displayNode.SetAndObserveColorNodeID(COLORS[unit])


def resetDisplay(volumeNode) -> None:
    """Set window, colors and threshold of a new volume, in place of those that were for other values."""
    displayNode = volumeNode.GetDisplayNode()
    displayNode.SetApplyThreshold(False)
    displayNode.SetAndObserveColorNodeID(COLORS["HU"])
    displayNode.SetAutoWindowLevel(True)


def applyDifferenceDisplay(volumeNode, extreme: float) -> None:
    """Set diverging colors, white at 0, with a window from ``-extreme`` to ``extreme``."""
    displayNode = volumeNode.GetDisplayNode()
    displayNode.SetAutoWindowLevel(False)
    displayNode.SetWindowLevel(2 * extreme, 0.0)
    displayNode.SetAndObserveColorNodeID(_differenceColors().GetID())


def applyErrorDisplay(volumeNode, extreme: float) -> None:
    """Set colors that get lighter with the value, with a window from 0 to ``extreme``."""
    displayNode = volumeNode.GetDisplayNode()
    displayNode.SetAutoWindowLevel(False)
    displayNode.SetWindowLevel(extreme, extreme / 2)
    colors = [color for color in ERROR_COLORS if slicer.mrmlScene.GetNodeByID(color) is not None]
    if colors:
        displayNode.SetAndObserveColorNodeID(colors[0])


def typicalExtreme(voxels: np.ndarray) -> float:
    """Return the 99.9th percentile of the absolute values that are not 0 (air); 1 if all values are 0."""
    # A sample of a large volume is enough, and does not block the window. The step is odd, because an even one could
    # skip the same columns in every row.
    some = voxels.reshape(-1)[:: max(1, voxels.size // SAMPLES) | 1]
    sizes = np.abs(some[some != 0])
    return float(np.percentile(sizes, 99.9)) if sizes.size else 1.0


def _differenceColors():
    """Return the scene's color node for differences, which is created if needed."""
    node = slicer.mrmlScene.GetSingletonNode(DIFFERENCE_COLORS, "vtkMRMLColorTableNode")
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLColorTableNode")
        node.UnRegister(None)
        node.SetSingletonTag(DIFFERENCE_COLORS)
        node.SetName(_("MedSynth difference"))
        node.SetTypeToUser()
        node.SetNumberOfColors(SHADES)
        for shade, position in enumerate(np.linspace(-1.0, 1.0, SHADES)):
            end, share = np.array(MORE if position > 0 else LESS), abs(position)
            node.SetColor(shade, f"{position:+.2f}", *((1 - share) * np.array(SAME) + share * end), 1.0)
        node = slicer.mrmlScene.AddNode(node)
    return node


def showInstead(formerVolume, volume) -> None:
    """Show a volume in place of another one in all slice views; in the background if that was not shown anywhere."""
    replaced = False
    for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
        if view.GetBackgroundVolumeID() == formerVolume.GetID():
            view.SetBackgroundVolumeID(volume.GetID())
            replaced = True
        if view.GetForegroundVolumeID() == formerVolume.GetID():
            view.SetForegroundVolumeID(volume.GetID())
            replaced = True
    if not replaced:
        slicer.util.setSliceViewerLayers(background=volume)


def showOver(backgroundVolume, foregroundVolume, opacity: float = FOREGROUND_OPACITY) -> None:
    """Show one volume over another in all slice views; the views keep their position if they show the background."""
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    shown = any(view.GetBackgroundVolumeID() == backgroundVolume.GetID() for view in views)
    slicer.util.setSliceViewerLayers(
        background=backgroundVolume,
        foreground=foregroundVolume,
        foregroundOpacity=opacity,
        fit=not shown,
    )
