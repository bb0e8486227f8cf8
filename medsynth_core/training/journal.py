"""What a training tells while it runs, in files of its folder, so that anybody may watch it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medsynth_core.io.table import write_rows

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

EVENTS = "events.jsonl"
METRICS = "metrics.csv"
TENSORBOARD = "tensorboard"
# With which the names of validation scores begin; ``coarse`` while a part of the generator learns alone.
VALIDATED = ("val", "coarse")
# Seconds between two events of progress.
INTERVAL = 1.0


class Journal:
    """Writes ``events.jsonl`` (a JSON object a line), ``metrics.csv`` (a row an epoch) and TensorBoard's files.

    TensorBoard's only if its package is installed.

    Args:
        folder: of the run.
        epochs_done: epochs that an earlier process has logged; TensorBoard forgets what came after them.
    """

    def __init__(self, folder: Path, epochs_done: int = 0) -> None:
        self._folder = folder
        self._last_progress = 0.0
        self._board = _board(folder / TENSORBOARD, epochs_done)

    def event(self, event: str, **content: Any) -> None:
        """Add a line to ``events.jsonl``."""
        append_event(self._folder, event, **content)

    def progress(self, fraction: float, message: str, epoch: int, seconds_left: float | None) -> None:
        """Say how far the training is, at most once a second."""
        if time.monotonic() - self._last_progress >= INTERVAL:
            self._last_progress = time.monotonic()
            self.event("progress", progress=fraction, message=message, epoch=epoch, seconds_left=seconds_left)

    def epoch(self, rows: list[dict[str, float]]) -> None:
        """Log the last of the epochs' ``rows``."""
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
                self._board.add_scalar(f"{name}/{split}", value, step)

    def close(self) -> None:
        """Write what is still in memory."""
        if self._board is not None:
            self._board.close()


def append_event(folder: Path, event: str, **content: Any) -> None:
    """Add a line to the events of the run in ``folder``; a full disk loses the line and nothing else."""
    try:
        with (folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, "time": time.time(), **content}) + "\n")
    except OSError:
        # Checkpoints are what must not be lost, and their writing tells of the full disk.
        return


def _board(folder: Path, epochs_done: int) -> SummaryWriter | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=epochs_done + 1 if epochs_done else None)
