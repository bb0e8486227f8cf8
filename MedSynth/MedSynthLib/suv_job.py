"""Conversion of a PET volume node to SUVbw with the tags of the DICOM series that it was loaded from."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib import dicom_bridge as dicom
from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.display import applyCustomaryDisplay
from MedSynthLib.job import VolumeJob, handed


class SuvJob(VolumeJob):
    """Makes a volume node in SUVbw beside a PET node, in a worker process; the PET node is not changed.

    If the DICOM tags do not allow it, the reason is kept on the node and shown for models that need SUVbw.

    Args:
        volumeNode: scalar volume that was loaded from DICOM.
        onFinished: called once as ``onFinished(suvVolume, error)``; one of the two is None.
        onProgress: called as ``onProgress(fraction, message)``.
        onLog: called as ``onLog(message)``, also with the weight, dose and times used.

    Raises:
        MedSynthError: the node cannot be used, or its files are not known. Nothing has been started then.
    """

    def __init__(
        self,
        volumeNode,
        onFinished: Callable[[Any, Exception | None], None],
        onProgress: Callable[[float, str], None],
        onLog: Callable[[str], None],
    ) -> None:
        volume, files = bridge.coreVolume(volumeNode), dicom.filesOf(volumeNode)
        if volume.unit == "SUVbw":
            raise MedSynthError(_("The volume {name} is in SUVbw already.").format(name=volumeNode.GetName()))
        if dicom.isConverted(volumeNode, volume.unit):
            raise MedSynthError(
                _(
                    "The volume {name} is in {unit}, but its DICOM series is in {own}, so that the SUV factor of the "
                    "series does not apply to it; convert the volume that was loaded from the series."
                ).format(name=volumeNode.GetName(), unit=volume.unit, own=dicom.unitOf(volumeNode))
            )
        self._input, self._geometry = volumeNode, bridge.geometryOf(volumeNode)
        self._state = bridge.stateOf(volumeNode)

        def request(folder: Path) -> dict[str, Any]:
            return {
                "job": "convert_to_suv",
                "input": handed(volume, folder / "input.npy"),
                "files": [str(file) for file in files],
                "output": str(folder / "output.npy"),
            }

        def finish(suvVolume, error: Exception | None) -> None:
            provenance.rememberRefusal(volumeNode, error)
            onFinished(suvVolume, error)

        super().__init__(request, finish, onProgress=onProgress, onLog=onLog, resultOf=self._makeVolume)

    def _release(self) -> None:
        super()._release()
        del self._input

    def _makeVolume(self, done: dict[str, Any]):
        if not slicer.mrmlScene.IsNodePresent(self._input):
            raise MedSynthError(_("The volume was removed in the meantime, so the result was discarded."))
        doubt = bridge.doubtAboutInput(self._input, self._state)
        if doubt:
            self._onLog(doubt)
        name = _("{name} SUVbw").format(name=self._input.GetName())
        voxels = np.load(done["output"], allow_pickle=False)
        node = bridge.addResultVolume(self._input, self._geometry, voxels, name)
        # As Slicer's own reader of PET in SUV does: it is the same series in another unit.
        try:
            node.SetAttribute(dicom.INSTANCE_UIDS, self._input.GetAttribute(dicom.INSTANCE_UIDS))
            node.SetAttribute("MedSynth.Suv", json.dumps(done["metadata"]["suv"]))
            bridge.setUnit(node, done["unit"])
            applyCustomaryDisplay(node, done["unit"])
        except BaseException:
            bridge.removeVolume(node)
            raise
        _countWarnings(done["metadata"]["suv"])
        return node


def _countWarnings(suv: dict[str, Any]) -> None:
    """Tell a script that there are warnings; they may state the patient's weight, which no log file should hold."""
    count = len(suv.get("warnings", ()))
    if count:
        logging.warning(
            "MedSynth: warnings about the conversion to SUVbw: %d; see the attribute MedSynth.Suv of the result.", count
        )
