"""Which input volume is chosen, and changes of its voxels."""

from collections.abc import Callable
from typing import Any

import vtk

from MedSynthLib.parameter_gui import weakly


class InputFollower:
    """Tells when another input volume is chosen, and when the chosen one is modified.

    Args:
        onModified: called as ``onModified(caller, event)`` when the volume has been modified.
        onAnother: called with the volume, or None, when another one than before is chosen.
    """

    def __init__(self, onModified: Callable[[Any, Any], None], onAnother: Callable[[Any], None]) -> None:
        self._onModified, self._onAnother = onModified, onAnother
        self._volume, self._tag = None, 0
        self._id: str | None = ""

    def follow(self, volume) -> None:
        """Follow a volume node, or None; the same one as before changes nothing."""
        if volume is self._volume:
            return
        self.release()
        if volume is not None:
            # Observed because a volume can be in the scene before it has voxels. VTKObservationMixin would keep a
            # reference to the node, and its voxels, after the observer is removed.
            self._tag = volume.AddObserver(vtk.vtkCommand.ModifiedEvent, weakly(self._modified))
        self._volume = volume
        chosen = volume.GetID() if volume is not None else None
        if chosen != self._id:  # else the panel was only closed in between
            self._id = chosen
            self._onAnother(volume)

    def _modified(self, caller: Any, event: Any) -> None:
        self._onModified(caller, event)

    def release(self) -> None:
        """Stop observing the volume, so that its voxels can be freed; it is remembered as the one that was chosen."""
        if self._volume is not None:
            self._volume.RemoveObserver(self._tag)
        self._volume = None

    def clear(self) -> None:
        """Reset the chosen volume, because in another scene another volume may have its ID."""
        self.release()
        self._id = ""
