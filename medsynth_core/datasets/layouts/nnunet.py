"""nnU-Net and CycleGAN: a folder for each split and kind of image, and a file for each case.

In nnU-Net, ``imagesTr/CASE_0000.nii.gz`` is the first channel of a case, and ``labelsTr/CASE.nii.gz`` its label; images
of the Medical Segmentation Decathlon have no channel. A CycleGAN reads ``trainA/CASE.nii.gz`` and ``trainB``.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from medsynth_core.datasets.layouts.layout import Layout, Parts, Tree, read_all
from medsynth_core.datasets.layouts.role_names import RoleNames
from medsynth_core.io.sidecar import split_suffix

_NNUNET = re.compile(r"(?P<kind>[a-zA-Z]+)(?P<split>Tr|Ts|Va|Val)")
_CYCLEGAN = re.compile(r"(?P<split>train|val|valid|test)[-_]?(?P<kind>[AB])", re.IGNORECASE)
_CHANNEL = re.compile(r"_\d{4}$")


def _with_channels(tree: Tree) -> dict[PurePath, Parts] | None:
    return read_all(tree, lambda path, role: _parts(path, _NNUNET, channels=True))


def _without_channels(tree: Tree) -> dict[PurePath, Parts] | None:
    return read_all(tree, lambda path, role: _parts(path, _NNUNET, channels=False))


def _of_kinds(tree: Tree) -> dict[PurePath, Parts] | None:
    role_names = RoleNames(tree)

    def read(path: PurePath, role: str) -> Parts | None:
        parts = _parts(path, _NNUNET, channels=False)
        name = role_names.name(parts.names[-1], role) if parts else ""
        return Parts((*parts.names[:-1], name), (name,), parts.split) if parts and name else None

    return read_all(tree, read)


def _cyclegan(tree: Tree) -> dict[PurePath, Parts] | None:
    return read_all(tree, lambda path, role: _parts(path, _CYCLEGAN, channels=False))


def _parts(path: PurePath, folders: re.Pattern[str], *, channels: bool) -> Parts | None:
    found = folders.fullmatch(path.parts[-2]) if len(path.parts) > 1 else None
    if not found:
        return None
    case = split_suffix(path)[0]
    # The number of a label's case may have four digits as well.
    if channels and found["kind"].lower() == "images":
        if not _CHANNEL.search(case):
            return None
        case = _CHANNEL.sub("", case)
    # One folder may hold several data sets.
    return Parts((*path.parts[:-2], case), (case,), found["split"])


_PATIENT = "the name of the case without a date or visit"
NNUNET = Layout("nnU-Net", _PATIENT, _with_channels, joins=False)
DECATHLON = Layout("nnU-Net without channels", _PATIENT, _without_channels, joins=False)
# HECKTOR: imagesTr/CHUM-001__CT.nii.gz
NNUNET_OF_KINDS = Layout("nnU-Net with the kind of image in the name", _PATIENT, _of_kinds, joins=False)
CYCLEGAN = Layout("CycleGAN, with the folders A and B of each split", _PATIENT, _cyclegan)
