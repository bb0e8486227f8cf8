"""Export of a synthetic volume node as a derived DICOM series."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import check_free, make_folder
from MedSynthLib import dicom_bridge as dicom
from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.job import VolumeJob, handed, removedOnFailure

TEXTS, VALUES = ("model", "model_version", "weights_sha256", "input_modality"), ("limits", "source")
SERIES = "series"


class ExportJob(VolumeJob):
    """Writes a synthetic volume node as a DICOM series in a worker process, whole or not at all.

    It lies where its own matrix puts it, in the space of its DICOM series: a transform above the node is not applied.

    Args:
        volumeNode: a result of MedSynth.
        folder: for the files; must not exist yet, or be empty.
        reference: folder or file of the DICOM series that it was made from, or of another one of the same patient in
            the same space; None for the series by which Slicer's DICOM database knows its input.
        onFinished: called once as ``onFinished(folder, error)``; one of the two is None.
        onProgress: called as ``onProgress(fraction, message)``.
        onLog: called as ``onLog(message)``.

    Raises:
        MedSynthError: the node is no result of MedSynth, its series is not known, or the folder cannot be used.
            Nothing has been started then.
    """

    def __init__(
        self,
        volumeNode,
        folder: Path,
        reference: Path | None,
        onFinished: Callable[[Any, Exception | None], None],
        onProgress: Callable[[float, str], None],
        onLog: Callable[[str], None],
    ) -> None:
        reason = whyNot(volumeNode, reference)
        if reason:
            raise MedSynthError(reason)
        volume = bridge.coreVolume(volumeNode)
        facts = {key: provenance.textOf(volumeNode, key) for key in TEXTS}
        facts |= {key: found for key in VALUES if (found := provenance.valueOf(volumeNode, key))}
        facts["source"] = {**facts.get("source", {}), **_sourceSeries(volumeNode)}
        volume = volume.replace(metadata={**volume.metadata, **facts})
        check_free(folder)
        make_folder(folder.parent)
        self._folder = folder.absolute()
        try:
            # In a folder of its own beside the place: a worker that is killed leaves nothing there.
            making = Path(tempfile.mkdtemp(prefix=".MedSynth-", dir=self._folder.parent))
        except OSError as problem:
            raise _notWritten(folder, problem) from problem

        def request(exchanged: Path) -> dict[str, Any]:
            return {
                "job": "write_dicom",
                "input": handed(volume, exchanged / "input.npy"),
                "folder": str(making / SERIES),
                "reference": str(reference or _source(volumeNode)),
            }

        with removedOnFailure(making):
            super().__init__(
                request, onFinished, onProgress=onProgress, onLog=onLog, resultOf=self._putInPlace, made=making
            )

    def _putInPlace(self, done: dict[str, Any]) -> Path:
        made = Path(done["folder"])
        try:
            if self._folder.exists():
                self._folder.rmdir()  # it is empty, and not every system lets a folder be renamed onto another
            os.replace(made, self._folder)
            made.parent.rmdir()
        except OSError as problem:
            raise _notWritten(self._folder, problem) from problem
        return self._folder


def whyNot(volumeNode, reference: Path | None = None) -> str:
    """Return in a sentence why a volume node cannot be exported; "" if it can."""
    if volumeNode is None or not provenance.textOf(volumeNode, "model"):
        return _("Only what MedSynth has synthesized is exported; Slicer's module DICOM exports other volumes.")
    if reference is None and not provenance.sourceUIDs(volumeNode):
        return _(
            "The volume {name} was not made from a DICOM series, whose patient and study the export needs."
        ).format(name=volumeNode.GetName())
    if reference is None and _source(volumeNode) is None:
        return _(
            "The DICOM series that {name} was made from is not in Slicer's DICOM database; import it again."
        ).format(name=volumeNode.GetName())
    return ""


def _source(volumeNode) -> Path | None:
    """Return a file of the series that a node was made from."""
    return next((file for uid in provenance.sourceUIDs(volumeNode)[:1] if (file := dicom.fileOf(uid))), None)


def _sourceSeries(volumeNode) -> dict[str, str]:
    """Return the UIDs of study and series that a node was, on whatever way, made from; {} where they are not known."""
    uid = next(iter(provenance.sourceUIDs(volumeNode)), "")
    if not uid or dicom.fileOf(uid) is None:
        return {}
    tags = {"StudyInstanceUID": dicom.STUDY_UID, "SeriesInstanceUID": dicom.SERIES_UID}
    return {keyword: slicer.dicomDatabase.instanceValue(uid, tag).strip() for keyword, tag in tags.items()}


def _notWritten(folder: Path, problem: OSError) -> MedSynthError:
    return MedSynthError(
        _("{folder} cannot be written: {reason}; choose another folder.").format(
            folder=folder, reason=problem.strerror or problem
        ),
        kind="output",
    )
