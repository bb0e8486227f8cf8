"""The card of a network of others: a YAML or JSON file, from which the metadata of a package are made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.yaml_file import read_yaml
from medsynth_core.models.card import ONNX, ONNX_WEIGHTS, Name, PlainText, Text, Version
from medsynth_core.models.foreign.network import LARGEST_MULTIPLE, Description
from medsynth_core.preparation.contract import Side, SynthesisContract
from medsynth_core.preparation.part import Part
from medsynth_core.version import library_versions

NOT_STATED = "Not stated"


class ForeignCard(Part):
    """What is to be said about a network of others.

    Attributes:
        name: name of the model in the library.
        title: title of the card.
        description: what the model does.
        limits: what it cannot do.
        intended_use: what it may be used for.
        licence: licence of the network.
        data_licence: licence and source of the training data.
        authors: who made it.
        references: publications.
        version: of the model, three numbers.
        multiple_of: rows, columns and, for volumes, slices must be multiples of it.
        contract: inputs and output, as in recipes and packages.
    """

    name: Name
    title: Text
    description: Text
    limits: tuple[Text, ...] = Field(min_length=1)
    intended_use: Text
    licence: Text
    data_licence: Text
    authors: PlainText = NOT_STATED
    references: tuple[Text, ...] = ()
    version: Version = "1.0.0"
    multiple_of: Annotated[int, Field(ge=1, le=LARGEST_MULTIPLE)] = 1
    contract: SynthesisContract


def read_card(path: Path) -> ForeignCard:
    """Return the card in a YAML or JSON file.

    Raises:
        MedSynthError: it cannot be read, or has a key or value that is not valid (named).
    """
    try:
        return ForeignCard.model_validate(read_yaml(path))
    except OSError as error:
        raise MedSynthError(f"The card {path} cannot be read: {reason_of(error)}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        why = first["msg"].removeprefix("Value error, ")
        raise MedSynthError(f"The card {path} is not valid at '{where}': {why}; correct it.") from error
    except ValueError as error:
        raise MedSynthError(f"The card {path} is not a YAML or JSON file: {error}.") from error


def metadata(card: ForeignCard, network: Description, sha256: str) -> dict[str, Any]:
    """Return the metadata of the package of a network of others.

    Args:
        card: what is said about it.
        network: the network.
        sha256: of its file.
    """
    versions, contract, made = library_versions(), card.contract, card.contract.output
    channels = network.layout.in_channels // len(contract.inputs)
    return {
        "version": card.version,
        "changelog": {card.version: "Imported from ONNX."},
        "monai_version": versions["monai"],
        "pytorch_version": versions["torch"],
        "numpy_version": versions["numpy"],
        "required_packages_version": {},
        "name": card.title,
        "task": f"{' and '.join(side.modality for side in contract.inputs.values())} to {made.modality} synthesis",
        "description": card.description,
        "authors": card.authors,
        "copyright": NOT_STATED,
        "intended_use": card.intended_use,
        "references": list(card.references),
        "network_data_format": {
            "inputs": {role: _tensor(side, network, channels) for role, side in contract.inputs.items()},
            "outputs": {
                role: _tensor(side, network, network.layout.output.channels) for role, side in contract.outputs.items()
            },
        },
        "medsynth": {
            "format": 2,
            "kind": "synthesis",
            "name": card.name,
            "title": card.title,
            "limits": list(card.limits),
            "licence": card.licence,
            "data_licence": card.data_licence,
            "contract": contract.model_dump(mode="json"),
            "network": {"name": ONNX, "options": {"multiple_of": card.multiple_of}},
            "weights": {"file": ONNX_WEIGHTS, "sha256": sha256, "precision": "float32"},
            "training": {"recipe": {}, "split": {}, "best_epoch": 0, "environment": {}, "command": ""},
            "metrics": {},
        },
    }


def _tensor(side: Side, network: Description, channels: int) -> dict[str, Any]:
    return {
        "type": "image",
        "format": "hounsfield" if side.unit == "HU" else "magnitude",
        "modality": side.modality,
        "num_channels": channels,
        "channel_def": {str(index): f"channel {index}" for index in range(channels)},
        "dtype": "float32",
        "is_patch_data": False,
        "value_range": [],
        "spatial_shape": [f"{network.multiple_of}*n"] * network.layout.spatial_dims,
    }
