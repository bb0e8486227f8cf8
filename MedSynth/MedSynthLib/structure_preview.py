"""Preview of a structure map: that of the axial slice that the first slice view shows, over the image."""

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.structure.settings import StructureSettings
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.connections import Timer
from MedSynthLib.parameter_gui import weakly

NAME = "MedSynth structure preview"
# Milliseconds after the last movement of the view.
PATIENCE = 50


class StructurePreview:
    """A label map of one slice, which follows the first slice view until it is hidden.

    Thresholds that are found in the image are those of the whole volume, as in the map itself. What computes it is
    imported when it is first needed: the panel opens before SciPy is installed.

    Args:
        onSaid: called with a sentence if the slice has no map, and with "" if it has one.
    """

    def __init__(self, onSaid: Callable[[str], None]) -> None:
        self._onSaid = onSaid
        self._timer = Timer(self._draw, PATIENCE, once=True)
        self._view, self._tag = None, 0
        self._node: Any = None
        self._shown: dict[str, str] = {}
        self._source: tuple[Any, Any] | None = None
        self._settings: StructureSettings | None = None
        self._key: tuple = ()

    def close(self) -> None:
        """Remove the preview for good."""
        self.hide()
        self._timer.close()

    def hide(self) -> None:
        """Remove the preview from the views and the scene."""
        self._timer.stop()
        if self._view is not None:
            self._view.RemoveObserver(self._tag)
        self._view, self._source, self._settings, self._key = None, None, None, ()
        node, self._node = self._node, None
        if node is None:
            return
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if view.GetLabelVolumeID() == node.GetID():
                view.SetLabelVolumeID(self._shown.get(view.GetID()))
        self._shown = {}
        bridge.removeVolume(node)

    def show(self, volumeNode, settings: StructureSettings, lesionNode) -> None:
        """Show the structure of the slice that the first view shows; the same request as before does nothing.

        Args:
            volumeNode: scalar volume node.
            settings: parameters.
            lesionNode: label map of lesions; None if there is none.

        Raises:
            MedSynthError: a node cannot be used, or packages are missing.
        """
        key = (bridge.stateOf(volumeNode), bridge.stateOf(lesionNode), settings)
        if key == self._key:
            return
        voxels = bridge.voxelsOf(volumeNode)
        if lesionNode is not None:
            bridge.volumeBeside(lesionNode, volumeNode)
        try:
            from medsynth_core.structure.maps import resolved
        except ImportError as problem:
            raise MedSynthError(_("Packages are missing for structure maps; press Install in Setup.")) from problem
        self._settings, self._source, self._key = resolved(voxels, settings), (volumeNode, lesionNode), key
        if self._view is None:
            self._view = slicer.util.getNodesByClass("vtkMRMLSliceNode")[0]
            self._tag = self._view.AddObserver(vtk.vtkCommand.ModifiedEvent, weakly(self._onMoved))
        self._draw()

    def _onMoved(self, caller: Any, event: Any) -> None:
        self._timer.start()

    def _draw(self) -> None:
        if self._source is None or self._settings is None:
            return
        volumeNode, lesionNode = self._source
        if not slicer.mrmlScene.IsNodePresent(volumeNode):
            self.hide()
            return
        try:
            part, found = self._found(volumeNode, lesionNode, self._settings)
        except MedSynthError as problem:
            self._onSaid(problem.message)
            if self._node is not None:
                slicer.util.updateVolumeFromArray(self._node, np.zeros((1, 1, 1), np.uint8))
            return
        self._onSaid("")
        self._put(volumeNode, part, found)

    def _found(self, volumeNode, lesionNode, settings: StructureSettings) -> tuple[Any, np.ndarray]:
        """Return the grid of the shown slice, and its labels."""
        from medsynth_core.grid import Grid, resample, resample_array
        from medsynth_core.structure.volume_maps import structure_of
        from medsynth_core.volume import Volume

        volume = bridge.coreVolume(volumeNode)
        grid = Grid.of(volume)
        axial = grid.oriented()
        k = self._slice(volumeNode, axial)
        columns, rows, _slices = axial.size
        part = axial.part(np.array([0, 0, k]), np.array([columns, rows, 1]))
        lesion = None
        if lesionNode is not None:
            mask = bridge.volumeBeside(lesionNode, volumeNode)
            mask = mask.replace(voxels=(mask.voxels != 0).astype(np.uint8))
            like = Volume(np.zeros(part.shape, np.uint8), part.ijk_to_ras)
            lesion = resample(mask, like, order="nearest").voxels[0]
        image = resample_array(volume.voxels, grid, part, order="nearest")[0]
        found = structure_of(image, settings, lesion=lesion)
        return part, (found.lines + 2 * found.background).astype(np.uint8)[None]

    def _slice(self, volumeNode, axial) -> int:
        """Return the number of the axial slice at the middle of the view.

        Raises:
            MedSynthError: the view is beside the volume.
        """
        toRas = slicer.util.arrayFromVTKMatrix(self._view.GetSliceToRAS())
        place = np.linalg.inv(bridge.toWorld(volumeNode) @ axial.ijk_to_ras) @ toRas[:, 3]
        k = round(float(place[2]))
        if not 0 <= k < axial.shape[0]:
            raise MedSynthError(_("The first slice view is beside the volume; move it to a slice of it."))
        return k

    def _put(self, volumeNode, part, labels: np.ndarray) -> None:
        """Show the labels in all slice views."""
        if self._node is None:
            self._node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", NAME)
            self._node.SetSaveWithScene(False)
            self._node.SetHideFromEditors(True)
            self._node.CreateDefaultDisplayNodes()
            self._node.GetDisplayNode().SetSaveWithScene(False)
        slicer.util.updateVolumeFromArray(self._node, labels)
        self._node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(part.ijk_to_ras))
        self._node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if view.GetLabelVolumeID() != self._node.GetID():
                self._shown[view.GetID()] = view.GetLabelVolumeID()
                view.SetLabelVolumeID(self._node.GetID())
