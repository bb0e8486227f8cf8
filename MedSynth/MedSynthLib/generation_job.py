"""Generated images with lesions: request, worker, volumes in the scene."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.generated_volumes import addCases
from MedSynthLib.job import VolumeJob, handed
from MedSynthLib.lesion_labels import isLesion, lesionBeside


@dataclass(frozen=True)
class GenerationWish:
    """What is to be generated.

    Attributes:
        model: name of a generator in the library, or the path of its package.
        count: number of cases.
        slices: slices of each case from noise.
        seed: of all draws; None for a new one.
        filtered: leave out structure maps that are unlike those of the training images.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        preset: kind of image of the structure map; "" for automatic thresholds, None for the settings of the training.
        settings: values in place of those of the preset, by name.
        class_name: class of the images, for a model with classes; None for all in turn.
    """

    model: str
    count: int
    slices: int
    seed: int | None
    filtered: bool
    device: str
    preset: str | None
    settings: Mapping[str, Any]
    class_name: str | None


class GenerationJob(VolumeJob):
    """Generates images in a worker process, and puts them into folders of the subject hierarchy.

    Args:
        wish: what is to be generated.
        volumeNode: scalar volume whose structure map is drawn from; None for maps from noise.
        lesionNode: label map or segmentation of the lesion on that volume; None draws one.
        onFinished: called once as ``onFinished(cases, error)``; one of the two is None. A case is a dictionary of
            volume nodes by name.
        onProgress: called as ``onProgress(fraction, message)``.
        onLog: called as ``onLog(message)``.

    Raises:
        MedSynthError: a node cannot be used. Nothing has been started then.
    """

    def __init__(
        self,
        wish: GenerationWish,
        volumeNode,
        lesionNode,
        onFinished: Callable[[Any, Exception | None], None],
        onProgress: Callable[[float, str], None],
        onLog: Callable[[str], None],
    ) -> None:
        self._input, self._state = volumeNode, bridge.stateOf(volumeNode)
        volume = bridge.coreVolume(volumeNode) if volumeNode is not None else None
        lesion = _lesionOn(volumeNode, lesionNode) if lesionNode is not None else None

        def request(folder: Path) -> dict[str, Any]:
            return {
                "job": "generate",
                **vars(wish),
                "settings": dict(wish.settings),
                "input": handed(volume, folder / "input.npy") if volume is not None else None,
                "lesion": handed(lesion, folder / "lesion.npy") if lesion is not None else None,
                "output": str(folder / "generated"),
            }

        super().__init__(request, onFinished, onProgress=onProgress, onLog=onLog, resultOf=self._makeVolumes)

    def _release(self) -> None:
        super()._release()
        del self._input

    def _makeVolumes(self, done: dict[str, Any]) -> list[dict[str, Any]]:
        if self._input is not None:
            if not slicer.mrmlScene.IsNodePresent(self._input):
                raise MedSynthError(_("The volume was removed in the meantime, so the images were discarded."))
            doubt = bridge.doubtAboutInput(self._input, self._state)
            if doubt:
                self._onLog(doubt)
        return addCases(done, self._input)


def _lesionOn(volumeNode, lesionNode):
    """Return the lesion as a ``medsynth_core.volume.Volume``, placed relative to the volume.

    Raises:
        MedSynthError: there is no volume, or the node is of another class.
    """
    if volumeNode is None:
        raise MedSynthError(
            _("The lesion {name} belongs to a volume; choose the volume that it was drawn on as well.").format(
                name=lesionNode.GetName()
            )
        )
    if not isLesion(lesionNode):
        raise MedSynthError(
            _("{name} is neither a label map nor a segmentation; choose one as lesion.").format(
                name=lesionNode.GetName()
            )
        )
    return lesionBeside(lesionNode, volumeNode)
