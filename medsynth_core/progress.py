"""Progress reports and cancellation of long jobs."""

from __future__ import annotations

from collections.abc import Callable

from medsynth_core.errors import Cancelled

ProgressCallback = Callable[[float, str], None]


class Progress:
    """Reports the progress of a job as a fraction (0…1) and a sentence, and stops the job when it is cancelled.

    Args:
        callback: called as ``callback(fraction, message)``. It may raise `Cancelled` to stop the job.
        cancelled: called before every report; once it returns True, the job stops with `Cancelled`.
        log: receives sentences worth keeping (for example, a fall-back to the CPU).
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
        """Report that ``fraction`` (clipped to 0…1) of the job is done.

        Raises:
            Cancelled: the user has cancelled the job.
        """
        if self._cancelled is not None and self._cancelled():
            raise Cancelled
        if self._callback is not None:
            self._callback(min(max(fraction, 0.0), 1.0), message)

    def log(self, message: str) -> None:
        """Log a sentence for the user."""
        if self._log is not None:
            self._log(message)

    def part(self, start: float, stop: float) -> Progress:
        """Return the progress of a step that spans ``start``…``stop`` of this job."""
        return Progress(lambda fraction, message: self(start + (stop - start) * fraction, message), log=self.log)
