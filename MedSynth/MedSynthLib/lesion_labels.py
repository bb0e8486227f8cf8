"""Lesions that the user has drawn, as a label map or as a segmentation."""

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from medsynth_core.errors import MedSynthError
from MedSynthLib import volume_bridge as bridge

CLASSES = ("vtkMRMLLabelMapVolumeNode", "vtkMRMLSegmentationNode")


def isLesion(node) -> bool:
    """Return whether lesions can be taken from a node."""
    return node is not None and any(node.IsA(name) for name in CLASSES)


def lesionBeside(node, inputVolume):
    """Return the lesions of a node as a ``medsynth_core.volume.Volume``, placed relative to a volume as in the scene.

    Args:
        node: label map, or segmentation, of which the visible segments count: the first has the label 1.
        inputVolume: the volume that the lesions were drawn on.

    Raises:
        MedSynthError: the node has no lesion, or a transform between the two is not linear or not invertible.
    """
    from medsynth_core.volume import Volume

    if not node.IsA("vtkMRMLSegmentationNode"):
        return bridge.volumeBeside(node, inputVolume)
    voxels, matrix = _merged(node)
    return Volume(voxels, bridge.between(node, inputVolume) @ matrix)


def _merged(node) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels (k, j, i) of the visible segments and their matrix in the segmentation's own coordinates."""
    shown = vtk.vtkStringArray()
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().GetVisibleSegmentIDs(shown)
    merged, extent = slicer.vtkOrientedImageData(), slicer.vtkSegmentation.EXTENT_UNION_OF_EFFECTIVE_SEGMENTS
    values = vtk.vtkIntArray()
    for number in range(shown.GetNumberOfValues()):
        values.InsertNextValue(number + 1)
    made = (
        shown.GetNumberOfValues() > 0
        and node.CreateBinaryLabelmapRepresentation()
        and node.GenerateMergedLabelmapForAllSegments(merged, extent, None, shown, values)
    )
    if not made or not merged.GetNumberOfPoints():
        raise MedSynthError(
            _("The segmentation {name} shows no lesion; draw one, and make its segment visible.").format(
                name=node.GetName()
            )
        )
    labels = vtk_to_numpy(merged.GetPointData().GetScalars()).reshape(merged.GetDimensions()[::-1])
    return labels.copy(), _matrixOf(merged)


def _matrixOf(image) -> np.ndarray:
    """Return the matrix of an oriented image for the indices of its array, which begin at 0; its own may not."""
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    found = slicer.util.arrayFromVTKMatrix(matrix)
    found[:3, 3] += found[:3, :3] @ image.GetExtent()[::2]
    return found
