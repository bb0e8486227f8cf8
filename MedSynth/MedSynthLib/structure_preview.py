"""Preview of a structure map: that of the axial slice that the first slice view shows, over the image."""

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.structure.settings import StructureSettings
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.connections import Timer
from MedSynthLib.input_follower import CHANGES
from MedSynthLib.parameter_gui import weakly

NAME = "MedSynth structure preview"
# Milliseconds after the last change of the view, or of a node.
PATIENCE = 50


class StructurePreview:
    """A label map of one slice, which follows the first slice view, the volume and the lesions until it is hidden.

    Thresholds that are found in the image are those of the whole volume, as in the map itself. What computes it is
    imported when it is first needed: the panel opens before SciPy is installed.

    Args:
        onSaid: called with a sentence if the slice has no map, and with "" if it has one.
    """

    def __init__(self, onSaid: Callable[[str], None]) -> None:
        self._onSaid = onSaid
        self._timer = Timer(self._update, PATIENCE, once=True)
        self._view: Any = None
        self._observers: list[tuple[Any, int, int]] = []  # what is observed, its event, and the tag
        self._node: Any = None
        self._shown: dict[str, str] = {}
        self._asked: tuple[Any, StructureSettings, Any] | None = None
        self._key: tuple = ()
        self._thresholds: tuple[tuple, StructureSettings] | None = None  # thresholds, and what they were found in

    def close(self) -> None:
        """Remove the preview for good."""
        self.hide()
        self._timer.close()

    def hide(self) -> None:
        """Remove the preview from the views and the scene, and follow nothing."""
        self._timer.stop()
        self._observe([])
        self._view, self._asked, self._key, self._thresholds = None, None, (), None
        node, self._node = self._node, None
        if node is None:
            return
        for view in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if view.GetLabelVolumeID() == node.GetID():
                view.SetLabelVolumeID(self._shown.get(view.GetID()))
        self._shown = {}
        bridge.removeVolume(node)

    def show(self, volumeNode, settings: StructureSettings, lesionNode) -> None:
        """Show the structure of the slice that the first view shows, or say why it cannot be shown.

        Args:
            volumeNode: scalar volume node.
            settings: parameters.
            lesionNode: label map of lesions; None if there is none.
        """
        if self._view is None:
            self._view = slicer.util.getNodesByClass("vtkMRMLSliceNode")[0]
        self._asked = (volumeNode, settings, lesionNode)
        nodes = [node for node in (volumeNode, lesionNode) if node is not None]
        self._observe([(self._view, CHANGES[0]), *((node, event) for node in nodes for event in CHANGES)])
        self._update()

    def _observe(self, wanted: list[tuple[Any, int]]) -> None:
        """Observe events of nodes, and no others than these."""
        if [(node, event) for node, event, _tag in self._observers] == wanted:
            return
        for node, _event, tag in self._observers:
            node.RemoveObserver(tag)
        self._observers = [(node, event, node.AddObserver(event, weakly(self._onChanged))) for node, event in wanted]

    def _onChanged(self, caller: Any, event: Any) -> None:
        self._timer.start()

    def _update(self) -> None:
        """Show what was asked for as it is now; if nothing of it has changed, do nothing."""
        if self._asked is None:
            return
        volumeNode, settings, lesionNode = self._asked
        if not slicer.mrmlScene.IsNodePresent(volumeNode):
            self.hide()
            return
        key = self._keyOf(volumeNode, settings, lesionNode)
        if key == self._key:
            return
        try:
            part, labels = self._labels(volumeNode, lesionNode, self._resolved(volumeNode, settings))
        except MedSynthError as problem:
            self._clear()
            self._onSaid(problem.message)
            return
        self._key = key
        self._onSaid("")
        self._put(volumeNode, part, labels)

    def _keyOf(self, volumeNode, settings: StructureSettings, lesionNode) -> tuple:
        """Return a key that changes with what is shown and with its place."""
        place = slicer.util.arrayFromVTKMatrix(self._view.GetSliceToRAS())[:3, 3].tolist()
        nodes = [node for node in (volumeNode, lesionNode) if node is not None]
        return settings, str(place), *((bridge.stateOf(node), bridge.worldPlaceOf(node)) for node in nodes)

    def _resolved(self, volumeNode, settings: StructureSettings) -> StructureSettings:
        """Return the settings with thresholds of the whole volume, which are found again only when it has changed.

        Raises:
            MedSynthError: the node cannot be used, or packages are missing.
        """
        key = (bridge.stateOf(volumeNode), settings)
        if self._thresholds is None or self._thresholds[0] != key:
            volume = bridge.coreVolume(volumeNode)
            try:
                from medsynth_core.structure.volume_maps import thresholds_of
            except ImportError as problem:
                raise MedSynthError(_("Packages are missing for structure maps; press Install in Setup.")) from problem
            self._thresholds = (key, thresholds_of(volume, settings))
        return self._thresholds[1]

    def _clear(self) -> None:
        """Show no labels."""
        self._key = ()
        if self._node is not None and slicer.util.arrayFromVolume(self._node).any():
            slicer.util.updateVolumeFromArray(self._node, np.zeros((1, 1, 1), np.uint8))

    def _labels(self, volumeNode, lesionNode, settings: StructureSettings) -> tuple[Any, np.ndarray]:
        """Return the grid of the shown slice, and its labels."""
        from medsynth_core.grid import Grid, resample_array
        from medsynth_core.structure.volume_maps import structure_of

        volume = bridge.coreVolume(volumeNode)
        grid = Grid.of(volume)
        axial = grid.oriented()
        k = self._slice(volumeNode, axial)
        columns, rows, _slices = axial.size
        part = axial.part(np.array([0, 0, k]), np.array([columns, rows, 1]))
        lesion = _lesionIn(part, lesionNode, volumeNode, grid) if lesionNode is not None else None
        image = resample_array(volume.voxels, grid, part, order="nearest")[0]
        found = structure_of(image, settings, lesion=lesion)
        return part, (found.lines + 2 * found.background).astype(np.uint8)[None]

    def _slice(self, volumeNode, axial) -> int:
        """Return the number of the axial slice at the middle of the view.

        Raises:
            MedSynthError: the view is beside the volume, or a transform of the volume is not linear or not invertible.
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


def _lesionIn(part, lesionNode, volumeNode, grid) -> np.ndarray:
    """Return the mask of the lesions in a slice of a volume; their label map may cover other slices only.

    Args:
        part: grid of the slice.
        lesionNode: label map of lesions.
        volumeNode: the volume.
        grid: of the volume.

    Raises:
        MedSynthError: the label map cannot be used, or lies beside the volume.
    """
    from medsynth_core.grid import Grid, overlap, resample_array

    lesions = bridge.volumeBeside(lesionNode, volumeNode)
    if not overlap(Grid.of(lesions), grid):
        raise MedSynthError(
            _("The label map {name} lies beside the volume; choose one that was drawn on it.").format(
                name=lesionNode.GetName()
            )
        )
    return resample_array((lesions.voxels != 0).astype(np.uint8), Grid.of(lesions), part, order="nearest")[0]
