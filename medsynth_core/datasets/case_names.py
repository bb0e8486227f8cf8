"""Names of cases that become names of folders: they cannot leave the folder that they are in, on any system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from medsynth_core.errors import MedSynthError
from medsynth_core.text import is_device, visible

# Separators of paths and of streams, and what Windows allows in no name.
_SIGNS = re.compile(r'[/\\:*?"<>|]')
LONGEST_NAME = 120  # bytes; a file in the folder has a name of its own, and Windows limits the whole path


def check_folder_names(names: Iterable[str]) -> None:
    """Check that names of cases can be names of folders side by side, on Linux, macOS and Windows.

    Raises:
        MedSynthError: a name cannot be that of a folder, or two would be the same folder where capital and small
            letters, or two ways to write a letter with an accent, are not told apart.
    """
    taken: dict[str, str] = {}
    for name in names:
        problem = folder_name_problem(name)
        if problem:
            raise MedSynthError(
                f"The case name '{visible(name)}' cannot be used as a folder name: {problem}; rename it in the "
                "manifest."
            )
        other = taken.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise MedSynthError(
                f"The cases '{other}' and '{name}' would have the same folder on some computers; rename one of them in "
                "the manifest."
            )


def folder_name_problem(name: str) -> str:
    """Return why a name cannot be that of a folder, as part of a sentence; "" if it can."""
    sign = _SIGNS.search(name)
    if not name.strip():
        return "it is empty"
    if name != visible(name):
        return "it has control characters"
    if sign:
        return f"it has the character {sign[0]}"
    if name[0] in ". ~-":
        return "it begins with a dot, space, tilde or hyphen"
    if name[-1] in ". ":
        return "it ends with a dot or space"
    if is_device(name):
        return "Windows reserves it"
    if len(name.encode()) > LONGEST_NAME:
        return f"it is longer than {LONGEST_NAME} bytes"
    return ""
