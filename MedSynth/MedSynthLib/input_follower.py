"""Which input volume and model are chosen, and changes of the volume: its node, voxels and transforms."""

from collections.abc import Callable
from typing import Any

import slicer
import vtk

from MedSynthLib.parameter_gui import weakly

# A change of voxels or of a transform alone does not modify a volume node itself.
CHANGES = (
    vtk.vtkCommand.ModifiedEvent,
    slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
    slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
)


class InputFollower:
    """Tells when another input volume or model is chosen, and when the chosen volume is modified.

    Args:
        onModified: called as ``onModified(caller, event)`` when the volume, its voxels or its transforms have changed.
        onAnother: called when another volume or model than before is chosen.
    """

    def __init__(self, onModified: Callable[[Any, Any], None], onAnother: Callable[[], None]) -> None:
        self._onModified, self._onAnother = onModified, onAnother
        self._volume: Any = None
        self._tags: list[int] = []
        self._chosen: tuple = ()

    def follow(self, volume, *others: Any) -> None:
        """Follow a volume node, or None; the same choice as before changes nothing.

        Args:
            volume: the input volume.
            others: the other choices that belong to it, such as the model.
        """
        if volume is not self._volume:
            self._observe(volume)
        chosen = (volume.GetID() if volume is not None else None, *others)
        if chosen != self._chosen:  # else the panel was only closed in between
            self._chosen = chosen
            self._onAnother()

    def _observe(self, volume) -> None:
        self.release()
        if volume is not None:
            # Observed because a volume can be in the scene before it has voxels. VTKObservationMixin would keep a
            # reference to the node, and its voxels, after the observer is removed.
            self._tags = [volume.AddObserver(event, weakly(self._modified)) for event in CHANGES]
        self._volume = volume

    def _modified(self, caller: Any, event: Any) -> None:
        self._onModified(caller, event)

    def release(self) -> None:
        """Stop observing the volume, so that its voxels can be freed; it is remembered as the one that was chosen."""
        for tag in self._tags:
            self._volume.RemoveObserver(tag)
        self._volume, self._tags = None, []

    def clear(self) -> None:
        """Reset the chosen volume, because in another scene another volume may have its ID."""
        self.release()
        self._chosen = ()
