"""How a long job tells what it is doing, and how it learns that it should stop."""

from __future__ import annotations

from collections.abc import Callable

from medsynth_core.errors import Cancelled

ProgressCallback = Callable[[float, str], None]


class Progress:
    """Reports of a job: a fraction in 0…1 and a sentence, and the place where it can be cancelled.

    Args:
        callback: called as ``callback(fraction, message)``. It may raise `Cancelled` to stop the job.
        cancelled: asked before every report; the job stops with `Cancelled` once it returns True.
        log: receives sentences worth keeping (a fall-back to the CPU, say).
    """

    def __init__(
        self,
        callback: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self._callback = callback
        self._cancelled = cancelled
        self._log = log

    def __call__(self, fraction: float, message: str = "") -> None:
        """Report ``fraction`` (0…1, clipped) done.

        Raises:
            Cancelled: when the user has asked to stop.
        """
        if self._cancelled is not None and self._cancelled():
            raise Cancelled
        if self._callback is not None:
            self._callback(min(max(fraction, 0.0), 1.0), message)

    def log(self, message: str) -> None:
        """Keep a sentence for the user to read."""
        if self._log is not None:
            self._log(message)

    def part(self, start: float, stop: float) -> Progress:
        """Return reports for a step that fills ``start``…``stop`` of this job."""
        return Progress(lambda fraction, message: self(start + (stop - start) * fraction, message), log=self.log)
