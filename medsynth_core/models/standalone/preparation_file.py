"""``preparation.json`` of an exported model: all that its runner needs beside the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from medsynth_core.io.digest import sha256
from medsynth_core.models.package import Model
from medsynth_core.models.standalone.graph import FILES, Format
from medsynth_core.preparation.contract import Side
from medsynth_core.version import __version__

FORMAT = 1
NOTICE = "Synthetic image, not for diagnosis."
# Fields of the contract that are taken as they are.
SHARED = ("spacing", "matrix", "slices", "slab", "frame", "body_margin", "voxel_limits", "flip_average")


def preparation(model: Model, network: nn.Module, kind: Format, folder: Path) -> dict[str, Any]:
    """Return the content of ``preparation.json`` for a model whose network has been written to ``folder``."""
    contract = model.synthesis.contract
    stated = contract.model_dump(mode="json")
    return {
        "format": FORMAT,
        "notice": NOTICE,
        "medsynth_version": __version__,
        "model": {
            "name": model.name,
            "version": model.metadata.version,
            "weights_sha256": model.card.weights.sha256,
            "limits": list(model.card.limits),
        },
        "inputs": side_facts(contract.inputs),
        "outputs": side_facts(contract.outputs),
        **{key: stated[key] for key in SHARED},
        "network": _network(network, kind),
        "files": {name: sha256(folder / name) for name in FILES[kind]},
    }


def side_facts(sides: Mapping[str, Side]) -> list[dict[str, Any]]:
    """Return what ``preparation.json`` states about the inputs or outputs of a contract."""
    return [
        {
            "role": role,
            "modality": side.modality,
            "unit": side.unit,
            "optional": side.optional,
            "nothing": side.nothing,
            "empty": side.empty,
            "intensity": side.intensity.model_dump(mode="json"),
        }
        for role, side in sides.items()
    ]


def _network(network: Any, kind: Format) -> dict[str, Any]:
    volumes = getattr(network, "spatial_dims", 2) == 3
    return {
        "format": kind,
        "file": FILES[kind][0],
        "input_channels": network.in_channels,
        "output_channels": network.out_channels,
        "multiple_of": network.multiple_of,
        "halo": int(getattr(network, "halo", 0)),
        "memory_per_voxel": network.memory_per_voxel() if volumes else 0,
    }
