"""The card of a model: MONAI's bundle metadata, with MedSynth's part under its own key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from medsynth_core.errors import MedSynthError
from medsynth_core.preparation.contract import Contract

METADATA = Path("configs/metadata.json")
WEIGHTS: Literal["models/model.safetensors"] = "models/model.safetensors"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]
Version = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]

# Pairs of (synthetic value, root mean square error).
ErrorCurve = Annotated[tuple[tuple[float, float], ...], Field(min_length=2)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NetworkSpec(_Part):
    """A network of the registry with its options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class Weights(_Part):
    """The file with the weights: its place in the package, SHA-256 and precision."""

    file: Literal["models/model.safetensors"] = WEIGHTS
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    precision: Literal["float16", "float32"] = "float16"


class Training(_Part):
    """Where the weights come from; the records themselves lie in the package's ``docs/training``."""

    recipe: dict[str, Any]
    split: dict[str, list[str]]
    best_epoch: int
    environment: dict[str, Any]
    command: str


class Card(_Part):
    """What MedSynth knows of a model beyond MONAI's metadata.

    Attributes:
        error_curve: pairs of (synthetic value, root mean square error there in the validation cases), in the
            output's unit: what the model says of its own uncertainty.
        dose_error_curves: the same for each of the contract's dose factors, of a model that tells doses apart; the
            error of an input depends on its dose more than on anything else.
        metrics: by split, mean over cases, on the grid of the network.
        comparison: rows of a table that sets the model against baselines on the test cases, on their own grid:
            ``method``, and ``METRIC_mean`` and ``METRIC_sd`` of each metric.
    """

    format: Literal[1] = 1
    name: Name
    title: str
    limits: tuple[str, ...] = Field(min_length=1)
    licence: str
    data_licence: str
    contract: Contract
    network: NetworkSpec
    weights: Weights
    error_curve: ErrorCurve
    dose_error_curves: tuple[ErrorCurve, ...] = ()
    training: Training
    metrics: dict[str, dict[str, float]]
    comparison: tuple[dict[str, str | float], ...] = ()

    @model_validator(mode="after")
    def _rising(self) -> Card:
        for curve in (self.error_curve, *self.dose_error_curves):
            values, errors = np.array(curve).T
            if not (np.diff(values) >= 0).all() or not (errors >= 0).all() or not np.isfinite(values + errors).all():
                raise ValueError("the values of error_curve must rise, and its errors be finite and not negative")
        if self.dose_error_curves and len(self.dose_error_curves) != len(self.contract.dose_factors):
            raise ValueError("dose_error_curves must have one curve for each of the contract's dose_factors")
        return self


class Tensor(BaseModel):
    """A network's input or output, as MONAI's metadata schema describes it."""

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
    changelog: dict[str, str]
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
        MedSynthError: there is none, or it is not valid (the key is named).
    """
    path = folder / METADATA
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MedSynthError(
            f"{folder} is not a model package: it has no readable {METADATA.as_posix()}.", kind="model"
        ) from error
    except (ValueError, RecursionError) as error:
        raise MedSynthError(
            f"The model card {path} is not JSON: {error}; get the package again.", kind="model"
        ) from error
    try:
        return Metadata.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise MedSynthError(
            f"The model card {path} is not valid at '{where}': {first['msg']}; get the package again.", kind="model"
        ) from error
