"""Thumbnails of image files, made by a worker process and kept as files."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from MedSynthLib.connections import Timer
from MedSynthLib.job import WorkerJob

from MedSynthTrainLib.thumbnail_files import pictureOf

# What is asked for within this time is made by one process.
GATHER_MS = 200


class Thumbnails:
    """Makes thumbnails of image files without blocking the window: reading a whole image takes seconds.

    A thread would not do, because it hardly gets a turn while Slicer's event loop idles.

    Args:
        folder: where they are kept.
        onMade: called when another thumbnail has been made.
        onEnd: called when all have been made that were asked for together, or no more will be.
    """

    def __init__(self, folder: Path, onMade: Callable[[], None], onEnd: Callable[[], None] = lambda: None) -> None:
        self._folder, self._onMade, self._onEnd = folder, onMade, onEnd
        # Also what cannot be made: the check of the data set says what is wrong with a damaged file.
        self._asked: set[Path] = set()
        self._waiting: dict[Path, Path] = {}
        self._job: WorkerJob | None = None
        self._closed = False
        self._gathering = Timer(self._start, GATHER_MS, once=True)

    def get(self, file: Path) -> Path | None:
        """Return the thumbnail of an image file; None while it is being made, or if it cannot be made."""
        picture = pictureOf(self._folder, file)
        if picture is None:
            return None
        if os.path.isfile(picture):
            self._asked.discard(picture)  # it may be removed with its case, and the case added again
            return picture
        if picture not in self._asked:
            self._asked.add(picture)
            self._waiting[file] = picture
            self._gathering.start()
        return None

    def close(self) -> None:
        """Make no more thumbnails."""
        self._closed = True
        self._gathering.close()
        self._waiting.clear()
        if self._job is not None:
            self._job.abort()
            self._onEnd()
            self._job = None

    def _start(self) -> None:
        if self._job is not None or not self._waiting:  # what has been asked for meanwhile follows after the job
            return
        wanted = [{"file": str(file), "picture": str(picture)} for file, picture in self._waiting.items()]
        self._waiting.clear()
        try:
            self._job = WorkerJob({"job": "thumbnails", "images": wanted}, self._onFinished, self._onProgress)
        except OSError as problem:
            logging.warning("MedSynth: no thumbnails are made: %s", problem)

    def _onProgress(self, _fraction: float, _message: str) -> None:
        if not self._closed:
            self._onMade()

    def _onFinished(self, _done: dict[str, Any] | None, error: Exception | None) -> None:
        if self._closed:
            return
        if error is not None:
            logging.warning("MedSynth: not all thumbnails were made: %s", error)
        self._job = None
        self._onEnd()
        self._onMade()
        if self._waiting:
            self._gathering.start()
