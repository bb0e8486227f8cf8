"""Names of the images of a case: roles of a contract, and columns of a manifest."""

from __future__ import annotations

# Columns of a manifest that say what a case is, so no image can have these names.
ABOUT_THE_CASE = ("case", "split", "patient", "class")
# Separators of paths, because outputs are written as NAME_ROLE.SUFFIX, and of the options ROLE=FILE.
SEPARATORS = "/\\="
# Names of files end with the role of an output, and no system takes names of more than 255 bytes.
LONGEST_ROLE = 64


def check_role(name: str) -> str:
    """Return the name of a role.

    Raises:
        ValueError: it is empty, begins or ends with a space, contains a separator or a control character, or is one of
            `ABOUT_THE_CASE`.
    """
    if not name or name != name.strip() or not name.isprintable() or any(mark in name for mark in SEPARATORS):
        raise ValueError(
            f"the role '{name}' is empty, has spaces at its ends, or contains one of {' '.join(SEPARATORS)}; rename it"
        )
    if name in ABOUT_THE_CASE:
        raise ValueError(
            f"the role '{name}' has the name of a column that describes the case ({', '.join(ABOUT_THE_CASE)}); "
            "rename it"
        )
    if len(name) > LONGEST_ROLE:
        raise ValueError(
            f"the role '{name:.20}…' has {len(name)} characters, at most {LONGEST_ROLE} are possible; rename it"
        )
    return name


def check_unit(unit: str) -> str:
    """Return a unit, which is shown in tables and figures.

    Raises:
        ValueError: it contains a line break or another character that cannot be shown.
    """
    if not unit.isprintable():
        raise ValueError(f"the unit {unit!a} has characters that cannot be shown; correct it")
    return unit
