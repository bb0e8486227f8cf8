"""Export of a synthetic volume node as a derived DICOM series."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import check_free, make_folder
from medsynth_core.io.temporary import temporary_name
from MedSynthLib import dicom_bridge as dicom
from MedSynthLib import provenance
from MedSynthLib import volume_bridge as bridge
from MedSynthLib.job import VolumeJob, handed, removedOnFailure

TEXTS = ("model", "model_version", "weights_sha256", "input_modality")
SERIES = "series"


class ExportJob(VolumeJob):
    """Writes a synthetic volume node as a DICOM series in a worker process; after an error there are no files.

    The series has the position of the node's own matrix, which is that of the DICOM series it was made from: parent
    transforms are not applied.

    Args:
        volumeNode: a result of MedSynth.
        folder: folder for the files; it must not exist yet, or be empty.
        reference: folder or file of the DICOM series that it was made from, or of another one of the same patient in
            the same space; None for the series in Slicer's DICOM database that its input was loaded from.
        onFinished: called once as ``onFinished(folder, error)``; one of the two is None.
        onProgress: called as ``onProgress(fraction, message)``.
        onLog: called as ``onLog(message)``.

    Raises:
        MedSynthError: the node is not a result of MedSynth, its series is not known, or the folder cannot be used.
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
        facts: dict[str, Any] = {key: provenance.textOf(volumeNode, key) for key in TEXTS}
        limits = provenance.valueOf(volumeNode, "limits", list) or []
        facts["limits"] = [limit for limit in limits if isinstance(limit, str)]
        facts["source"] = {**(provenance.valueOf(volumeNode, "source", dict) or {}), **_sourceSeries(volumeNode)}
        volume = volume.replace(metadata={**volume.metadata, **facts})
        check_free(folder)
        make_folder(folder.parent)
        self._folder = folder.absolute()
        try:
            # In a temporary folder beside it, so that a worker that is killed leaves no incomplete series.
            making = self._folder.parent / temporary_name(".MedSynth-")
            making.mkdir(mode=0o700)
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
                self._folder.rmdir()  # it is empty; not every system can rename a folder to one that exists
            os.replace(made, self._folder)
            made.parent.rmdir()
        except OSError as problem:
            raise _notWritten(self._folder, problem) from problem
        return self._folder


def whyNot(volumeNode, reference: Path | None = None) -> str:
    """Return in a sentence why a volume node cannot be exported; "" if it can."""
    if volumeNode is None or not provenance.textOf(volumeNode, "model"):
        return _("Only results of MedSynth can be exported here; export other volumes with the module DICOM.")
    if reference is None and not provenance.sourceUIDs(volumeNode):
        return _(
            "The volume {name} was not made from a DICOM series, and the export needs the patient and study of one."
        ).format(name=volumeNode.GetName())
    if reference is None and _source(volumeNode) is None:
        return _(
            "The DICOM series that {name} was made from is not in Slicer's DICOM database; import it again."
        ).format(name=volumeNode.GetName())
    return ""


def _source(volumeNode) -> Path | None:
    """Return a file of the series that a node was made from; None if it is not known."""
    return next((file for uid in provenance.sourceUIDs(volumeNode)[:1] if (file := dicom.fileOf(uid))), None)


def _sourceSeries(volumeNode) -> dict[str, str]:
    """Return the UIDs of the study and series that a node was directly or indirectly made from; {} if not known."""
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
