"""Names that are the same but for their spelling."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# What pandas makes of the numbers of a column in which some are missing: 12 becomes 12.0.
_WHOLE_NUMBER = re.compile(r"(\d+)\.0+")

# What programs write where they remove an ID or a name. Numbered ones ("Anonymous 7") tell patients apart.
_PLACEHOLDER = re.compile(
    r"(?:anon[a-z]*|deidentified|unknown|removed|redacted|hidden|none|null|na|no(?:name|id|first|last)|not(?:available|"
    r"given)|(?:first|last|family|given)?name|id|patient|subject|x+|0+)*"
)


def is_placeholder(stated: str) -> bool:
    """Return whether an ID or a name says that it was removed, or is empty: ``Anonymous``, ``N/A``, ``NAME^NONE``."""
    return _PLACEHOLDER.fullmatch("".join(re.findall(r"[^\W_]", stated.casefold()))) is not None


def spelling(name: str) -> tuple[str, ...]:
    """Return the words and numbers of a name, which stay the same if it is spelled another way.

    Letter case, separators, leading zeros, and the ways in which Unicode writes a letter make no difference.
    """
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.strip()).casefold())
    plain = _WHOLE_NUMBER.sub(r"\1", plain) if _WHOLE_NUMBER.fullmatch(plain) else plain
    kept = "".join(sign if _is_of_word(sign) else " " for sign in plain if unicodedata.category(sign) != "Cf")
    return tuple(part.lstrip("0") or "0" for part in re.findall(r"\d+|[^\d\s]+", kept)) or (name,)


def same_spelling(names: Iterable[str]) -> dict[str, str]:
    """Return for each name the first that is spelled alike: ``P-1`` for ``p01``."""
    first: dict[tuple[str, ...], str] = {}
    return {name: first.setdefault(spelling(name), name) for name in sorted(names)}


def _is_of_word(sign: str) -> bool:
    """Return whether a sign is a letter, digit or mark on a letter."""
    return unicodedata.category(sign)[0] in "LNM"
