"""Event log of a training run, written to its folder so that other processes can follow it.

torch writes the TensorBoard files. ``events.jsonl`` and ``metrics.csv`` are written here as well, because Slicer
follows a training without TensorBoard or torch.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth_core.io.table import write_rows

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

EVENTS = "events.jsonl"
METRICS = "metrics.csv"
TENSORBOARD = "tensorboard"
# Prefixes of validation scores; ``coarse`` is used while only one part of the generator is trained.
VALIDATED = ("val", "coarse")
# Minimum seconds between two progress events.
INTERVAL = 1.0


class Journal:
    """Writes ``events.jsonl`` (one JSON object per line), ``metrics.csv`` (one row per epoch) and TensorBoard files.

    TensorBoard files are written only if the package ``tensorboard`` is installed.

    Args:
        folder: run folder.
        epochs_done: epochs logged by an earlier process; TensorBoard discards anything after them.
    """

    def __init__(self, folder: Path, epochs_done: int = 0) -> None:
        self._folder = folder
        self._last_progress = 0.0
        self._board = _board(folder / TENSORBOARD, epochs_done)

    def event(self, event: str, **content: Any) -> None:
        """Append a line to ``events.jsonl``."""
        append_event(self._folder, event, **content)

    def progress(self, fraction: float, message: str, epoch: int, seconds_left: float | None) -> None:
        """Log the progress of the training, at most once per second."""
        if time.monotonic() - self._last_progress >= INTERVAL:
            self._last_progress = time.monotonic()
            self.event("progress", progress=fraction, message=message, epoch=epoch, seconds_left=seconds_left)

    def epoch(self, rows: list[dict[str, float]]) -> None:
        """Log the latest epoch, the last of ``rows``."""
        write_rows(rows, self._folder / METRICS)
        row = rows[-1]
        step = int(row["epoch"])
        for key, value in row.items():
            if key == "epoch":
                continue
            split = next((split for split in VALIDATED if key.startswith(f"{split}_")), "train")
            name = key.removeprefix(f"{split}_")
            self.event("metric", name=name, step=step, value=value, split=split)
            if self._board is not None:
                with suppress(OSError):
                    self._board.add_scalar(f"{name}/{split}", value, step)

    def close(self) -> None:
        """Flush and close the TensorBoard files."""
        if self._board is not None:
            # On a full disk only they are lost; the checkpoint reports it.
            with suppress(OSError):
                self._board.close()


def append_event(folder: Path, event: str, **content: Any) -> None:
    """Append an event to the log of the run in ``folder``; if the disk is full, only this line is lost."""
    try:
        with (folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, "time": time.time(), **content}) + "\n")
    except OSError:
        # Only checkpoints must not be lost, and writing one reports the full disk.
        return


def _board(folder: Path, epochs_done: int) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=epochs_done + 1 if epochs_done else None)
