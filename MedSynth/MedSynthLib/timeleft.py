"""How long a job will still take."""

import time

from slicer.i18n import tr as _

# Before this fraction a guess would jump about.
FIRST_FRACTION = 0.05


class TimeLeft:
    """Guesses the remaining time of a job that reports its progress, from its start on."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def text(self, fraction: float) -> str:
        """Return, for a job of which ``fraction`` (0…1) is done, a few words, or "" too early."""
        if not FIRST_FRACTION <= fraction < 1.0:
            return ""
        return inWords((time.monotonic() - self._start) * (1.0 - fraction) / fraction)


def inWords(seconds: float) -> str:
    """Return how long something will still take in a few words."""
    if seconds < 90:
        return _("about {count} s left").format(count=max(1, round(seconds)))
    if seconds < 90 * 60:
        return _("about {count} min left").format(count=round(seconds / 60))
    return _("about {count} h left").format(count=round(seconds / 3600))
