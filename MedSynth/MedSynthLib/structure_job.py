"""Structure map of a volume node: request, worker, label map."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.job import VolumeJob, handed

SETTINGS = "MedSynth.StructureSettings"
LINES, BACKGROUND = 1, 2


@dataclass(frozen=True)
class StructureWish:
    """How a structure map is to be made.

    Attributes:
        preset: kind of image (``medsynth_core.structure.settings.PRESETS``); "" for automatic thresholds.
        settings: values in place of those of the preset, by name.
        lesionNode: label map of lesions, whose own edges are left out; None if there is none.
        solid: find edges in three dimensions instead of in axial slices.
    """

    preset: str
    settings: Mapping[str, Any]
    lesionNode: Any
    solid: bool


class StructureJob(VolumeJob):
    """Makes the structure map of a volume node in a worker process: a label map of its lines and its background.

    Args:
        volumeNode: scalar volume node.
        wish: how.
        onFinished: called once as ``onFinished(labelMap, error)``; one of the two is None.
        onProgress: called as ``onProgress(fraction, message)``.
        onLog: called as ``onLog(message)``.

    Raises:
        MedSynthError: a node cannot be used. Nothing has been started then.
    """

    def __init__(
        self,
        volumeNode,
        wish: StructureWish,
        onFinished: Callable[[Any, Exception | None], None],
        onProgress: Callable[[float, str], None],
        onLog: Callable[[str], None],
    ) -> None:
        volume = bridge.coreVolume(volumeNode)
        lesion = bridge.volumeBeside(wish.lesionNode, volumeNode) if wish.lesionNode is not None else None
        self._input, self._geometry = volumeNode, bridge.geometryOf(volumeNode)
        self._state = bridge.stateOf(volumeNode)

        def request(folder: Path) -> dict[str, Any]:
            return {
                "job": "extract_structure",
                "input": handed(volume, folder / "input.npy"),
                "lesion": handed(lesion, folder / "lesion.npy") if lesion is not None else None,
                "output": str(folder / "output.npy"),
                "preset": wish.preset,
                "settings": dict(wish.settings),
                "solid": wish.solid,
            }

        super().__init__(request, onFinished, onProgress=onProgress, onLog=onLog, resultOf=self._makeLabelMap)

    def _release(self) -> None:
        super()._release()
        del self._input

    def _makeLabelMap(self, done: dict[str, Any]):
        if not slicer.mrmlScene.IsNodePresent(self._input):
            raise MedSynthError(_("The volume was removed in the meantime, so the result was discarded."))
        doubt = bridge.doubtAboutInput(self._input, self._state)
        if doubt:
            self._onLog(doubt)
        name = _("{name} structure").format(name=self._input.GetName())
        labels = np.load(done["output"], allow_pickle=False)
        node = bridge.addResultVolume(self._input, self._geometry, labels, name, "vtkMRMLLabelMapVolumeNode")
        node.SetAttribute(SETTINGS, json.dumps(done["settings"]))
        if provenance.isSynthetic(self._input):
            node.SetAttribute(provenance.SYNTHETIC, "true")
        return node
