"""The frames of a sequence, such as a dynamic PET: one synthesis each, and a sequence of the results."""

from collections.abc import Callable
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
from MedSynthLib.job_series import Outcome
from MedSynthLib.result_name import baseName

SEQUENCE = "vtkMRMLSequenceNode"


@dataclass(frozen=True, eq=False)
class Frame:
    """The result of one frame.

    Attributes:
        index: value of the frame's index in the sequence, such as its time.
        node: volume node that is in no scene.
        modality, unit: of the result.
    """

    index: str
    node: Any
    modality: str
    unit: str


class FrameJob(VolumeJob):
    """Makes a synthetic volume of one frame in a worker process; its result is a `Frame`.

    Args:
        frame: its index value, and its volume node.
        model: name of a model in the library, or the path of a model package.
        settings: ``device`` and ``batch_size`` of the request to the worker.
        onFinished, onProgress, onLog: as for `WorkerJob`.

    Raises:
        MedSynthError: the frame is not a scalar volume.
    """

    def __init__(
        self,
        frame: tuple[str, Any],
        model: str,
        settings: dict[str, Any],
        onFinished: Callable[[Any, Exception | None], None],
        onProgress: Callable[[float, str], None],
        onLog: Callable[[str], None],
    ) -> None:
        self._index, self._frame = frame
        volume = bridge.coreVolume(self._frame)
        self._geometry = bridge.geometryOf(self._frame)

        def request(folder: Path) -> dict[str, Any]:
            return {
                "job": "synthesize",
                "input": handed(volume, folder / "input.npy"),
                "output": str(folder / "output.npy"),
                "model": model,
                **settings,
            }

        super().__init__(request, onFinished, onProgress=onProgress, onLog=onLog, resultOf=self._makeFrame)

    def _release(self) -> None:
        super()._release()
        del self._frame

    def _makeFrame(self, done: dict[str, Any]) -> Frame:
        # The frame is in no scene but that of its sequence, to whose nodes those of the scene cannot refer.
        node = slicer.vtkMRMLScalarVolumeNode()
        node.SetName(baseName(self._frame.GetName(), done["modality"]))
        slicer.util.updateVolumeFromArray(node, np.load(done["output"], allow_pickle=False))
        node.SetIJKToRASMatrix(self._geometry.ijkToRAS)
        provenance.setProvenance(node, None, done["metadata"])
        provenance.setSource(node, self._frame)
        return Frame(self._index, node, done["modality"], done["unit"])


def framesOf(sequenceNode) -> dict[str, tuple[str, Any]]:
    """Return the index value and the node of each frame of a sequence by a name.

    Raises:
        MedSynthError: the node is not a sequence of volumes.
    """
    if sequenceNode is None or not sequenceNode.IsA(SEQUENCE):
        raise MedSynthError(_("Choose a sequence of volumes."))
    count = sequenceNode.GetNumberOfDataNodes()
    if not count:
        raise MedSynthError(_("The sequence {name} has no frames.").format(name=sequenceNode.GetName()))
    if not sequenceNode.GetNthDataNode(0).IsA("vtkMRMLScalarVolumeNode"):
        raise MedSynthError(
            _("The sequence {name} does not consist of volumes; choose another one.").format(
                name=sequenceNode.GetName()
            )
        )
    frame = _("Frame {number}")
    return {
        frame.format(number=number + 1): (sequenceNode.GetNthIndexValue(number), sequenceNode.GetNthDataNode(number))
        for number in range(count)
    }


def sequenceOf(sequenceNode, outcome: Outcome):
    """Add a sequence of the results with the index of the sequence that they were made from, and return its node.

    It lies beside that sequence, and is shown together with it where a sequence browser shows that one.

    Raises:
        MedSynthError: there is no result, or the sequence has been removed from the scene.
    """
    if not outcome.made:
        raise MedSynthError(next(iter(outcome.failed.values())))
    if not slicer.mrmlScene.IsNodePresent(sequenceNode):
        raise MedSynthError(_("The sequence was removed in the meantime, so the results were discarded."))
    frames = list(outcome.made.values())
    name = baseName(sequenceNode.GetName(), frames[0].modality)
    made = slicer.mrmlScene.AddNewNodeByClass(SEQUENCE, slicer.mrmlScene.GenerateUniqueName(name))
    made.SetIndexName(sequenceNode.GetIndexName())
    made.SetIndexUnit(sequenceNode.GetIndexUnit())
    made.SetIndexType(sequenceNode.GetIndexType())
    made.SetNumericIndexValueTolerance(sequenceNode.GetNumericIndexValueTolerance())
    for frame in frames:
        # A copy, which lacks quantity and unit; that which a sequence browser shows has only the attribute.
        copied = made.SetDataNodeAtValue(frame.node, frame.index)
        bridge.setUnit(copied, frame.unit)
        copied.SetAttribute(bridge.UNIT_ATTRIBUTE, bridge.UNITS[frame.unit][0] if frame.unit in bridge.UNITS else None)
    made.SetAttribute(provenance.SYNTHETIC, "true")
    bridge.placeBeside(made, sequenceNode)
    for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode"):
        if browser.IsSynchronizedSequenceNode(sequenceNode, True):
            _show(made, browser, sequenceNode)
    return made


def _show(made, browser, sequenceNode) -> None:
    """Show a sequence of results in the browser of the sequence that they were made from."""
    browser.AddSynchronizedSequenceNode(made)
    # By default it would show the result of another frame where one is missing.
    browser.SetMissingItemMode(made, browser.MissingItemSetToDefault)
    module = getattr(slicer.modules, "sequences", None)
    if module is not None:  # it makes the node that is shown, at the latest now
        module.logic().UpdateProxyNodesFromSequences(browser)
    shown, given = browser.GetProxyNode(made), browser.GetProxyNode(sequenceNode)
    if shown is not None and given is not None:
        shown.SetAndObserveTransformNodeID(given.GetTransformNodeID())
