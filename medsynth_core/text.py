"""Text of other people (names, descriptions, paths) made safe to show."""

from __future__ import annotations

import re

# Control characters of terminals (among them the escape character, which starts their commands), characters that change
# the direction of what follows and line separators (both can make a line look like another), and the halves of
# characters that stand for bytes of file names that are not UTF-8.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    """Return ``text`` in one line, with control characters as escapes: ``\\x1b`` for the escape character."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def quoted(text: str) -> str:
    """Return text that somebody typed for a message: visible, in single quotes, with none inside.

    What is kept with an image leaves it out (`without_quoted`).
    """
    return f"'{visible(text).replace(chr(39), '’')}'"


def without_quoted(text: str) -> str:
    """Return a message without what `quoted` put into it."""
    return re.sub(r"(?<!\w)'[^']*'", "'…'", text)  # not from the apostrophe of "Patient's" on


# Windows has no files of these names, with or without a suffix.
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE)


def is_device(name: str) -> bool:
    """Return whether Windows reserves a name, so that no file or folder can have it."""
    return _DEVICES.fullmatch(name) is not None


# Underscores within words are no markup; a number or sign followed by a space at the start begins a list.
_MARKDOWN = re.compile(r"[\\`*\[\]<>|&~$]|(?<!\w)_|_(?!\w)|^#|^[+-](?=\s|$)|(?:(?<=^\d)|(?<=^\d\d))[.)](?=\s|$)")


def markdown(text: str) -> str:
    """Return ``text`` as Markdown that shows it as it is, in one line, with control characters as `visible`."""
    return _MARKDOWN.sub(lambda found: "\\" + found[0], visible(text))


def code(text: str) -> str:
    """Return ``text`` as a span of code in Markdown; backticks, which would end it, become apostrophes."""
    return f"`{visible(text).replace('`', chr(39))}`"
