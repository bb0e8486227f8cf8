"""What a folder of results says of the batch that made them (``batch.json``), and who works in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from medsynth_core.batches.part import Part
from medsynth_core.batches.settings import BatchSettings
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import left_behind
from medsynth_core.io.folder_lock import FolderLock, is_held
from medsynth_core.io.json_file import write_json
from medsynth_core.io.sidecar import json_object
from medsynth_core.models.package import Model
from medsynth_core.version import __version__

RECORD = "batch.json"


class RunRecord:
    """The record of a batch in its folder, which has the results of one model only.

    Args:
        folder: existing folder of the results.
        model: the model.
        settings: what is written.

    Raises:
        MedSynthError: the folder has results of another model, or files that are of no batch.
    """

    def __init__(self, folder: Path, model: Model, settings: BatchSettings) -> None:
        self._path = folder / RECORD
        self._facts: dict[str, Any] = {
            "model": model.name,
            "model_version": model.metadata.version,
            "model_identity": model.identity,
            "weights_sha256": model.card.weights.sha256,
            "medsynth_version": __version__,
            "notice": "Synthetic images, not for diagnosis.",
            "limits": list(model.card.limits),
            "settings": settings.to_dict(),
        }
        if self._path.exists():
            self._check(json_object(self._path))
        else:
            _check_free(folder)

    def _check(self, found: dict[str, Any]) -> None:
        if "model_identity" not in found:
            raise MedSynthError(f"{self._path} is not the record of a batch; choose another folder.", kind="output")
        if found["model_identity"] != self._facts["model_identity"]:
            named = f"'{found.get('model')}' {found.get('model_version')}"
            now = f"'{self._facts['model']}' {self._facts['model_version']}"
            what = f"made by {named}, not by {now}" if named != now else f"made by {now} before it was changed"
            raise MedSynthError(
                f"{self._path.parent} has results {what}; choose another folder, so that each has one model.",
                kind="output",
            )

    def write(self) -> None:
        """Write the record.

        Raises:
            MedSynthError: it cannot be written.
        """
        write_json(self._path, self._facts)


def _check_free(folder: Path) -> None:
    """Check that a folder has nothing of the user's, whose files could have the names of a batch's."""
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and path.suffix != ".lock":
            raise MedSynthError(
                f"{folder} already contains {path.name}, which no batch has written; choose a new or empty folder.",
                kind="output",
            )


def locked(folder: Path, part: Part) -> FolderLock:
    """Return the lock of a part of a batch, acquired.

    Raises:
        MedSynthError: another process works on this part, or on parts of another number, which have some of the same
            studies; or the folder is not writable.
    """
    which = "" if part.is_all else f"part {part.number} of {part.count} of "
    refusal = f"Another process is working on {which}the batch in {folder}; wait for it, or choose another folder."
    lock = FolderLock(folder / f"batch-{part}.lock", refusal)
    for other in sorted(folder.glob("batch-*-of-*.lock")):
        if not other.name.endswith(f"-of-{part.count}.lock") and is_held(other):
            lock.release()
            raise MedSynthError(
                f"Another process is working on the batch in {folder} in another number of parts; wait for it, or "
                "choose another folder.",
                kind="output",
            )
    return lock


def remove_unfinished(folder: Path, studies: Iterable[str]) -> None:
    """Remove the unfinished results that a killed process has left of studies, on which no other process works."""
    for path in left_behind(folder, studies):
        with suppress(OSError):
            shutil.rmtree(path)
