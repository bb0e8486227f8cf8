"""The one exception that users meet, and the one that says that they changed their mind."""

from __future__ import annotations


class MedSynthError(Exception):
    """A problem that a user can understand and mend, told in one sentence.

    Args:
        message: one sentence: what is wrong, where, and what to do.
        kind: what the problem lies in: ``input`` (a file, volume or option of the user's), ``model``
            (a model package), ``output`` (a place to write to) or ``device`` (memory, accelerator).
        hint: an optional second sentence with the way out, shown apart in graphical interfaces.
    """

    def __init__(self, message: str, *, kind: str = "input", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.hint = hint


class Cancelled(Exception):  # noqa: N818 - cancelling is not an error
    """Raised between two steps of a job after the user asked to stop."""
