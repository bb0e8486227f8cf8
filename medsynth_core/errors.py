"""The exceptions that reach the user, and the exit statuses of MedSynth's processes."""

from __future__ import annotations

from enum import IntEnum

from medsynth_core.text import visible


class ExitStatus(IntEnum):
    """Exit status of a MedSynth process."""

    SUCCESS = 0
    FAILURE = 1
    USER_MISTAKE = 2
    INCOMPLETE = 3
    CANCELLED = 130


class MedSynthError(Exception):
    """A problem that the user can understand and fix, described in one sentence.

    Names and values that it quotes are made visible (`medsynth_core.text.visible`), so that it stays one line.

    Args:
        message: one sentence: what is wrong, where, and what to do.
        kind: source of the problem: ``input`` (a file, volume or option from the user), ``model``
            (a model package), ``output`` (the place to write to) or ``device`` (memory, accelerator).
        hint: optional second sentence with a remedy, shown separately in graphical interfaces.
    """

    def __init__(self, message: str, *, kind: str = "input", hint: str = "") -> None:
        self.message, self.hint = visible(message), visible(hint)
        super().__init__(self.message)
        self.kind = kind


class Cancelled(Exception):  # noqa: N818 - cancelling is not an error
    """Raised between two steps of a job after the user has cancelled it."""
