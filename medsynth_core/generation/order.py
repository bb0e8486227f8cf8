"""What a data set of generated cases is to be: the options of ``medsynth generate``."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from medsynth_core.errors import MedSynthError

MOST_CASES, MOST_SLICES = 100_000, 1000
Format = Literal["nifti", "png"]


@dataclass(frozen=True)
class Order:
    """Options of a data set.

    Attributes:
        count: number of cases.
        seed: of all draws; the same seed gives the same cases, and more cases begin with the same ones.
        slices: slices of each case from noise, which change gradually.
        layout: ``plain``, ``nnunet`` or ``bids`` (`medsynth_core.generation.trees`).
        format: ``nifti``, or ``png`` for single slices.
        filtered: leave out maps that are unlike those of the training images.
        source: image file or DICOM folder whose structure map is drawn from; None for maps from noise.
        unit: unit of the source's values, if its file states none; "" for the one that the model takes.
        lesion: mask of the lesion on the source; None draws one.
        lesions: manifest with a column ``lesion``, or a mask, with labels to draw from; None uses those of the model.

    Raises:
        MedSynthError: a value is outside its range, or options do not go together.
    """

    count: int
    seed: int = 0
    slices: int = 1
    layout: str = "plain"
    format: Format = "nifti"
    filtered: bool = True
    source: Path | None = None
    unit: str = ""
    lesion: Path | None = None
    lesions: Path | None = None

    def __post_init__(self) -> None:
        self._check("count", self.count, 1, MOST_CASES)
        self._check("slices", self.slices, 1, MOST_SLICES)
        self._check("seed", self.seed, 0, 2**32 - 1)
        if self.format not in ("nifti", "png"):
            raise MedSynthError(f"There is no format '{self.format}'; choose nifti or png.", kind="settings")
        if self.format == "png" and (self.slices > 1 or self.source is not None):
            raise MedSynthError("A PNG holds one slice; choose NIfTI, or one slice from noise.", kind="settings")
        if self.source is not None and self.slices > 1:
            raise MedSynthError("The slices are those of the given volume; leave slices out.", kind="settings")
        if self.unit and self.source is None:
            raise MedSynthError("The unit is that of a given volume; give one, or leave it out.", kind="settings")
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

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain data; files by their absolute paths."""
        content = asdict(self)
        for field in fields(self):
            if isinstance(content[field.name], Path):
                content[field.name] = str(content[field.name].resolve())
        return content
