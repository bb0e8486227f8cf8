"""The model card: MONAI bundle metadata with an additional key ``medsynth``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from medsynth_core.errors import MedSynthError
from medsynth_core.io.json_reading import read_json
from medsynth_core.preparation.contract import GenerationContract, SynthesisContract, kind_of
from medsynth_core.preparation.part import Part
from medsynth_core.text import is_device

METADATA = Path("configs/metadata.json")
# Key of the metadata with what only MedSynth states; by it its packages are told from other MONAI bundles.
OWN_KEY = "medsynth"
WEIGHTS: Literal["models/model.safetensors"] = "models/model.safetensors"
# In its place, the network of others with its weights (`medsynth_core.models.foreign`).
ONNX_WEIGHTS: Literal["models/model.onnx"] = "models/model.onnx"
# Name of such a network, which the registry does not have.
ONNX = "onnx"
# What a generator of images keeps of its training data (`medsynth_core.models.records`).
RECORDS_FILE = "models/training.safetensors"

# Names of other files in the folder of a training.
RESERVED = {"arrays", "previews", "stop", "tensorboard"}


def _check_free(name: str) -> str:
    if name in RESERVED or is_device(name):
        raise ValueError(f"'{name}' is reserved{'' if name in RESERVED else ' on Windows'}; choose another name")
    return name


def no_model_name(name: str) -> str:
    """Return in a sentence why a text that is not a `Name` cannot be the name of a model."""
    reason = "use up to 64 small letters, digits and hyphens"
    if name in RESERVED:
        reason = "a training has a file or folder of that name; choose another name"
    if is_device(name):
        reason = "it is reserved on Windows; choose another name"
    return f"'{name}' cannot be the name of a model; {reason}."


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64), AfterValidator(_check_free)]
Version = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]

# Largest number in the options of a network; the published ones have up to 1024 channels.
LARGEST_OPTION = 8192
# With fewer validation patients, an error curve reflects chance: it may even fall where uptake rises.
FEWEST_VALIDATED = 3

# Pairs of (synthetic value, root mean square error).
ErrorCurve = Annotated[tuple[tuple[float, float], ...], Field(min_length=2)]


# Without spaces at its ends.
PlainText = Annotated[str, StringConstraints(strip_whitespace=True)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Part(Part):
    # Metrics and errors are what was measured.
    largest: ClassVar[float] = math.inf


class NetworkSpec(_Part):
    """A network of the registry with its options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _bounded(cls, options: dict[str, Any]) -> dict[str, Any]:
        _check_bounded(options.values())
        return options


def _check_bounded(values: Iterable[Any]) -> None:
    """Refuse numbers and lists with which a network could not be built in any time or memory."""
    values = list(values)
    if len(values) > LARGEST_OPTION or any(
        isinstance(value, int | float) and not abs(value) <= LARGEST_OPTION for value in values
    ):
        raise ValueError(f"numbers and lengths of lists must be {LARGEST_OPTION} or less")
    for value in values:
        if isinstance(value, list | tuple | dict):
            _check_bounded(value.values() if isinstance(value, dict) else value)


def _is_undefined(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


class Weights(_Part):
    """The weights file, or the ONNX file of a network of others: its path in the package, SHA-256 and precision."""

    file: Literal["models/model.safetensors", "models/model.onnx"] = WEIGHTS
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    precision: Literal["float16", "float32"] = "float16"


class Training(_Part):
    """Origin of the weights; the full records are in the package's ``docs/training``."""

    recipe: dict[str, Any]
    split: dict[str, list[str]]
    best_epoch: int
    environment: dict[str, Any]
    command: str


class _Card(_Part):
    """MedSynth's part of the metadata, common to all kinds of models.

    Attributes:
        format: currently 2. Cards of format 1, whose contracts have one unnamed input and one unnamed output, do not
            always state it.
        metrics: metrics by split: means over cases, on the grid of the network.
        comparison: rows of a table that compares the model with baselines on the test cases, on their own grid:
            ``method``, and ``METRIC_mean`` and ``METRIC_sd`` for each metric.
    """

    format: Literal[1, 2] = 1
    name: Name
    title: Text
    limits: tuple[Text, ...] = Field(min_length=1)
    licence: str
    data_licence: str
    network: NetworkSpec
    weights: Weights
    training: Training
    metrics: dict[str, dict[str, float]]
    comparison: tuple[dict[str, str | float], ...] = ()

    @field_validator("metrics", mode="before")
    @classmethod
    def _defined(cls, metrics: Any) -> Any:
        """Leave out metrics that are not defined for a case, which earlier versions wrote as NaN."""
        if not isinstance(metrics, dict) or not all(isinstance(scores, dict) for scores in metrics.values()):
            return metrics
        return {
            split: {name: value for name, value in scores.items() if not _is_undefined(value)}
            for split, scores in metrics.items()
        }

    @field_validator("comparison", mode="before")
    @classmethod
    def _blanks(cls, rows: Any) -> Any:
        """Leave the cells of metrics that are not defined empty."""
        if not isinstance(rows, list | tuple) or not all(isinstance(row, dict) for row in rows):
            return rows
        return [{key: "" if _is_undefined(value) else value for key, value in row.items()} for row in rows]

    @field_validator("comparison")
    @classmethod
    def _numbers(cls, rows: tuple[dict[str, str | float], ...]) -> tuple[dict[str, str | float], ...]:
        for row in rows:
            if "method" not in row:
                raise ValueError("every row needs the key 'method'")
            for key, value in row.items():
                if key.endswith(("_mean", "_sd")) and isinstance(value, str) and value:
                    raise ValueError(f"'{key}' must be a number")
        return rows


class SynthesisCard(_Card):
    """The card of a synthesis model.

    Attributes:
        error_curve: pairs of (synthetic value, root mean square error in the validation cases at this value), in the
            unit of the first output; empty if the error is not known (see `error_known`).
        dose_error_curves: error curves for each of the contract's dose factors, for a model with a dose head; the
            error depends more on the dose than on anything else.
    """

    kind: Literal["synthesis"] = "synthesis"
    contract: SynthesisContract
    error_curve: ErrorCurve | tuple[()] = ()
    dose_error_curves: tuple[ErrorCurve, ...] = ()

    @property
    def is_foreign(self) -> bool:
        """Whether the network is an ONNX file of others, which MedSynth has not trained."""
        return self.weights.file == ONNX_WEIGHTS

    @property
    def validated(self) -> int:
        """Number of validation cases."""
        return len(self.training.split.get("val", []))

    @property
    def error_known(self) -> bool:
        """Whether the error curve says something about the model: it exists, and stems from enough cases."""
        return bool(self.error_curve) and self.validated >= FEWEST_VALIDATED

    @property
    def few_validated(self) -> str:
        """The reason why the error is not known, as the end of a sentence; "" if it is known."""
        if self.error_known:
            return ""
        if self.is_foreign:
            return ", because its network is of others and MedSynth has not validated it"
        if self.validated >= FEWEST_VALIDATED:
            return ", because its card has no error curve"
        cases = f"{self.validated or 'no'} validation case{'s' * (self.validated != 1)}"
        return f", because it had {cases} and at least {FEWEST_VALIDATED} are needed"

    @model_validator(mode="after")
    def _rising(self) -> SynthesisCard:
        for curve in (self.error_curve, *self.dose_error_curves):
            if not curve:
                continue
            values, errors = np.array(curve).T
            if not (np.diff(values) >= 0).all() or not (errors >= 0).all() or not np.isfinite(values + errors).all():
                raise ValueError(
                    "the values of error_curve must increase, and its errors must be finite and at least 0"
                )
        if self.dose_error_curves and len(self.dose_error_curves) != len(self.contract.dose_factors):
            raise ValueError("dose_error_curves must have one curve for each of the contract's dose_factors")
        return self

    @model_validator(mode="after")
    def _claims(self) -> SynthesisCard:
        """Refuse what only MedSynth's own training can state of a network of others."""
        if not self.is_foreign:
            return self
        if self.network.name != ONNX:
            raise ValueError(f"network.name must be '{ONNX}' for a network of others, not '{self.network.name}'")
        for name in ("metrics", "comparison", "error_curve", "dose_error_curves"):
            if getattr(self, name):
                raise ValueError(f"{name} must be empty, because MedSynth has not validated this network of others")
        stated = self.training.model_dump()
        if any(stated.values()):
            claimed = next(key for key, value in stated.items() if value)
            raise ValueError(
                f"training.{claimed} must be empty, because MedSynth has not trained this network of others"
            )
        return self


class GenerationCard(_Card):
    """The card of a generative model: images from noise, a structure map or a label.

    Attributes:
        ranges: measures of the structure maps of training images, and the range in which 99 % of these lie
            (`medsynth_core.structure.quality`); a map from noise beyond it is drawn again.
        records: SHA-256 of the file with what the package keeps of its training data; "" without one.
    """

    kind: Literal["generation"] = "generation"
    contract: GenerationContract
    ranges: dict[str, tuple[float, float]] = Field(default_factory=dict)
    records: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    @model_validator(mode="after")
    def _own_network(self) -> GenerationCard:
        if self.weights.file == ONNX_WEIGHTS:
            raise ValueError("weights.file is an ONNX file, which only synthesis models can have")
        return self


Card = Annotated[
    Annotated[SynthesisCard, Tag("synthesis")] | Annotated[GenerationCard, Tag("generation")],
    Discriminator(kind_of),
]


class Tensor(BaseModel):
    """A network input or output in the format of MONAI's metadata schema."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    format: str
    modality: str = "n/a"
    num_channels: int
    spatial_shape: list[int | str]
    dtype: str
    value_range: list[float]
    is_patch_data: bool
    channel_def: dict[str, str]


class DataFormat(BaseModel):
    """Inputs and outputs by name."""

    model_config = ConfigDict(extra="allow", frozen=True)

    inputs: dict[str, Tensor] = Field(min_length=1)
    outputs: dict[str, Tensor] = Field(min_length=1)


class Metadata(BaseModel):
    """``configs/metadata.json``: the keys that MONAI's bundle schema requires, and ``medsynth``."""

    model_config = ConfigDict(extra="allow", frozen=True)

    version: Version
    changelog: dict[Version, str]
    monai_version: str
    pytorch_version: str
    numpy_version: str
    required_packages_version: dict[str, str]
    task: str
    description: str
    authors: str
    copyright: str
    intended_use: str
    references: list[str] = []
    network_data_format: DataFormat
    medsynth: Card


def read_metadata(folder: Path) -> Metadata:
    """Return the metadata of the package in ``folder``.

    Raises:
        MedSynthError: there is none, or it is not valid (the message names the key).
    """
    path = folder / METADATA
    try:
        content = read_json(path)
    except OSError as error:
        raise MedSynthError(
            f"{folder} is not a model package: it has no readable {METADATA.as_posix()}.", kind="model"
        ) from error
    except ValueError as error:
        raise MedSynthError(
            f"The model card {path} is not valid JSON: {error}; download the package again.", kind="model"
        ) from error
    try:
        return Metadata.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        # Without the tags of the union of card kinds.
        parts = [str(part) for part in first["loc"] if part not in ("synthesis", "generation")]
        where, why = ".".join(parts) or "the whole file", first["msg"].removeprefix("Value error, ")
        raise MedSynthError(
            f"The model card {path} is not valid at '{where}': {why}; download the package again.",
            kind="model",
        ) from error
