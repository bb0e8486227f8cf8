"""The SynthRAD challenges of 2023 and 2025: ``Task1/brain/1BA001/mr.nii.gz``, ``Task1/HN/1HNA001/mr.mha``."""

from __future__ import annotations

import re
from pathlib import PurePath

from medsynth_core.datasets.layouts.layout import Layout, Parts, Tree, read_all

# Task, region (brain, pelvis; head and neck, thorax, abdomen), centre, number.
_PATIENT = re.compile(r"[12](?:B|P|HN|TH|AB)[A-Z]\d{3}")


def _read(tree: Tree) -> dict[PurePath, Parts] | None:
    return read_all(tree, lambda path, role: _parts(path))


def _parts(path: PurePath) -> Parts | None:
    if len(path.parts) < 2 or not _PATIENT.fullmatch(path.parts[-2]):
        return None
    return Parts(path.parts[-2:-1], path.parts[-2:-1])


SYNTHRAD = Layout("SynthRAD", "the folder of the case, such as 1BA001", _read)
