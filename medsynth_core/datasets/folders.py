"""Cases from a tree of folders with image files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError


def cases_from_folders(root: str | Path, roles: Mapping[str, str]) -> list[Case]:
    """Return a case, without a split, for each folder below ``root`` in which a file of a role lies.

    The first folders below ``root`` are the patients: ``root/P1/ct.nii.gz`` is of the case and patient ``P1``,
    ``root/P1/2020/ct.nii.gz`` of the case ``P1-2020`` and the patient ``P1``.

    Args:
        root: folder of the folders.
        roles: role → pattern of its file's name (``*`` and ``?`` stand for any letters and any one; upper and lower
            case are alike), such as ``{"ct": "*ct*.nii*", "pet": "*pet*.nii*"}``.

    Raises:
        MedSynthError: a folder that cannot be read, without a file for a role, or with several; one file for two
            roles; files in ``root`` itself; or no case at all.
    """
    root = Path(root)
    cases = []
    for folder, names in _folders(root):
        found = {role: _matching(names, pattern) for role, pattern in roles.items()}
        if any(found.values()):
            cases.append(_case(root, folder, found, roles))
    if not cases:
        patterns = ", ".join(f"'{pattern}'" for pattern in roles.values())
        raise MedSynthError(f"No folder below {root} holds a file like {patterns}; choose another folder or pattern.")
    return cases


def _folders(root: Path) -> list[tuple[Path, list[str]]]:
    """Return the folders below ``root``, itself too, in order, with the names of their files."""

    def complain(error: OSError) -> None:
        raise MedSynthError(f"The folder {error.filename} cannot be read: {error.strerror}.") from error

    return sorted((Path(place), sorted(names)) for place, _, names in os.walk(root, onerror=complain))


def _matching(names: list[str], pattern: str) -> list[str]:
    # Hidden files, as macOS leaves them beside others, are no images.
    visible = [name for name in names if not name.startswith(".")]
    return [name for name in visible if fnmatchcase(name.lower(), pattern.lower())]


def _case(root: Path, folder: Path, found: dict[str, list[str]], roles: Mapping[str, str]) -> Case:
    if folder == root:
        name = next(names[0] for names in found.values() if names)
        raise MedSynthError(f"The file {name} lies in {root} itself; give each case a folder of its own there.")
    for role, names in found.items():
        if not names:
            raise MedSynthError(
                f"The folder {folder} has no file like '{roles[role]}' for '{role}'; add it, change the pattern, or "
                "take the folder away."
            )
        if len(names) > 1:
            raise MedSynthError(
                f"The folder {folder} has {len(names)} files like '{roles[role]}' for '{role}' ({', '.join(names)}); "
                "choose a narrower pattern."
            )
    for role, (name,) in found.items():
        both = [other for other, names in found.items() if names == [name]]
        if len(both) > 1:
            raise MedSynthError(
                f"The file {folder / name} would be both '{role}' and '{both[1]}'; choose narrower patterns."
            )
    parts = folder.relative_to(root).parts
    return Case("-".join(parts), "", {role: folder / name for role, (name,) in found.items()}, parts[0])
