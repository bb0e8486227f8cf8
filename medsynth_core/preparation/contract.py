"""The contract of a model: its inputs and outputs, shared by training and inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)

from medsynth_core.errors import MedSynthError
from medsynth_core.io.facts import doubts_of
from medsynth_core.modality import AIR_HU, PICTURE_MODALITIES, Modality, modality_name, modality_of_unit
from medsynth_core.preparation.filled_ct import blanked_region
from medsynth_core.preparation.intensity import Intensity, Percentiles
from medsynth_core.preparation.part import Part
from medsynth_core.preparation.roles import check_role, check_unit
from medsynth_core.preparation.value_checks import assumed_unit, no_activity, not_synthesizable, unusable_ct
from medsynth_core.volume import Volume

if TYPE_CHECKING:
    from typing_extensions import Self

# Rows or columns that a network is shown: no CT or MR has more, and it still takes seconds a slice.
MOST_PIXELS = 2048
# No scan has more.
MOST_SLICES = 4096
Pixels = Annotated[int, Field(ge=8, le=MOST_PIXELS)]
Slices = Annotated[int, Field(ge=1, le=MOST_SLICES)]
# No scanner has finer voxels, and no image of a person fills many larger ones.
Millimetres = Annotated[float, Field(ge=0.05, le=100)]
Unit = Annotated[str, Field(max_length=64), AfterValidator(check_unit)]
RoleName = Annotated[str, AfterValidator(check_role)]
# Relative tolerance, because files round voxel sizes.
VOXEL_TOLERANCE = 0.01
# Most voxels of a human scanner that are averaged along an axis; still finer ones are those of small-animal scanners or
# of images interpolated onto another grid, whose noise is different.
MOST_AVERAGED = 4
DIMENSIONLESS = "1"
# Roles for contracts of format 1, which had one unnamed input and output.
ROLE_OF: dict[str, str] = {"CT": "ct", "PT": "pet", "MR": "mr"}

T = TypeVar("T")


class Side(Part):
    """One input or output image of a model.

    Attributes:
        modality: DICOM modality.
        unit: unit of the voxel values.
        intensity: mapping between voxel values and network values.
        optional: for an input: whether the model was trained to run without it.
        colours: for an output of a generator: whether the image is in colour. It then has three channels, red, green
            and blue, all with the unit and intensity of the side; the files are pictures.
    """

    modality: Modality
    unit: Unit
    intensity: Intensity
    optional: bool = False
    colours: bool = False

    @model_serializer(mode="wrap")
    def _without_colours(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the key ``colours`` out of grey images, as in contracts of earlier versions, which do not know it."""
        content: dict[str, Any] = handler(self)
        return content if self.colours else {key: value for key, value in content.items() if key != "colours"}

    @model_validator(mode="after")
    def _colours_have_no_unit(self) -> Side:
        if self.colours and self.unit != DIMENSIONLESS:
            raise ValueError(f'an image in colour has the unit "{DIMENSIONLESS}", not {self.unit}')
        return self

    @model_validator(mode="after")
    def _one_kind(self) -> Side:
        owner = modality_of_unit(self.unit)
        if owner not in ("", self.modality):
            raise ValueError(
                f"{self.unit} is a unit of {modality_name(owner)}, not of {modality_name(self.modality)}; correct "
                "modality or unit"
            )
        return self

    @property
    def nothing(self) -> float:
        """The voxel value of air, in the unit."""
        return AIR_HU if self.unit == "HU" else 0.0

    @property
    def empty(self) -> float:
        """The network value of air."""
        return float(self.intensity.forward(np.array([self.nothing]))[0])


class Slab(Part):
    """Overlapping slabs of slices in which a 3-D network processes a volume.

    Attributes:
        slices: slices per slab.
        overlap: slices shared by neighbouring slabs.
        plane: minimum number of rows and columns of a PET that the network receives, as in training; if it is not
            stated, a recipe uses the side length of its patches.
    """

    slices: int = Field(ge=2, le=MOST_SLICES)
    overlap: int = Field(ge=0)
    plane: int = Field(default=0, ge=0, le=MOST_PIXELS)

    @model_validator(mode="after")
    def _advances(self) -> Slab:
        if 2 * self.overlap > self.slices:
            raise ValueError("overlap must not be more than half of slices")
        return self


class _Contract(Part):
    """Fields shared by contracts of every kind.

    Attributes:
        outputs: output images of the model, by role.
        spacing: voxel spacing (i, j, k; mm) on which the network works; None keeps that of the images.
        slices: content of the network's input channels: ``neighbours`` for the slice with equally many slices above
            and below, ``replicate`` for the same slice in every channel.
        slab: slabs of a 3-D network; None for a 2-D network, which processes slices.
        frame: rows and columns of the frames that a 2-D network was trained with, in the middle of which it sees the
            body. A recipe always states the side length of its training slices; 0 if it is not known.
        dose_factors: dose reduction factors that the model was trained with, in the order of the classes of a network
            that distinguishes them; 1 is full dose.
        body_margin: margin in mm around the body in each slice; everything beyond it is treated as air and not
            computed, unless the contract has a matrix.
        body_region: body regions in the training data, for display.
    """

    outputs: dict[RoleName, Side] = Field(min_length=1)
    spacing: tuple[Millimetres, Millimetres, Millimetres] | None = None
    slices: Literal["neighbours", "replicate"] = "neighbours"
    slab: Slab | None = None
    frame: int = Field(default=0, ge=0, le=MOST_PIXELS)
    dose_factors: tuple[Annotated[float, Field(ge=1)], ...] = ()
    body_margin: float = Field(default=10.0, ge=0, le=1000)
    body_region: tuple[str, ...] = ()

    @field_validator("outputs")
    @classmethod
    def _outputs_are_needed(cls, outputs: dict[str, Side]) -> dict[str, Side]:
        optional = [role for role, side in outputs.items() if side.optional]
        if optional:
            raise ValueError(f"the output '{optional[0]}' cannot be optional; only inputs can")
        return outputs

    @field_validator("outputs")
    @classmethod
    def _outputs_have_their_unit(cls, outputs: dict[str, Side]) -> dict[str, Side]:
        for role, side in outputs.items():
            if isinstance(side.intensity, Percentiles) and modality_of_unit(side.unit):
                raise ValueError(
                    f"the output '{role}' would not be in {side.unit}, because the intensity 'percentiles' depends on "
                    f'each volume; choose curve, scale or linear, or the unit "{DIMENSIONLESS}"'
                )
        return outputs

    @field_validator("dose_factors")
    @classmethod
    def _doses_differ(cls, factors: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(factors)) < len(factors):
            raise ValueError("lists a dose reduction factor twice; list each once")
        return factors

    @property
    def output(self) -> Side:
        """The first, or only, output."""
        return next(iter(self.outputs.values()))

    def of_regions(self, regions: tuple[str, ...]) -> Self:
        """Return the contract with other body regions in the training data."""
        return self.model_copy(update={"body_region": regions})

    def check_one_output(self) -> None:
        """Check that the model produces a single image.

        Raises:
            MedSynthError: it produces several.
        """
        if len(self.outputs) > 1:
            raise MedSynthError(
                f"This model produces {len(self.outputs)} images ({', '.join(self.outputs)}); use synthesize_all in "
                "Python, or medsynth synthesize, to get all of them."
            )


class GenerationContract(_Contract):
    """Contract of a generator, which works from noise or from drawn images (a structure map, a label).

    Attributes:
        noise: length of the random input vector; 0 for none.
        inputs: input images by role; empty if the network works from noise alone.
        matrix: rows and columns of an image, or slices, rows and columns of a volume. The whole field of view of a
            picture, which states no size, is resampled onto these rows and columns; pixels stay square, and a picture
            that is not square gets margins.
    """

    kind: Literal["generation"] = "generation"
    noise: int = Field(default=0, ge=0)
    inputs: dict[RoleName, Side] = Field(default_factory=dict)
    matrix: tuple[Pixels, Pixels] | tuple[Slices, Pixels, Pixels]

    @model_validator(mode="after")
    def _something(self) -> GenerationContract:
        if not self.noise and not self.inputs:
            raise ValueError("a generator needs noise above 0 or an input")
        return self

    @property
    def side(self) -> int:
        """Pixels along a row, which is as long as a column where a recipe asks for it."""
        return self.matrix[-1]

    @field_validator("inputs")
    @classmethod
    def _inputs_are_grey(cls, inputs: dict[str, Side]) -> dict[str, Side]:
        coloured = [role for role, side in inputs.items() if side.colours]
        if coloured:
            raise ValueError(f"the input '{coloured[0]}' cannot be in colour; only outputs of a generator can")
        return inputs


class SynthesisContract(_Contract):
    """Contract of a model that synthesizes images of a patient from other images, and how its inputs are prepared.

    Contracts of format 1 have the keys ``input`` and ``output`` with one image each; these are read under the role
    ``ct``, ``pet`` or ``mr``.

    Attributes:
        inputs: input images by role. The first defines the grid of the result and the body mask; the others are
            resampled onto its grid.
        voxel_limits: smallest and largest voxel spacing (mm) on which the network works, if it keeps the grid of the
            input; None accepts any. Finer voxels are averaged (`medsynth_core.preparation.averaging`).
        matrix: rows and columns onto which the whole field of view of the slices is resampled, as publications of
            2-D networks do; pixels are square, and a field of view that is not gets margins. None uses ``spacing``.
        flip_average: also predict from the mirrored image (left and right exchanged) and average both.
    """

    kind: Literal["synthesis"] = "synthesis"
    inputs: dict[RoleName, Side] = Field(min_length=1)
    voxel_limits: tuple[Millimetres, Millimetres] | None = None
    matrix: tuple[Pixels, Pixels] | None = None
    flip_average: bool = False

    @model_validator(mode="before")
    @classmethod
    def _named(cls, content: Any) -> Any:
        """Assign the unnamed input and output of format 1 the role of their modality."""
        if not isinstance(content, dict) or not {"input", "output"} & content.keys():
            return content
        both = [f"{key} and {key}s" for key in ("input", "output") if {key, f"{key}s"} <= content.keys()]
        if both:
            raise ValueError(f"has both {both[0]}; keep {both[0].split()[-1]}, which names the images by role")
        sides = {f"{key}s": {_role_of(content[key]): content[key]} for key in ("input", "output") if key in content}
        return {**{key: value for key, value in content.items() if key not in ("input", "output")}, **sides}

    @model_validator(mode="after")
    def _first_is_needed(self) -> SynthesisContract:
        if self.input.optional:
            raise ValueError("the first input cannot be optional, because it defines the grid of the result")
        return self

    @model_validator(mode="after")
    def _volumes(self) -> SynthesisContract:
        for role, side in {**self.inputs, **self.outputs}.items():
            if side.colours or side.modality in PICTURE_MODALITIES:
                kind = "in colour" if side.colours else f"of the modality {modality_name(side.modality)}"
                raise ValueError(
                    f"'{role}' is a picture ({kind}), which has no place in a patient; only generators (contract.kind: "
                    "generation) are trained with pictures"
                )
        return self

    @model_validator(mode="after")
    def _one_grid(self) -> SynthesisContract:
        if self.voxel_limits and self.voxel_limits[0] > self.voxel_limits[1]:
            raise ValueError("voxel_limits must be the smaller and then the larger voxel spacing")
        if self.matrix and (self.spacing or self.slab):
            raise ValueError("matrix is for 2-D networks and takes the place of spacing; remove one of them")
        return self

    @property
    def input(self) -> Side:
        """The first, or only, input, which defines the grid of the result."""
        return next(iter(self.inputs.values()))

    @property
    def input_role(self) -> str:
        """Role of the first, or only, input."""
        return next(iter(self.inputs))

    def volumes(self, given: Volume | Mapping[str, Volume]) -> dict[str, Volume]:
        """Return the given volumes by role; a single volume is taken as the first input.

        Raises:
            MedSynthError: as `by_role`.
        """
        return self.by_role(given if isinstance(given, Mapping) else {self.input_role: given})

    def beside(self, first: T, others: Mapping[str, T]) -> dict[str, T]:
        """Return the first input and further ones by role, in the order of the contract.

        Raises:
            MedSynthError: as `by_role`, or ``others`` contains the role of the first input.
        """
        if self.input_role in others:
            raise MedSynthError(
                f"'{self.input_role}' is the first input of the model, which is already given; name only further "
                "inputs by role."
            )
        return self.by_role({self.input_role: first, **others})

    def by_role(self, named: Mapping[str, T]) -> dict[str, T]:
        """Return the given volumes or files by role, in the order of the contract.

        Raises:
            MedSynthError: a required input is missing, or the model has no input of a given role.
        """
        unknown = sorted(named.keys() - self.inputs.keys())
        if unknown:
            raise MedSynthError(f"The model has no input '{unknown[0]}'; its inputs are {', '.join(self.inputs)}.")
        missing = [role for role, side in self.inputs.items() if role not in named and not side.optional]
        if missing:
            kind = modality_name(self.inputs[missing[0]].modality)
            raise MedSynthError(f"The model also needs a {kind} ('{missing[0]}'); provide it as well.")
        return {role: named[role] for role in self.inputs if role in named}

    def misfits(self, volume: Volume, role: str = "") -> list[str]:
        """Return the reasons why ``volume`` does not match the model's input, one sentence each; [] if it matches.

        If the volume does not state its modality or unit, its values are checked instead.

        Args:
            volume: the volume to check.
            role: role of the input; by default the first.
        """
        found = list(not_synthesizable(volume.voxels))
        if found:
            return found
        if volume.is_error_map:
            return ["The volume shows the errors of a synthetic image, not the patient; choose the image itself."]
        wanted = self.inputs[role or self.input_role]
        if volume.modality and volume.modality != wanted.modality:
            return [
                f"The volume is {modality_name(volume.modality)}, but this model takes "
                f"{modality_name(wanted.modality)}; choose another volume or model."
            ]
        if volume.unit and volume.unit != wanted.unit:
            refusal = _why_no_suv(volume) if wanted.unit.startswith("SUV") else ""
            told = f"The volume is in {volume.unit}, but this model takes {wanted.unit}"
            if refusal:
                return [f"{told}, and {refusal[:1].lower()}{refusal[1:]}"]
            return [f"{told}; convert it first or choose another model."]
        values = unusable_ct(volume.voxels) if wanted.unit == "HU" else []
        if wanted.modality == "PT":
            values = list(no_activity(volume.voxels, wanted.unit))
        return [*values, *(self._wrong_voxels(volume) if role in ("", self.input_role) else ())]

    def _wrong_voxels(self, volume: Volume) -> list[str]:
        if self.voxel_limits is None or averaging_factors(volume, self.voxel_limits) is not None:
            return []
        low, high = self.voxel_limits
        size = " × ".join(f"{side:.2f}" for side in volume.spacing)
        return [
            f"The voxels of the volume measure {size} mm, but this model was trained with voxels of {low:g} to "
            f"{high:g} mm and averages at most {MOST_AVERAGED} finer ones along an axis; choose another "
            "reconstruction of the scan, or another model."
        ]

    def assumption(self, volume: Volume, role: str = "") -> str:
        """Return a sentence on the unit assumed for a ``volume`` that matches but states none; "" if it states one.

        For a model with a dimensionless input nothing needs to be assumed.
        """
        wanted = self.inputs[role or self.input_role]
        if volume.unit or wanted.unit == DIMENSIONLESS:
            return ""
        return assumed_unit(wanted.unit, wanted.modality)

    def notes(self, volume: Volume, role: str = "") -> list[str]:
        """Return what the user should know about a ``volume`` that matches: one sentence each; [] if nothing.

        They state the unit that is assumed, doubts about file and values, and whether voxels are averaged.
        """
        first = role in ("", self.input_role)
        found = [self.assumption(volume, role), *doubts_of(volume.metadata)]
        if self.inputs[role or self.input_role].unit == "HU":
            found += blanked_region(volume.voxels)
        return [note for note in (*found, self._averaged(volume) if first else "") if note]

    def _averaged(self, volume: Volume) -> str:
        """Return the sentence on the averaging of a volume's voxels; "" if they are used as they are."""
        factors = averaging_factors(volume, self.voxel_limits)
        if factors is None or max(factors) == 1 or self.voxel_limits is None:
            return ""
        low, high = self.voxel_limits
        size, block, mean = (
            " × ".join(f"{side:{form}}" for side in sides)
            for sides, form in (
                (volume.spacing, ".2f"),
                (factors, "d"),
                (np.multiply(volume.spacing, factors).tolist(), ".2f"),
            )
        )
        named = " A dose that the model names is that of the averaged image, which has less noise."
        return (
            f"The voxels of the volume measure {size} mm, finer than the {low:g} to {high:g} mm of the model's "
            f"training, so blocks of {block} voxels are averaged to {mean} mm and the result is interpolated back onto "
            "the grid of the volume: it has no finer detail than that." + named * bool(self.dose_factors)
        )

    def check(self, volume: Volume, role: str = "") -> Volume:
        """Return ``volume`` with the modality and unit of the model's input.

        Args:
            volume: the volume to check.
            role: role of the input; by default the first.

        Raises:
            MedSynthError: the volume does not match; the message is the first reason.
        """
        reasons = self.misfits(volume, role)
        if reasons:
            other = f"{role}: " if role not in ("", self.input_role) else ""
            raise MedSynthError(other + reasons[0])
        wanted = self.inputs[role or self.input_role]
        return volume.replace(modality=wanted.modality, unit=wanted.unit)


def averaging_factors(volume: Volume, limits: tuple[float, float] | None) -> tuple[int, int, int] | None:
    """Return how many voxels along (i, j, k) must be averaged so that their size is within ``limits`` (mm).

    Returns:
        1 for each axis that needs no averaging; None if a voxel is too coarse, or averaging cannot make it fit: it
        would take more than `MOST_AVERAGED` voxels, or more than the volume has.
    """
    if limits is None:
        return 1, 1, 1
    low, high = limits[0] * (1 - VOXEL_TOLERANCE), limits[1] * (1 + VOXEL_TOLERANCE)
    spacing = np.array(volume.spacing)
    i, j, k = (int(factor) for factor in np.ceil(low / spacing))
    most = np.minimum(MOST_AVERAGED, volume.shape[::-1])
    fits = ((i, j, k) <= most).all() and (spacing * (i, j, k) <= high).all()
    return (i, j, k) if fits else None


def kind_of(content: Any) -> str:
    """Return the kind of a contract or card: ``synthesis`` (the default, as in format 1) or ``generation``."""
    kind = content.get("kind", "synthesis") if isinstance(content, dict) else getattr(content, "kind", None)
    return str(kind)


Contract = Annotated[
    Annotated[SynthesisContract, Tag("synthesis")] | Annotated[GenerationContract, Tag("generation")],
    Discriminator(kind_of),
]


def _role_of(side: Any) -> str:
    """Return the role of an input or output of format 1."""
    modality = side.get("modality") if isinstance(side, dict) else getattr(side, "modality", None)
    return ROLE_OF.get(str(modality), "image")


def _why_no_suv(volume: Volume) -> str:
    """Return why a PET, or the PET it was made from, could not be read in SUV; "" if its metadata give no reason."""
    facts: Any = volume.metadata
    while isinstance(facts, dict):
        if "suv_refused" in facts:
            return str(facts["suv_refused"])
        facts = facts.get("source")
    return ""
