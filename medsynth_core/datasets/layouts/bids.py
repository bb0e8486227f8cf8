"""BIDS, raw and derivatives: ``sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz``."""

from __future__ import annotations

import re
from pathlib import PurePath

from medsynth_core.datasets.layouts.layout import Layout, Parts, Tree, read_all
from medsynth_core.datasets.layouts.visits import is_visit, may_be_visit, without_glued_visit
from medsynth_core.datasets.layouts.words import is_kind

_SUBJECT, _SESSION = re.compile(r"sub-[a-zA-Z0-9+]+"), re.compile(r"ses-[a-zA-Z0-9+]+")
_SAME_DATA_SET = {"rawdata", "sourcedata"}


def _read(tree: Tree) -> dict[PurePath, Parts] | None:
    several = len({_data_set(path, tree) for path in tree.paths}) > 1
    return read_all(tree, lambda path, role: _parts(path, _data_set(path, tree) if several else ()))


def _parts(path: PurePath, data_set: tuple[str, ...]) -> Parts | None:
    subject, session = _entity(_SUBJECT, path), _entity(_SESSION, path) or _visit(path)
    # BIDS does not allow a subject called sub-01_a, and without its end it could be another subject's name.
    if not subject or any(part.startswith("sub-") and not _SUBJECT.fullmatch(part) for part in path.parts[:-1]):
        return None
    patient = (*data_set, without_glued_visit(subject))
    return Parts((*data_set, f"{subject}-{session}" if session else subject), patient)


def _entity(pattern: re.Pattern[str], path: PurePath) -> str:
    """Return an entity from the folders or, as in flat derivatives, from the name of the file."""
    inside = [part for part in path.parts[:-1] if pattern.fullmatch(part)]
    named = [part for part in path.name.split(".")[0].split("_") if pattern.fullmatch(part)]
    return next(iter([*inside, *named]), "")


def _visit(path: PurePath) -> str:
    """Return the folders of a visit where they are not named as BIDS demands: ``sub-01/baseline``."""
    return "-".join(part for part in path.parts[:-1] if is_visit(part) or may_be_visit(part) or part.isdigit())


def _data_set(path: PurePath, tree: Tree) -> tuple[str, ...]:
    """Return the folders above a subject that tell its data set; derivatives belong to that which they are in."""
    above = path.parts[:-1]
    above = above[: next((at for at, part in enumerate(above) if _SUBJECT.fullmatch(part)), len(above))]
    if "derivatives" in above:
        above = above[: above.index("derivatives")]
    return tuple(part for part in above if part not in _SAME_DATA_SET and not is_kind(part, tree.roles))


BIDS = Layout("BIDS", "the subject, sub-…", _read)
