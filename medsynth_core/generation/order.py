"""What a data set of generated cases is to be: the options of ``medsynth generate``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.io.pictures import is_picture
from medsynth_core.structure.settings import StructureSettings
from medsynth_core.volume import Volume

MOST_CASES, MOST_SLICES, MOST_SEED = 100_000, 1000, 2**32 - 1
Format = Literal["nifti", "png"]


@dataclass(frozen=True)
class Order:
    """Options of a data set.

    Attributes:
        count: number of cases.
        seed: of all draws; the same seed gives the same cases, and more cases begin with the same ones.
        slices: slices of each case from noise, which change gradually.
        layout: ``plain``, ``nnunet`` or ``bids`` (`medsynth_core.generation.trees`).
        format: ``nifti``, or ``png`` for single slices; images in colour need it.
        filtered: leave out maps that are unlike those of the training images.
        source: image, or image file, picture or DICOM folder with it, whose structure map is drawn from; None for
            images from noise.
        unit: unit of the source's values, if its file states none; "" for the one that the model takes.
        lesion: mask of the lesion on the source, or a file with it; None draws one.
        lesions: manifest with a column ``lesion``, or a mask, with labels to draw from; None uses those of the model.
        structure: settings of the structure map of the source; None uses those of the training.
        class_name: class of all cases, for a model with classes; None draws the classes in turn, so that each has as
            many cases as the others, or one more.

    Raises:
        MedSynthError: a value is outside its range, or options do not go together.
    """

    count: int
    seed: int = 0
    slices: int = 1
    layout: str = "plain"
    format: Format = "nifti"
    filtered: bool = True
    source: Path | Volume | None = None
    unit: str = ""
    lesion: Path | Volume | None = None
    lesions: Path | None = None
    structure: StructureSettings | None = None
    class_name: str | None = None

    def __post_init__(self) -> None:
        self._check("cases", self.count, 1, MOST_CASES)
        self._check("slices", self.slices, 1, MOST_SLICES)
        self._check("seed", self.seed, 0, MOST_SEED)
        if self.format not in ("nifti", "png"):
            raise MedSynthError(f"There is no format '{self.format}'; choose nifti or png.", kind="settings")
        if self.format == "png" and (self.slices > 1 or _is_volume(self.source)):
            raise MedSynthError(
                "A PNG holds one slice; choose NIfTI, or one slice, from noise or from a picture.", kind="settings"
            )
        if self.source is not None and self.slices > 1:
            raise MedSynthError("The slices are those of the given volume; leave slices out.", kind="settings")
        if self.unit and self.source is None:
            raise MedSynthError("The unit is that of a given volume; give one, or leave it out.", kind="settings")
        if self.structure is not None and self.source is None:
            raise MedSynthError(
                "The settings of the structure map are those of a given volume; give one, or leave them out.",
                kind="settings",
            )
        if self.lesion is not None and self.source is None:
            raise MedSynthError(
                "A lesion mask belongs to the volume that it was drawn on; give this volume as well, or give labels to "
                "draw from.",
                kind="settings",
            )
        if self.lesion is not None and self.lesions is not None:
            raise MedSynthError("Give one lesion mask, or labels to draw from, not both.", kind="settings")

    def _check(self, name: str, value: int, least: int, most: int) -> None:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not least <= value <= most:
            raise MedSynthError(
                f"The number of {name} is {value}; choose a whole number from {least} to {most}."
                if name != "seed"
                else f"The random seed is {value}; choose a whole number from 0 to {most}.",
                kind="settings",
            )

    def said(self, number: int) -> str:
        """Return what is reported before a case by its number (from 0)."""
        return f"Drawing case {number + 1} of {self.count}"

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain data; files by their absolute paths, images by what they are."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def _is_volume(source: Path | Volume | None) -> bool:
    """Return whether an image may have several slices, because it is not a picture."""
    return not (source is None or (source.is_picture if isinstance(source, Volume) else is_picture(source)))


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, StructureSettings):
        return {name: list(part) if isinstance(part, tuple) else part for name, part in value.to_dict().items()}
    if isinstance(value, Volume):
        return {"shape": list(value.shape), "modality": value.modality, "unit": value.unit}
    return value


def new_seed() -> int:
    """Return a random seed that is another one each time, for those who do not choose one: 0…2³¹ − 1."""
    # Qt's fields for whole numbers, in which a user of Slicer enters it again, end there.
    return int(np.random.default_rng().integers(2**31))
