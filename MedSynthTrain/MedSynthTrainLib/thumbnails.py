"""Small pictures of image files, made one after the other in a thread and kept as files."""

import hashlib
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import qt

from medsynth_core.errors import MedSynthError

SIDE = 48
POLL_INTERVAL_MS = 100
# Window of a CT in HU; of other images, the percentiles that become black and white.
CT_WINDOW = (-160.0, 240.0)
PERCENTILES = (1.0, 99.0)


class Thumbnails:
    """Makes pictures of the middle slices of image files; reading a whole image takes seconds, so nothing waits.

    Args:
        folder: where they are kept.
        onMade: called as ``onMade(file)`` in the main thread when the picture of an image file is there.
    """

    def __init__(self, folder: Path, onMade: Callable[[Path], None]) -> None:
        self._folder, self._onMade = folder, onMade
        self._wanted: queue.Queue[tuple[Path, Path] | None] = queue.Queue()
        self._made: queue.Queue[Path] = queue.Queue()
        self._asked: set[Path] = set()
        self._waiting = 0
        self._thread: threading.Thread | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_INTERVAL_MS)
        self._timer.connect("timeout()", self._poll)

    def get(self, file: Path) -> Path | None:
        """Return the picture of an image file, None while it is being made or when it cannot be."""
        try:
            state = file.stat()
        except OSError:
            return None
        key = hashlib.sha256(f"{file}{state.st_mtime_ns}{state.st_size}".encode()).hexdigest()[:16]
        picture = self._folder / f"{key}.pgm"
        if picture.is_file():
            return picture
        if picture not in self._asked:
            self._asked.add(picture)
            self._ask(file, picture)
        return None

    def close(self) -> None:
        """Make no more pictures."""
        self._timer.stop()
        self._wanted.put(None)

    def _ask(self, file: Path, picture: Path) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._make, daemon=True)
            self._thread.start()
        self._wanted.put((file, picture))
        self._waiting += 1
        self._timer.start()

    def _make(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            file, picture = wanted
            # The check of the data set tells what is wrong with a file; here it has no picture.
            with suppress(MedSynthError, OSError, ValueError):
                writeThumbnail(file, picture)
            self._made.put(file)

    def _poll(self) -> None:
        while True:
            try:
                file = self._made.get_nowait()
            except queue.Empty:
                return
            self._waiting -= 1
            if not self._waiting:
                self._timer.stop()
            self._onMade(file)


def writeThumbnail(file: Path, picture: Path) -> None:
    """Write the picture of an image file as PGM, which Qt reads.

    Raises:
        MedSynthError: the image cannot be read, or the picture not be written.
    """
    from medsynth_core.io.atomic import atomic_write
    from medsynth_core.io.reading import read_volume

    volume = read_volume(file)
    pixels = thumbnail(volume.voxels, volume.ijk_to_ras)
    picture.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(picture) as temporary:
        temporary.write_bytes(b"P5 %d %d 255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes())


def thumbnail(voxels: np.ndarray, ijkToRAS: np.ndarray) -> np.ndarray:
    """Return the middle axial slice as readers of images see it: uint8 (row, column), at most `SIDE` pixels a side.

    Args:
        voxels: (k, j, i).
        ijkToRAS: 4×4 matrix from (i, j, k) to RAS millimetres.
    """
    directions = ijkToRAS[:3, :3]
    # For each of R, A and S the voxel axis (0 for i) that runs along it most.
    across, along, up = _axes(directions)
    plane = np.moveaxis(voxels, (2 - up, 2 - along, 2 - across), (0, 1, 2))[voxels.shape[2 - up] // 2]
    if directions[0, across] > 0:
        plane = plane[:, ::-1]  # the patient's right is at the left
    if directions[1, along] > 0:
        plane = plane[::-1]  # the front is at the top
    spacing = np.linalg.norm(directions, axis=0)
    size = np.array([plane.shape[0] * spacing[along], plane.shape[1] * spacing[across]])
    rows, columns = np.maximum(np.round(SIDE * size / size.max()), 1).astype(int)
    picked = plane[np.ix_(_spread(plane.shape[0], rows), _spread(plane.shape[1], columns))].astype(np.float32)
    low, high = CT_WINDOW if picked.min() < -500 else np.percentile(picked, PERCENTILES)
    return (np.clip((picked - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)


def _axes(directions: np.ndarray) -> list[int]:
    free, found = [0, 1, 2], [0, 0, 0]
    for patientAxis in (2, 1, 0):
        found[patientAxis] = max(free, key=lambda axis: abs(directions[patientAxis, axis]))
        free.remove(found[patientAxis])
    return found


def _spread(count: int, picked: int) -> np.ndarray:
    return ((np.arange(picked) + 0.5) * count / picked).astype(int)
