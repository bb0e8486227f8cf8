"""The images with which the feature extractor is trained: slices of CT, PET and MR, and chest X-rays."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.datasets.manifest import SPLITS, Case, read_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.features import scaled
from medsynth_core.grid import Grid, resample_array
from medsynth_core.io.pictures import is_picture, read_picture
from medsynth_core.io.reading import read_volume
from medsynth_core.progress import Progress

TUMOURS, X_RAYS = Path("sts", "cases.csv"), Path("chest-xray")
# Kinds of images, by whose number the network knows them, and classes of the X-rays.
KINDS = ("ct", "pet", "mr_t1", "x-ray")
CLASSES = ("normal", "bacteria", "virus")
SPACING = 2.0
# Windows of each modality: those of CT in turn, the whole range and soft tissue.
_WINDOWS = {"ct": ((-1000.0, 1300.0), (-200.0, 300.0)), "pet": ((0.0, 10.0),), "mr_t1": ((0.0, 1500.0),)}
_SIDES = {"ct": ("CT", "HU"), "pet": ("PT", "SUVbw"), "mr_t1": ("MR", "")}
# A slice with less spread than this in 0…1 shows nothing.
_EMPTY = 0.02
_PERSON = re.compile(r"(person\d+)_(bacteria|virus)_|((?:NORMAL2-)?IM-\d+)-")


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images of one split with what they show.

    Attributes:
        images: (n, 128, 128) float16 in 0…1.
        kinds: (n) number in `KINDS`.
        classes: (n) number in `CLASSES`; -1 for all but X-rays.
        patients: (n) names.
    """

    images: np.ndarray
    kinds: np.ndarray
    classes: np.ndarray
    patients: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def of(self, chosen: np.ndarray) -> LabelledImages:
        """Return those of a mask or of indices."""
        return LabelledImages(self.images[chosen], self.kinds[chosen], self.classes[chosen], self.patients[chosen])


def read_images(
    data: Path, slices: int, held_out: float, seed: int, progress: Progress
) -> tuple[dict[str, LabelledImages], list[dict[str, Any]]]:
    """Return the images of each split, and a row for each patient with source, split and number of images.

    Args:
        data: folder with ``sts/cases.csv`` (a manifest with the columns ``ct``, ``pet`` and ``mr_t1``) and
            ``chest-xray`` (``train`` and ``test`` with ``NORMAL`` and ``PNEUMONIA``, as Kaggle has them).
        slices: most slices of a volume, spread evenly over those that show something.
        held_out: share of the persons of the X-rays' ``train`` that go to the split ``val``.
        seed: of the choice of these persons.
        progress: reports.

    Raises:
        MedSynthError: the folder lacks one of the two, or a file cannot be read.
    """
    parts = [*_slices(data / TUMOURS, slices, progress.part(0, 0.7)), *_x_rays(data / X_RAYS, held_out, seed)]
    found = {split: _joined([images for of_split, images in parts if of_split == split]) for split in SPLITS}
    rows = [
        {
            "source": KINDS[images.kinds[0]],
            "patient": images.patients[0],
            "split": split,
            "images": len(images),
        }
        for split, images in parts
    ]
    return found, rows


def _joined(parts: list[LabelledImages]) -> LabelledImages:
    names = ("images", "kinds", "classes", "patients")
    return LabelledImages(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _one(images: np.ndarray, kind: str, classes: list[int], patient: str) -> LabelledImages:
    n = len(images)
    kinds = np.full(n, KINDS.index(kind))
    return LabelledImages(images.astype(np.float16), kinds, np.array(classes), np.array([patient] * n))


def _slices(manifest: Path, most: int, progress: Progress) -> list[tuple[str, LabelledImages]]:
    cases, found = read_manifest(manifest, tuple(_WINDOWS)), []
    for number, case in enumerate(cases):
        progress(number / len(cases), f"Reading {case.name}")
        for role in _WINDOWS:
            images = _of_volume(case, role, most)
            found.append((case.split, _one(images, role, [-1] * len(images), case.name)))
    return found


def _of_volume(case: Case, role: str, most: int) -> np.ndarray:
    """Return axial slices of a volume at 2 mm in the windows of its modality: (n, 128, 128) in 0…1."""
    volume = read_volume(case.files[role], *_SIDES[role])
    grid = Grid.of(volume).oriented()
    plane = grid.with_spacing(np.array([SPACING, SPACING, grid.spacing[2]]))
    low = _WINDOWS[role][0][0]
    voxels = resample_array(volume.voxels.astype(np.float32), Grid.of(volume), plane, fill=low)
    shown = np.stack([_window(one, *_WINDOWS[role][k % len(_WINDOWS[role])]) for k, one in enumerate(voxels)])
    kept = np.flatnonzero(shown.std(axis=(1, 2)) > _EMPTY)
    if not len(kept):
        raise MedSynthError(f"No slice of {case.files[role]} shows anything in the window of {role}; leave it out.")
    return scaled(shown[kept[np.unique(np.linspace(0, len(kept) - 1, most).round().astype(int))]])


def _window(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0, 1)


def _x_rays(folder: Path, held_out: float, seed: int) -> list[tuple[str, LabelledImages]]:
    found = []
    for part in ("train", "test"):
        of_persons = _persons(folder / part)
        names = sorted(of_persons)
        count = round(held_out * len(names)) if part == "train" else 0
        kept_back = set(np.random.default_rng(seed).permutation(names)[:count])
        for name in names:
            files, classes = zip(*of_persons[name], strict=True)
            images = scaled(np.stack([read_picture(file) / 255 for file in files]))
            found.append(("val" if name in kept_back else part, _one(images, "x-ray", list(classes), f"{part}/{name}")))
    return found


def _persons(folder: Path) -> dict[str, list[tuple[Path, int]]]:
    """Return the pictures of each person, with their classes."""
    found: dict[str, list[tuple[Path, int]]] = {}
    for file in sorted(path for path in folder.glob("*/*") if is_picture(path)):
        match = _PERSON.match(file.name)
        if match is None:
            raise MedSynthError(f"The name of {file} does not say which person it shows; give Kaggle's names.")
        found.setdefault(match[1] or match[3], []).append((file, CLASSES.index(match[2] or "normal")))
    if not found:
        raise MedSynthError(f"There are no pictures in {folder}/NORMAL and {folder}/PNEUMONIA; put them there.")
    return found
