"""How the sections of the panel put things."""

from slicer.i18n import tr as _

from medsynth_core.errors import Cancelled


def sentenceOf(error: Exception | None) -> str:
    """Return what an error says to a user, its hint included."""
    if isinstance(error, Cancelled):
        return _("Cancelled.")
    return " ".join(part for part in (str(error), getattr(error, "hint", "")) if part)
