"""The remaining time of a job."""

import time

from slicer.i18n import tr as _

# Before this fraction an estimate would not be stable.
FIRST_FRACTION = 0.05


class TimeLeft:
    """Estimates the remaining time of a job that begins when the object is created."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def text(self, fraction: float) -> str:
        """Return the remaining time in words when ``fraction`` (0…1) of the job is done; "" if it is too early."""
        if not FIRST_FRACTION <= fraction < 1.0:
            return ""
        return inWords((time.monotonic() - self._start) * (1.0 - fraction) / fraction)


def inWords(seconds: float) -> str:
    """Return a remaining time in words."""
    if seconds < 90:
        return _("about {count} s left").format(count=max(1, round(seconds)))
    if seconds < 90 * 60:
        return _("about {count} min left").format(count=round(seconds / 60))
    return _("about {count} h left").format(count=round(seconds / 3600))
