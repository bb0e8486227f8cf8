"""Where the files of generated cases lie: plain folders, an nnU-Net data set, or BIDS derivatives."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medsynth_core.errors import MedSynthError
from medsynth_core.generation.anatomy import MASKS
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.json_file import write_json
from medsynth_core.modality import modality_name
from medsynth_core.preparation.contract import GenerationContract, Side
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.text import visible
from medsynth_core.version import __version__

# Folder names of nnU-Net's data sets.
_DATASET = re.compile(r"Dataset\d{3}_\w+")
# BIDS 1.10: folder and suffix by modality; CT has none yet, and that of the draft BEP024 is used.
_BIDS = {"PT": ("pet", "pet"), "CT": ("ct", "ct")}
_MR_SUFFIXES = {"t1": "T1w", "t1c": "T1w", "t2": "T2w", "flair": "FLAIR", "pd": "PDw"}


class Tree(ABC):
    """The files of a data set.

    Args:
        root: folder of the data set.
        contract: contract of the model, whose outputs are the images.
        suffix: of the images: ``.nii.gz`` or ``.png``.
    """

    name = ""

    def __init__(self, root: Path, contract: GenerationContract, suffix: str = ".nii.gz") -> None:
        self.root, self.contract, self.suffix = root, contract, suffix

    @abstractmethod
    def file(self, number: int, part: str) -> Path:
        """Return the file of a case (from 1) and an image by its role, or a mask by its name."""

    def case(self, number: int) -> str:
        """Return the name of a case."""
        return f"case_{number:04d}"

    def files(self, number: int, parts: Sequence[str]) -> dict[str, Path]:
        """Return the files of a case by part."""
        return {part: self.file(number, part) for part in parts}

    def check(self, parts: Sequence[str]) -> None:
        """Check that a case with these parts can be written so.

        Raises:
            MedSynthError: two parts would have one file.
        """
        owners: dict[Path, str] = {}
        for part in parts:
            other = owners.setdefault(self.file(1, part), part)
            if other != part or parts.count(part) > 1:
                raise MedSynthError(
                    f"'{other}' and '{part}' would be written to one file, {self.file(1, part).name}; choose another "
                    "layout, or a model whose images have other names.",
                    kind="output",
                )

    def finish(self, count: int, kinds: int) -> None:  # noqa: B027 - most trees need no more
        """Write what the data set needs besides the images.

        Args:
            count: number of cases.
            kinds: largest value of the lesion labels.
        """


class PlainTree(Tree):
    """``case_0001/ct.nii.gz``: a folder for each case."""

    name = "plain"

    def file(self, number: int, part: str) -> Path:
        """Return the file of a case and part."""
        return self.root / self.case(number) / f"{part}{self.suffix}"


class NNUNetTree(Tree):
    """``imagesTr/case_0001_0000.nii.gz`` with ``labelsTr/case_0001.nii.gz``, as nnU-Net 2 reads them."""

    name = "nnunet"

    def file(self, number: int, part: str) -> Path:
        """Return the file of a case and part; structure map and background mask are beside what nnU-Net reads."""
        case = self.case(number)
        if part == "lesion":
            return self.root / "labelsTr" / f"{case}{self.suffix}"
        if part in MASKS:
            return self.root / part / f"{case}{self.suffix}"
        return self.root / "imagesTr" / f"{case}_{list(self.contract.outputs).index(part):04d}{self.suffix}"

    def check(self, parts: Sequence[str]) -> None:
        """Check that there is a lesion label, and that the folder has a name that nnU-Net finds."""
        super().check(parts)
        if "lesion" not in parts:
            raise MedSynthError(
                "An nnU-Net data set needs label maps, but the cases have no lesions; choose the layout plain.",
                kind="settings",
            )
        if not _DATASET.fullmatch(self.root.resolve().name):
            raise MedSynthError(
                f"nnU-Net does not find a data set in a folder named '{visible(self.root.resolve().name)}'; choose an "
                "output folder such as Dataset501_Synthetic.",
                kind="output",
            )

    def finish(self, count: int, kinds: int) -> None:
        """Write ``dataset.json``; a picture in colour counts as three channels."""
        several = {f"lesion_{value}": value for value in range(1, kinds + 1)}
        named = several if kinds > 1 else {"lesion": 1}
        channels = enumerate(channels_of(self.contract.outputs).items())
        write_json(
            self.root / "dataset.json",
            {
                "channel_names": {str(n): _channel(name, side) for n, (name, side) in channels},
                "labels": {"background": 0, **named},
                "numTraining": count,
                "file_ending": self.suffix,
                "description": "Synthetic images with lesion labels, not for diagnosis.",
            },
        )


class BIDSTree(Tree):
    """``sub-0001/anat/sub-0001_desc-synthetic_T1w.nii.gz``: derivatives of BIDS."""

    name = "bids"

    def file(self, number: int, part: str) -> Path:
        """Return the file of a case and part."""
        subject = f"sub-{number:04d}"
        if part in MASKS:
            entity = "label-lesion" if part == "lesion" else f"desc-{part}"
            return self.root / subject / "anat" / f"{subject}_{entity}_mask{self.suffix}"
        folder, suffix, contrast = _bids_place(part, self.contract)
        return self.root / subject / folder / f"{subject}{contrast}_desc-synthetic_{suffix}{self.suffix}"

    def finish(self, count: int, kinds: int) -> None:
        """Write ``dataset_description.json``, and which files validators should ignore."""
        write_json(
            self.root / "dataset_description.json",
            {
                "Name": "Synthetic images with lesion labels, not for diagnosis",
                "BIDSVersion": "1.10.0",
                "DatasetType": "derivative",
                "GeneratedBy": [{"Name": "MedSynth", "Version": __version__}],
            },
        )
        # BIDS does not define these files, and has CT in a draft only.
        ignored = ("manifest.csv", "generation.json", "overview.png", "*/ct/")
        with atomic_write(self.root / ".bidsignore") as temporary:
            temporary.write_text("".join(f"{name}\n" for name in ignored), encoding="utf-8")


TREES: dict[str, type[Tree]] = {tree.name: tree for tree in (PlainTree, NNUNetTree, BIDSTree)}


def tree_of(layout: str, root: Path, contract: GenerationContract, suffix: str) -> Tree:
    """Return the tree of a layout.

    Raises:
        MedSynthError: there is no such layout, or it does not hold such images.
    """
    if layout not in TREES:
        raise MedSynthError(
            f"There is no layout '{layout}' for generated cases; choose one of {', '.join(TREES)}.", kind="settings"
        )
    if layout == "bids" and suffix != ".nii.gz":
        raise MedSynthError("BIDS has no pictures of this kind; choose NIfTI, or the layout plain.", kind="settings")
    return TREES[layout](root, contract, suffix)


def _channel(name: str, side: Side) -> str:
    """Return the name of a channel, by which nnU-Net chooses how to normalise it: CT otherwise than all others."""
    return "CT" if side.unit == "HU" else name


def _bids_place(role: str, contract: GenerationContract) -> tuple[str, str, str]:
    """Return folder, suffix and entity for contrast agent of an image.

    Raises:
        MedSynthError: BIDS has no name for it: the role does not say which contrast an MR has, or it is a picture.
    """
    modality, words = contract.outputs[role].modality, role.lower().split("_")
    if modality in _BIDS:
        return *_BIDS[modality], ""
    if modality != "MR":
        raise MedSynthError(
            f"BIDS has no name for the image '{role}' ({modality_name(modality)}); choose the layout plain.",
            kind="settings",
        )
    contrast = next((word for word in words if modality == "MR" and word in _MR_SUFFIXES), "")
    if not contrast:
        raise MedSynthError(
            f"BIDS has no name for the image '{role}', because its name does not say which contrast of MR it is; "
            "choose the layout plain or nnunet.",
            kind="settings",
        )
    return "anat", _MR_SUFFIXES[contrast], "_ce-gadolinium" if contrast == "t1c" else ""


def manifest_rows(tree: Tree, classes: Sequence[str], parts: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the lines of the manifest of a data set: a patient of its own for each case, all for training.

    Args:
        tree: where the files are.
        classes: class of each case; "" for a model without classes.
        parts: images by their roles, and masks by their names.
    """
    rows: list[Mapping[str, Any]] = []
    for number, name in enumerate(classes, start=1):
        case = {"case": tree.case(number), "split": "train", "patient": tree.case(number)}
        files = {part: path.relative_to(tree.root).as_posix() for part, path in tree.files(number, parts).items()}
        rows.append({**case, **({"class": name} if name else {}), **files})
    return rows
