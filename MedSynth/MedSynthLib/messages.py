"""Errors as sentences for the panels."""

import html
import re
from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from medsynth_core.errors import Cancelled, MedSynthError

# Qt looks for tags, and for the entity of their first character; others are taken with it, to be independent of Qt.
_MARKUP = re.compile("<|&[#A-Za-z]")


def asItIs(text: str) -> str:
    """Return text for tooltips and message boxes so that it shows as it is: they take tags and entities for HTML."""
    return f"<p>{html.escape(text)}</p>".replace("\n", "<br>") if _MARKUP.search(text) else text


def plainLabel():
    """Return a label that shows every text as it is; by default tags would be taken for HTML."""
    label = qt.QLabel()
    label.setTextFormat(qt.Qt.PlainText)
    return label


def sentenceOf(error: Exception | None) -> str:
    """Return the message of an error with its hint."""
    if isinstance(error, Cancelled):
        return _("Cancelled.")
    return " ".join(part for part in (str(error), getattr(error, "hint", "")) if part)


def told(slot: Callable[[], None], tell: Callable[[str], None]) -> Callable[..., None]:
    """Return a slot for any signal that calls another one, and reports its errors as sentences.

    Args:
        slot: called without arguments.
        tell: called with the sentence.
    """

    def call(*_arguments: Any) -> None:
        try:
            slot()
        except (MedSynthError, OSError) as problem:  # OSError: no process can be started
            tell(sentenceOf(problem))

    return call
