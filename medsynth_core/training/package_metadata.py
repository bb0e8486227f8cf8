"""The metadata of a published model: MONAI's bundle schema, and the model card under MedSynth's own key."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, cast

from medsynth_core.datasets.manifest import SPLITS, Case
from medsynth_core.io.digest import sha256
from medsynth_core.io.pictures import COLOURS
from medsynth_core.models.card import WEIGHTS
from medsynth_core.networks.registry import create_network
from medsynth_core.preparation.contract import Contract, Side, SynthesisContract
from medsynth_core.recipes.recipe import Recipe
from medsynth_core.training.run_folder import RunFolder

# MONAI's schema requires a text.
NOT_STATED = "Not stated"


def package_metadata(
    recipe: Recipe, cases: list[Case], folder: RunFolder, package: Path, facts: dict[str, Any]
) -> dict[str, Any]:
    """Return the metadata of a model package: the keys of MONAI bundles and MedSynth's own.

    Args:
        recipe: recipe of the training.
        cases: cases of all splits.
        folder: run folder.
        package: folder with the stored weights.
        facts: ``metrics`` by split and, for a model that has them, ``error_curve`` and ``dose_error_curves``.
    """
    about, contract = recipe.about, recipe.contract
    environment = json.loads((folder.path / "environment.json").read_text(encoding="utf-8"))
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json",
        "version": "1.0.0",
        "changelog": {"1.0.0": "First version."},
        "monai_version": environment["monai"],
        "pytorch_version": environment["torch"].split("+")[0],
        "numpy_version": environment["numpy"],
        "required_packages_version": {name: environment[name] for name in ("medsynth-core", "scipy", "SimpleITK")},
        "name": about.title,
        "task": _task(contract),
        "description": about.description,
        "authors": about.authors or NOT_STATED,
        "copyright": NOT_STATED if about.authors in ("", NOT_STATED) else f"Copyright (c) {about.authors}",
        "intended_use": about.intended_use,
        "references": list(about.references),
        "network_data_format": _data_format(recipe),
        "medsynth": {
            "format": 2,
            "kind": contract.kind,
            "name": recipe.name,
            "title": about.title,
            "limits": about.limits,
            "licence": about.licence,
            "data_licence": about.data_licence,
            "contract": contract.model_dump(mode="json"),
            "network": recipe.network.model_dump(mode="json"),
            "weights": {"file": WEIGHTS, "sha256": sha256(package / WEIGHTS), "precision": "float16"},
            **{key: value for key, value in facts.items() if key != "metrics"},
            "training": {
                "recipe": recipe.model_dump(mode="json"),
                "split": {split: [case.name for case in cases if case.split == split] for split in SPLITS},
                "best_epoch": folder.best_epoch(recipe.choose_by),
                "environment": environment,
                "command": f"medsynth train {recipe.name}.yaml --data MANIFEST.csv --output RUN",
            },
            "metrics": {
                # Not those that are not defined for the cases, which JSON has no value for.
                split: {name: round(value, 6) for name, value in scores.items() if math.isfinite(value)}
                for split, scores in facts["metrics"].items()
            },
        },
    }


def _task(contract: Contract) -> str:
    made = " and ".join(dict.fromkeys(side.modality for side in contract.outputs.values()))
    if not isinstance(contract, SynthesisContract):
        return f"{made} generation"
    given = " and ".join(dict.fromkeys(side.modality for side in contract.inputs.values()))
    return f"{given} to {made} synthesis"


def _data_format(recipe: Recipe) -> dict[str, Any]:
    """Return the description of the network's tensors in the format of MONAI's schema."""
    network = create_network(recipe.network.name, **recipe.network.options)
    contract = recipe.contract
    multiple = getattr(network, "multiple_of", 1)
    shape = [f"{multiple}*n"] * 2
    if not isinstance(contract, SynthesisContract):
        shape = [str(side) for side in contract.matrix]
    given = [
        _tensor(side, cast(int, network.in_channels) // len(contract.inputs), shape)
        for side in contract.inputs.values()
    ]
    if contract.kind == "generation" and contract.noise:
        given.append(_noise(contract.noise))
    channels = max(getattr(network, "out_channels", len(contract.outputs)) // len(contract.outputs), 1)
    made = [{**_tensor(side, channels, shape), "format": side.unit} for side in contract.outputs.values()]
    # MONAI bundles use these names for a single input or output, whatever it shows.
    names = (
        ["image"] if len(given) == 1 else [*contract.inputs, "noise"],
        ["pred"] if len(made) == 1 else [*contract.outputs],
    )
    return {
        "inputs": dict(zip(names[0], given, strict=False)),
        "outputs": dict(zip(names[1], made, strict=True)),
    }


def _tensor(side: Side, channels: int, shape: list[str]) -> dict[str, Any]:
    names = COLOURS if side.colours else [f"slice {index - channels // 2:+d}" for index in range(channels)]
    return {
        "type": "image",
        "format": "hounsfield" if side.unit == "HU" else "magnitude",
        "modality": side.modality,
        "num_channels": len(names),
        "channel_def": {str(index): name for index, name in enumerate(names)},
        "dtype": "float32",
        "is_patch_data": False,
        "value_range": [],
        "spatial_shape": shape,
    }


def _noise(length: int) -> dict[str, Any]:
    return {
        "type": "tuples",
        "format": "noise",
        "num_channels": length,
        "channel_def": {"0": "noise"},
        "dtype": "float32",
        "is_patch_data": False,
        "value_range": [],
        "spatial_shape": [length],
    }
