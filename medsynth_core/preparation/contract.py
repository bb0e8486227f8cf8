"""What a model takes and what it gives, stated once and read by training and inference alike."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.intensity import Intensity
from medsynth_core.volume import Volume

Millimetres = Annotated[float, Field(gt=0)]
Modality = Literal["CT", "PT", "MR"]
AIR_HU = -1000.0
# A share of the voxels that is as good as none.
FEW = 0.001
# A CT is cut to a window where this share of its voxels has the lowest value, and that lies above air by this.
CLIPPED_SHARE = 0.05
CLIPPED_ABOVE = -700.0
# Voxel sizes are rounded in files.
VOXEL_TOLERANCE = 0.01
# A model whose input begins at 0 would cut off what lies below; more than this share of the activity is a bias.
NEGATIVE_SHARE = 0.02
# SUVbw is 1 where tracer is spread evenly. What lies above the first counts as tissue, whose median is less than the
# second in any patient; a whole voxel of the third has never been seen.
SUV_TISSUE, SUV_MEDIAN, SUV_HIGHEST = 0.05, 20.0, 2000.0
DIMENSIONLESS = "1"
MODALITY_NAMES = {"CT": "CT", "PT": "PET", "MR": "MR"}


class Side(BaseModel):
    """One side of a model: modality (DICOM's term), unit, and how values are mapped for the network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modality: Modality
    unit: str
    intensity: Intensity


class Slab(BaseModel):
    """How a 3-D network goes through a volume: so many slices at once, of which neighbours share some.

    Attributes:
        slices: at once.
        overlap: slices that neighbouring slabs share.
        plane: rows and columns that the network is given of a PET at least, as in training; a recipe takes the side
            of its patches where this is not said.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    slices: int = Field(ge=2)
    overlap: int = Field(ge=0)
    plane: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _advances(self) -> Slab:
        if 2 * self.overlap > self.slices:
            raise ValueError("overlap must not be more than half of slices")
        return self


class Contract(BaseModel):
    """What fits a model, and how it is prepared.

    Attributes:
        input: what the model takes.
        output: what it gives.
        spacing: the grid (i, j, k; mm) on which the network works; None keeps the input's own.
        slices: how the network's input channels are filled: ``neighbours`` gives it the slice between as
            many above and below, ``replicate`` the same slice in every channel.
        slab: how a 3-D network goes through a volume; None for the slices of a 2-D one.
        voxel_limits: the smallest and the largest distance (mm) between voxels that the model takes, if it keeps the
            input's own grid; None takes any.
        dose_factors: dose reduction factors that the model was trained with, in the order of the classes of a network
            that tells them apart; 1 is full dose.
        flip_average: also predict the mirror image (left and right exchanged) and average both.
        body_margin: mm around the body that are kept; what lies farther out is air and is not computed.
        body_region: regions of the body in the training data, for people to read.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Side
    output: Side
    spacing: tuple[Millimetres, Millimetres, Millimetres] | None = None
    slices: Literal["neighbours", "replicate"] = "neighbours"
    slab: Slab | None = None
    voxel_limits: tuple[Millimetres, Millimetres] | None = None
    dose_factors: tuple[Annotated[float, Field(ge=1)], ...] = ()
    flip_average: bool = False
    body_margin: float = Field(default=10.0, ge=0)
    body_region: tuple[str, ...] = ()

    @property
    def empty(self) -> tuple[float, float]:
        """What the network is given, and expected to give, where there is nothing: around the slices."""
        nothing = np.array([AIR_HU if self.input.unit == "HU" else 0.0])
        return float(self.input.intensity.forward(nothing)[0]), float(self.output.intensity.forward(np.zeros(1))[0])

    def misfits(self, volume: Volume) -> list[str]:
        """Return a sentence for each reason why ``volume`` does not fit the model's input; [] if it fits.

        A modality or unit that the volume does not state is judged by its values.
        """
        found = list(_not_synthesizable(volume.voxels))
        if found:
            return found
        wanted = self.input
        if volume.modality and volume.modality != wanted.modality:
            return [
                f"The volume is {MODALITY_NAMES.get(volume.modality, volume.modality)}, but this model takes "
                f"{MODALITY_NAMES[wanted.modality]}; choose another volume or model."
            ]
        if volume.unit and volume.unit != wanted.unit:
            refusal = _why_no_suv(volume) if wanted.unit.startswith("SUV") else ""
            told = f"The volume is in {volume.unit}, but this model takes {wanted.unit}"
            if refusal:
                return [f"{told}, and {refusal[:1].lower()}{refusal[1:]}"]
            return [f"{told}; convert it first or choose another model."]
        if wanted.unit == "HU":
            return list(not_hounsfield(volume.voxels))
        return [
            *(_no_activity(volume.voxels, wanted.unit) if wanted.modality == "PT" else ()),
            *self._wrong_voxels(volume),
        ]

    def _wrong_voxels(self, volume: Volume) -> list[str]:
        if self.voxel_limits is None:
            return []
        low, high = self.voxel_limits
        spacing = np.linalg.norm(volume.ijk_to_ras[:3, :3], axis=0)
        if spacing.min() >= low * (1 - VOXEL_TOLERANCE) and spacing.max() <= high * (1 + VOXEL_TOLERANCE):
            return []
        size = " × ".join(f"{side:.2f}" for side in spacing)
        return [
            f"The voxels of the volume measure {size} mm, but this model knows voxels of {low:g} to {high:g} mm; "
            "resample the volume, or choose another model."
        ]

    def assumption(self, volume: Volume) -> str:
        """Return a sentence on what is taken for granted of a ``volume`` that fits but states no unit; "" if it does.

        A model that takes a dimensionless image takes nothing for granted.
        """
        wanted = self.input
        if volume.unit or wanted.unit == DIMENSIONLESS:
            return ""
        return (
            f"The volume states no unit, so its values are taken for {wanted.unit} of a "
            f"{MODALITY_NAMES[wanted.modality]}, which this model takes and nothing in them contradicts; if they are "
            "anything else, the result is wrong."
        )

    def check(self, volume: Volume) -> Volume:
        """Return ``volume`` with the modality and unit of the model's input.

        Raises:
            MedSynthError: the volume does not fit, with the first reason.
        """
        reasons = self.misfits(volume)
        if reasons:
            raise MedSynthError(reasons[0])
        return volume.replace(modality=self.input.modality, unit=self.input.unit)


def _why_no_suv(volume: Volume) -> str:
    """Return why a PET, or the one that it was made from, could not be read in SUV; "" where nothing says so."""
    facts: Any = volume.metadata
    while isinstance(facts, dict):
        if "suv_refused" in facts:
            return str(facts["suv_refused"])
        facts = facts.get("source")
    return ""


def _no_activity(voxels: np.ndarray, unit: str) -> list[str]:
    """Tell activity in ``unit`` from other numbers: some of it is there, next to nothing is below zero."""
    positive = float(voxels.sum(where=voxels > 0, dtype=np.float64))
    negative = -float(voxels.sum(where=voxels < 0, dtype=np.float64))
    if positive == 0:
        return ["The volume holds no activity: no voxel is above zero; choose a PET with counts."]
    if negative > NEGATIVE_SHARE * positive:
        return [
            f"The negative values of the volume amount to {negative / positive:.1%} of the positive ones, which the "
            "model would cut off, and so add to the activity; choose a PET whose reconstruction has none (OSEM)."
        ]
    return _not_suv(voxels) if unit == "SUVbw" else []


def _not_suv(voxels: np.ndarray) -> list[str]:
    """Tell SUVbw from activity in Bq/mL and from other numbers, which a file may call SUVbw."""
    tissue = voxels[voxels > SUV_TISSUE]
    highest = float(voxels.max())
    if tissue.size < FEW * voxels.size:
        return [
            f"The values of the volume (up to {highest:g}) are too low for SUVbw, in which tissue has about 1; check "
            "its unit and its rescale slope."
        ]
    median = float(np.median(tissue))
    if median > SUV_MEDIAN or highest > SUV_HIGHEST:
        return [
            f"The values of the volume (half of those above {SUV_TISSUE:g} exceed {median:.4g}, the highest is "
            f"{highest:.4g}) are too high for SUVbw, in which tissue has about 1; convert activity in Bq/mL first, "
            "from its DICOM series."
        ]
    return []


def _not_synthesizable(voxels: np.ndarray) -> list[str]:
    if voxels.size < 2 or min(voxels.shape) < 1:
        return [
            f"The volume has {voxels.size} voxel{'s' * (voxels.size != 1)} (shape {voxels.shape}), so there "
            "is nothing to synthesize from; choose a whole image."
        ]
    if not np.issubdtype(voxels.dtype, np.number):
        return ["The voxels of the volume are not real numbers; choose a scalar image."]
    if np.iscomplexobj(voxels):
        return ["The voxels of the volume are complex numbers; choose its magnitude image."]
    if np.issubdtype(voxels.dtype, np.floating):
        bad = int(voxels.size - np.count_nonzero(np.isfinite(voxels)))
        if bad:
            return [
                f"{bad} voxel{'s' * (bad != 1)} of the volume {'are' if bad != 1 else 'is'} not a finite "
                "number (NaN or infinite); repair or crop the volume first."
            ]
    return []


def not_hounsfield(voxels: np.ndarray) -> list[str]:
    """Tell Hounsfield units from other numbers: soft tissue lies around 0 and air at -1000.

    Returns:
        A sentence with the reason why ``voxels`` are none, or [] where they may be.
    """
    low, high = float(voxels.min()), float(voxels.max())

    def share(above: float, below: float) -> float:
        return np.count_nonzero((voxels > above) & (voxels < below)) / voxels.size

    soft = share(-200, 200)
    # A few negative voxels are what interpolation leaves around the edges of any image.
    if low > -100 or share(-np.inf, -50) < FEW:
        return [
            f"The values of the volume ({low:g} to {high:g}) are not Hounsfield units, which are negative in "
            "fat and air; choose a CT, or apply its rescale slope and intercept."
        ]
    if low > CLIPPED_ABOVE and np.count_nonzero(voxels == low) > CLIPPED_SHARE * voxels.size:
        return [
            f"Many voxels of the volume have its lowest value, {low:g}: the CT was cut to a window, in which air can "
            "no longer be told from tissue; choose the CT with its full range."
        ]
    # A small animal in a large field, or a piece of lung or bone, has little soft tissue; other numbers have none.
    # Nothing attenuates less than air: below it there is noise, or a single value that stands for no voxel.
    # A padded CT without its intercept has air at 0 and tissue around 1000, and nothing in between.
    no_intercept = share(800, 1200) > 0.05 and share(-1100, -50) < FEW
    if soft < 0.005 or high > 32767 or high < 0 or share(low, -1100) > 0.05 or no_intercept:
        return [
            f"The values of the volume ({low:g} to {high:g}, {soft:.1%} of them between -200 and 200) do not "
            "look like Hounsfield units of a body; choose a CT that shows the patient."
        ]
    return []
