"""From the best weights of a training to a model package with its card."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import torch

from medsynth_core.datasets.manifest import SPLITS, Case, read_manifest, split_of
from medsynth_core.errors import MedSynthError
from medsynth_core.inference.choice import AnyPredictor, create_predictor
from medsynth_core.inference.device import choose_device
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.table import write_rows
from medsynth_core.models.card import METADATA, WEIGHTS, read_metadata
from medsynth_core.models.markdown import card_text
from medsynth_core.models.package import sha256
from medsynth_core.networks.registry import create_network
from medsynth_core.progress import Progress
from medsynth_core.training.arrays import Pair, load_pairs
from medsynth_core.training.lock import RunLock
from medsynth_core.training.recipe import About, Recipe, needed_roles, read_recipe
from medsynth_core.training.run_folder import RunFolder
from medsynth_core.training.validation import error_curve, mean_scores, validate
from medsynth_core.training.watching import CASES, RECIPE

RECORDS = ("recipe.yaml", "split.csv", "metrics.csv", "environment.json")


@dataclass(frozen=True)
class Published:
    """A package, and how good its weights are on each case of the test split (empty without one)."""

    package: Path
    test: dict[str, dict[str, float]]


def publish(
    recipe: Recipe, cases: list[Case], folder: RunFolder, device: torch.device, progress: Progress
) -> Published:
    """Write the package of a training's best weights into its folder.

    Weights are stored in half precision, and judged as stored: on the validation cases, and on the test cases if
    the manifest has any. The package is there whole or not at all.

    Raises:
        MedSynthError: it cannot be written, or the training has no validated epoch yet.
        Cancelled: the progress callback asked to stop.
    """
    if not folder.best.is_file():
        raise MedSynthError(
            f"The training in {folder.path} has no validated epoch yet; train for at least one before publishing."
        )
    val = load_pairs(split_of(cases, "val"), recipe, progress.part(0, 0.3), _cache(folder))
    tested = [case for case in cases if case.split == "test"]
    test = load_pairs(tested, recipe, progress.part(0.3, 0.9), _cache(folder))
    package = folder.package(recipe)
    try:
        with TemporaryDirectory(dir=folder.path, prefix=".package-") as temporary:
            made = Path(temporary) / recipe.name
            scores = _write_package(made, recipe, cases, val, test, folder, device)
            shutil.rmtree(package, ignore_errors=True)
            os.replace(made, package)
    except OSError as error:
        raise MedSynthError(f"The package {package} cannot be written: {error.strerror}.", kind="output") from error
    progress(1.0, f"The package is in {package}")
    return Published(package, scores)


def publish_run(
    run: str | Path,
    *,
    data: str | Path | None = None,
    about: About | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Published:
    """Write the package of a run's best weights so far, finished or not, with another card if ``about`` is given.

    Args:
        run: the run's folder.
        data: the manifest; None takes the one that the run keeps.
        about: what the card says in words.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        progress: reports.

    Raises:
        MedSynthError: there is no such run, another process is training there, or as `publish`.
    """
    folder = RunFolder(run)
    recipe = read_recipe(folder.path / RECIPE)
    lock = RunLock(folder.path)
    try:
        roles = needed_roles(recipe)
        cases = read_manifest(data or folder.path / CASES, roles, check_files=recipe.system != "cyclegan")
        if about is not None:
            recipe = recipe.model_copy(update={"about": about})
        return publish(recipe, cases, folder, choose_device(device), progress or Progress())
    finally:
        lock.release()


def _cache(folder: RunFolder) -> Path | None:
    return folder.arrays if folder.arrays.is_dir() else None


def _write_package(
    package: Path,
    recipe: Recipe,
    cases: list[Case],
    val: list[Pair],
    test: list[Pair],
    folder: RunFolder,
    device: torch.device,
) -> dict[str, dict[str, float]]:
    """Write the package and return the scores of the test cases."""
    (package / "models").mkdir(parents=True)
    (package / "configs").mkdir()
    (package / "docs" / "training").mkdir(parents=True)
    _store_half(folder.best, package / WEIGHTS)
    predictor = create_predictor(_stored_network(recipe, package), recipe.contract, device)
    scores = validate(predictor, test, recipe.contract)
    metrics = {"val": mean_scores(list(validate(predictor, val, recipe.contract).values()))}
    if test:
        metrics["test"] = mean_scores(list(scores.values()))
        rows = [{"case": case, **values} for case, values in scores.items()]
        write_rows(rows, package / "docs" / "training" / "test.csv")
    curves = _error_curves(predictor, val, recipe)
    metadata = _metadata(recipe, cases, folder, package, metrics, curves)
    _write_json(package / METADATA, metadata)
    _write_json(package / "configs" / "inference.json", INFERENCE)
    for record in RECORDS:
        shutil.copyfile(folder.path / record, package / "docs" / "training" / record)
    (package / "docs" / "README.md").write_text(card_text(read_metadata(package)), encoding="utf-8")
    return scores


INFERENCE = {
    "imports": ["$from medsynth_core.inference.bundle import run_bundle"],
    "bundle_root": ".",
    "input_file": "input.nii.gz",
    "output_file": "output.nii.gz",
    "device": "auto",
    "initialize": [],
    "run": ["$run_bundle(@bundle_root, @input_file, @output_file, @device)"],
    "finalize": [],
}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _store_half(source: Path, target: Path) -> None:
    from safetensors.torch import load_file, save

    state = load_file(source)
    half = {name: value.half() if value.dtype == torch.float32 else value for name, value in state.items()}
    # Not by safetensors itself, which lets nobody else read its files.
    target.write_bytes(save(half))


def _stored_network(recipe: Recipe, package: Path) -> torch.nn.Module:
    from safetensors.torch import load_file

    network = create_network(recipe.network.name, **recipe.network.options)
    network.load_state_dict(load_file(package / WEIGHTS))
    return network


def _error_curves(predictor: AnyPredictor, val: list[Pair], recipe: Recipe) -> dict[str, Any]:
    """Return the card's error curve and, of a network that tells doses apart, one for each of them."""
    curves: dict[str, Any] = {"error_curve": np.round(error_curve(predictor, val, recipe.contract), 4).tolist()}
    if recipe.dose is not None and hasattr(predictor.network, "with_class"):
        doses = range(len(recipe.contract.dose_factors))
        parts = [[pair for pair in val if pair.dose == dose] for dose in doses]
        found = [error_curve(predictor, pairs, recipe.contract) for pairs in parts]
        curves["dose_error_curves"] = [np.round(curve, 4).tolist() for curve in found]
    return curves


def _metadata(
    recipe: Recipe,
    cases: list[Case],
    folder: RunFolder,
    package: Path,
    metrics: dict[str, dict[str, float]],
    curves: dict[str, Any],
) -> dict[str, Any]:
    """Return the package's metadata: MONAI's keys, and MedSynth's."""
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
        "task": f"{contract.input.modality} to {contract.output.modality} synthesis",
        "description": about.description,
        "authors": about.authors,
        "copyright": f"Copyright (c) {about.authors}",
        "intended_use": about.intended_use,
        "references": list(about.references),
        "network_data_format": _data_format(recipe),
        "medsynth": {
            "name": recipe.name,
            "title": about.title,
            "limits": about.limits,
            "licence": about.licence,
            "data_licence": about.data_licence,
            "contract": contract.model_dump(mode="json"),
            "network": recipe.network.model_dump(mode="json"),
            "weights": {"file": WEIGHTS, "sha256": sha256(package / WEIGHTS), "precision": "float16"},
            **curves,
            "training": {
                "recipe": recipe.model_dump(mode="json"),
                "split": {split: [case.name for case in cases if case.split == split] for split in SPLITS},
                "best_epoch": folder.best_epoch(recipe.choose_by),
                "environment": environment,
                "command": f"medsynth train {recipe.name}.yaml --data MANIFEST.csv --output RUN",
            },
            "metrics": {
                split: {name: round(value, 4) for name, value in scores.items()} for split, scores in metrics.items()
            },
        },
    }


def _data_format(recipe: Recipe) -> dict[str, Any]:
    """Describe the network's tensors as MONAI's schema asks for it."""
    network = create_network(recipe.network.name, **recipe.network.options)
    side = f"{network.multiple_of}*n"
    channels = cast(int, network.in_channels)
    common = {"dtype": "float32", "is_patch_data": False, "value_range": [], "spatial_shape": [side, side]}
    middle = channels // 2
    return {
        "inputs": {
            "image": {
                "type": "image",
                "format": "hounsfield" if recipe.contract.input.unit == "HU" else "magnitude",
                "modality": recipe.contract.input.modality,
                "num_channels": channels,
                "channel_def": {str(index): f"slice {index - middle:+d}" for index in range(channels)},
                **common,
            }
        },
        "outputs": {
            "pred": {
                "type": "image",
                "format": recipe.contract.output.unit,
                "modality": recipe.contract.output.modality,
                "num_channels": 1,
                "channel_def": {"0": recipe.contract.output.unit},
                **common,
            }
        },
    }
