"""``failures.csv``: the studies of a batch that failed, and why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medsynth_core.errors import MedSynthError
from medsynth_core.io.folder_lock import lock_of
from medsynth_core.io.table import read_rows, write_rows

FAILURES = "failures.csv"
# Several processes may work on parts of one batch.
LOCK = "failures.lock"
_PATIENCE_S = 60.0
# Seconds between two updates of the file, which is written as a whole.
_EVERY_S = 2.0


class FailureList:
    """The list of failures in a folder, without those studies that have succeeded since.

    Args:
        folder: folder of the results.
        new: whether what is listed there is forgotten, because all studies are worked on again.
    """

    def __init__(self, folder: Path, *, new: bool = False) -> None:
        self._path, self._lock = folder / FAILURES, lock_of(folder / LOCK, _PATIENCE_S)
        if new:
            self._path.unlink(missing_ok=True)
        self._changed: dict[str, str] = {}
        self._written = 0.0

    def add(self, study: str, message: str) -> None:
        """Note that a study failed, or succeeded (no message)."""
        self._changed[study] = message
        if message and time.monotonic() - self._written > _EVERY_S:
            # Somebody may look at it in a program that locks it; the next time will do.
            with suppress(MedSynthError):
                self.write()

    def write(self) -> list[str]:
        """Bring the file up to date; without a failure there is none. Return the studies on the list.

        Raises:
            MedSynthError: it cannot be read or written.
        """
        with self._locked():
            listed = self._listed()
            for study, message in self._changed.items():
                listed.pop(study, None)
                if message:
                    listed[study] = message
            if listed:
                write_rows([{"case": study, "message": message} for study, message in listed.items()], self._path)
            else:
                self._path.unlink(missing_ok=True)
        self._changed.clear()
        return list(listed)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        from filelock import Timeout

        self._written = time.monotonic()
        try:
            with self._lock:
                yield
        except (Timeout, OSError) as error:
            raise MedSynthError(
                f"{self._path} cannot be written, because another program uses it; close it and run the batch again.",
                kind="output",
            ) from error

    def _listed(self) -> dict[str, str]:
        if not self._path.is_file():
            return {}
        try:
            return {str(row["case"]): str(row["message"]) for row in read_rows(self._path, ",;\t", "case")}
        except (ValueError, KeyError) as error:
            raise MedSynthError(
                f"{self._path} is not the list of failures of a batch; move it, or choose another folder.",
                kind="output",
            ) from error
