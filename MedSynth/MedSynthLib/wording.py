"""How the panels put what went wrong."""

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from medsynth_core.errors import Cancelled, MedSynthError


def sentenceOf(error: Exception | None) -> str:
    """Return what an error says to a user, its hint included."""
    if isinstance(error, Cancelled):
        return _("Cancelled.")
    return " ".join(part for part in (str(error), getattr(error, "hint", "")) if part)


def told(slot: Callable[[], None], tell: Callable[[str], None]) -> Callable[..., None]:
    """Return a slot for any signal that calls another one, and tells in a sentence what went wrong there."""

    def call(*_arguments: Any) -> None:
        try:
            slot()
        except (MedSynthError, OSError) as problem:  # the latter when no process can be started
            tell(sentenceOf(problem))

    return call
