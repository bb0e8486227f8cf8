"""Synthesis of a volume node: request, worker, result node."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.display import applyCustomaryDisplay
from MedSynthLib.job import State, WorkerJob

MODALITY_NAMES = {"PT": "PET", "CT": "CT", "MR": "MR"}


class SynthesisJob:
    """Makes a synthetic volume from a volume node in a worker process.

    Args:
        inputVolume: scalar volume node.
        outputVolume: volume node to overwrite, or None for a new one.
        model: name of a model in the library, or the path of a model package.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        batchSize: slices computed at once; None lets the worker choose.
        onFinished: called once as ``onFinished(outputVolume, error)``; one of the two is None.
        onProgress: called as ``onProgress(fraction, message)``.
        onLog: called as ``onLog(message)``.

    Raises:
        MedSynthError: nodes that cannot be used. Nothing has been started then.
    """

    def __init__(
        self,
        inputVolume,
        outputVolume,
        model: str,
        device: str,
        batchSize: int | None,
        onFinished: Callable[[Any, Exception | None], None],
        onProgress: Callable[[float, str], None],
        onLog: Callable[[str], None],
    ) -> None:
        voxels = bridge.voxelsOf(inputVolume)
        if outputVolume is inputVolume:
            raise MedSynthError(_("The output volume must be another one than the input volume."))
        self._input, self._output, self._onFinished = inputVolume, outputVolume, onFinished
        self._geometry = bridge.geometryOf(inputVolume)
        # Only this user can read a folder that mkdtemp makes.
        self._folder = Path(tempfile.mkdtemp(prefix="MedSynth-", dir=slicer.app.temporaryPath))
        request = {
            "job": "synthesize",
            "input": {
                "voxels": str(self._folder / "input.npy"),
                "ijk_to_ras": self._geometry.asLists(),
                "modality": bridge.modalityOf(inputVolume),
                "unit": bridge.unitOf(inputVolume),
            },
            "output": str(self._folder / "output.npy"),
            "model": model,
            "device": device,
            "batch_size": batchSize,
        }
        try:
            np.save(request["input"]["voxels"], voxels)
            self._job = WorkerJob(request, self._finish, onProgress, onLog, self._folder)
        except OSError as problem:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise MedSynthError(
                _("The volume could not be handed to the worker process: {reason}.").format(reason=problem),
                kind="output",
            ) from problem

    @property
    def state(self) -> State:
        """What the job is doing."""
        return self._job.state

    @property
    def workerPid(self) -> int:
        """Number of the worker process."""
        return self._job.workerPid

    def cancel(self) -> None:
        """Ask the worker to stop; a worker that does not is killed."""
        self._job.cancel()

    def abort(self) -> None:
        """Stop at once."""
        self._job.abort()

    def wait(self) -> None:
        """Return when the job has finished and its worker is gone."""
        self._job.wait()

    def _finish(self, done: dict[str, Any] | None, error: Exception | None) -> None:
        node = None
        try:
            if done is not None:
                node = self._makeOutput(done)
        except (MedSynthError, OSError, ValueError) as problem:
            error = problem
        self._onFinished(node, error)

    def _makeOutput(self, done: dict[str, Any]):
        if not slicer.mrmlScene.IsNodePresent(self._input):
            raise MedSynthError(_("The input volume was removed meanwhile, so the result was discarded."))
        voxels = np.load(done["output"], allow_pickle=False)
        if voxels.shape != self._geometry.shape:
            raise MedSynthError(
                _("The result has the shape {found} instead of {expected}; the model does not work.").format(
                    found=voxels.shape, expected=self._geometry.shape
                )
            )
        node = self._output
        if node is not None and slicer.mrmlScene.IsNodePresent(node):
            bridge.fillResultVolume(node, self._input, self._geometry, voxels)
        else:
            node = bridge.addResultVolume(self._input, self._geometry, voxels, self._baseName(done))
        bridge.setUnit(node, done["unit"])
        bridge.setProvenance(node, self._input, done["metadata"])
        applyCustomaryDisplay(node, done["unit"])
        return node

    def _baseName(self, done: dict[str, Any]) -> str:
        modality = MODALITY_NAMES.get(done["modality"], done["modality"])
        return _("{input} synthetic {modality}").format(input=self._input.GetName(), modality=modality)
