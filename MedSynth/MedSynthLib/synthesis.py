"""Synthesis from a volume node: request, worker, result node."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.difference_volume import DIFFERENCE, differenceOf, showDifference
from MedSynthLib.display import applyCustomaryDisplay, resetDisplay
from MedSynthLib.job import VolumeJob, handed
from MedSynthLib.linked_volumes import becomeResult, removeCompanion
from MedSynthLib.result_name import baseName, rename
from MedSynthLib.uncertainty_volume import UNCERTAINTY, showUncertainty, uncertaintyOf


class SynthesisJob(VolumeJob):
    """Makes a synthetic volume from a volume node in a worker process.

    Args:
        inputVolume: scalar volume node.
        outputVolume: volume node to overwrite, or None for a new one.
        model: name of a model in the library, or the path of a model package.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        batchSize: slices computed at once; None lets the worker choose.
        difference: also make the volume output − input, if both have the same modality and unit.
        uncertainty: also make the volume of the usual error at each value.
        onFinished: called once as ``onFinished(outputVolume, error)``; one of the two is None.
        onProgress: called as ``onProgress(fraction, message)``.
        onLog: called as ``onLog(message)``.
        furtherInputs: volume nodes for the other inputs of the model by role.

    Raises:
        MedSynthError: a node cannot be used. Nothing has been started then.
    """

    def __init__(
        self,
        inputVolume,
        outputVolume,
        model: str,
        device: str,
        batchSize: int | None,
        difference: bool,
        uncertainty: bool,
        onFinished: Callable[[Any, Exception | None], None],
        onProgress: Callable[[float, str], None],
        onLog: Callable[[str], None],
        furtherInputs: Mapping[str, Any] | None = None,
    ) -> None:
        volume = bridge.coreVolume(inputVolume)
        self._further = dict(furtherInputs or {})
        others = {role: bridge.volumeBeside(node, inputVolume) for role, node in self._further.items()}
        if outputVolume is not None:
            _checkOutput(outputVolume, (inputVolume, *self._further.values()))
        self._input, self._output, self._difference = inputVolume, outputVolume, difference
        self._onLog = onLog
        self._geometry = bridge.geometryOf(inputVolume)
        self._states = [(node, bridge.stateOf(node)) for node in (inputVolume, *self._further.values())]

        def request(folder: Path) -> dict[str, Any]:
            self._given = folder / "input.npy"
            return {
                "job": "synthesize",
                "input": handed(volume, self._given),
                "inputs": {
                    role: handed(other, folder / f"input-{number}.npy")
                    for number, (role, other) in enumerate(others.items(), start=2)
                },
                "output": str(folder / "output.npy"),
                "uncertainty": str(folder / "uncertainty.npy") if uncertainty else None,
                "model": model,
                "device": device,
                "batch_size": batchSize,
            }

        super().__init__(request, onFinished, onProgress=onProgress, onLog=onLog, resultOf=self._makeOutput)

    def _release(self) -> None:
        super()._release()
        del self._input, self._output, self._further, self._states

    def _makeOutput(self, done: dict[str, Any]):
        if not slicer.mrmlScene.IsNodePresent(self._input):
            raise MedSynthError(_("The input volume was removed in the meantime, so the result was discarded."))
        for node, state in self._states:
            doubt = bridge.doubtAboutInput(node, state)
            if doubt:
                self._onLog(doubt)
        voxels = self._loaded(done["output"])
        errors = self._loaded(done["uncertainty"]) if done["uncertainty"] else None
        node = self._output
        if node is not None and slicer.mrmlScene.IsNodePresent(node):
            bridge.fillResultVolume(node, self._input, self._geometry, voxels)
            self._complete(node, done, errors)
            return node
        node = bridge.addResultVolume(self._input, self._geometry, voxels, self._baseName(done))
        try:
            self._complete(node, done, errors)
        except BaseException:
            for role in (DIFFERENCE, UNCERTAINTY):
                removeCompanion(node, role)
            bridge.removeVolume(node)
            raise
        return node

    def _complete(self, node, done: dict[str, Any], errors: "np.ndarray | None") -> None:
        """Set unit, provenance and display of a result, and create or remove the volumes that belong to it."""
        becomeResult(node)
        rename(node, self._baseName(done), [differenceOf(node), uncertaintyOf(node)])
        if provenance.textOf(node, "model") != done["metadata"]["model"]:
            resetDisplay(node)
        bridge.setUnit(node, done["unit"])
        provenance.setProvenance(node, self._input, done["metadata"], self._further)
        applyCustomaryDisplay(node, done["unit"])
        self._compare(node, done)
        if errors is not None:
            showUncertainty(self._input, node, errors, done["unit"], done["metadata"])
        else:
            self._removeStale(node, UNCERTAINTY)

    def _loaded(self, file: str) -> np.ndarray:
        voxels = np.load(file, allow_pickle=False)
        if voxels.shape != self._geometry.shape:
            raise MedSynthError(
                _("The result has the shape {found} instead of {expected}; the model is not usable.").format(
                    found=voxels.shape, expected=self._geometry.shape
                )
            )
        return voxels

    def _compare(self, node, done: dict[str, Any]) -> None:
        """Make the difference if it is wanted, or if there is one of an earlier result to replace."""
        facts = done["metadata"]
        alike = (facts["input_modality"], facts["input_unit"]) == (done["modality"], done["unit"])
        if alike and (self._difference or differenceOf(node) is not None):
            showDifference(self._input, node, np.load(self._given, allow_pickle=False), done["unit"])
            return
        self._removeStale(node, DIFFERENCE)
        if self._difference:
            self._onLog(
                _("No difference was made: {input} and its result have different modalities or units.").format(
                    input=self._input.GetName()
                )
            )

    def _removeStale(self, node, role: str) -> None:
        """Remove a volume of the earlier result in the node, which would be taken for that of the new one."""
        removed = removeCompanion(node, role)
        if removed:
            self._onLog(
                _("{removed} was removed: it belonged to the earlier result in {output}.").format(
                    removed=removed, output=node.GetName()
                )
            )

    def _baseName(self, done: dict[str, Any]) -> str:
        return baseName(self._input.GetName(), done["modality"])


def _checkOutput(outputVolume, inputs: tuple) -> None:
    """Check that a result can be written to a volume node.

    Raises:
        MedSynthError: it is one of the inputs, or not a scalar volume.
    """
    if any(outputVolume is node for node in inputs):
        raise MedSynthError(_("Input and output must be different volumes."))
    if not bridge.isPlain(outputVolume):
        raise MedSynthError(
            _(
                "The volume {name} cannot be overwritten by a result, because it is not a plain scalar volume "
                "({kind}); choose another output volume, or none."
            ).format(name=outputVolume.GetName(), kind=outputVolume.GetNodeTagName())
        )
