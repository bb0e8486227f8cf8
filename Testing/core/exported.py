"""Exported models run where nothing but NumPy, SimpleITK and what runs the network can be imported."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from medsynth_core.io.digest import sha256
from medsynth_core.io.reading import read_volume
from medsynth_core.io.writing import write_volume
from medsynth_core.resources import resource_folder
from medsynth_core.volume import Volume

BLOCKED = ("medsynth_core", "torch", "monai", "scipy", "skimage", "pydantic", "onnx")
# Largest difference from the result of MedSynth, as a share of its range.
AGREEMENT = 1e-4


def blocking(folder: Path) -> dict[str, str]:
    """Return the environment of a Python that cannot import what an exported model must not need."""
    for name in BLOCKED:
        (folder / f"{name}.py").write_text(f'raise ImportError("{name} is blocked")\n')
    return {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def run_exported(model: Path, folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run an exported model; ``folder`` is an empty one for what blocks packages."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, model / "run.py", *words]
    return subprocess.run(command, env=blocking(folder), capture_output=True, text=True, check=False)


def made_by(model: Path, volume: Volume, folder: Path) -> Volume:
    """Return what an exported model with one input makes of a volume, through files in ``folder``."""
    source = write_volume(volume, folder / "source.nii.gz")
    done = run_exported(model, folder / "blocked", source, folder / "made.nii.gz")
    assert done.returncode == 0, done.stderr
    return read_volume(folder / "made.nii.gz")


def difference(made: Volume, wanted: Volume) -> float:
    """Return the largest difference between two images as a share of the range of the second."""
    return float(np.abs(made.voxels - wanted.voxels).max() / np.ptp(wanted.voxels))


def changed_package(folder: Path, network: str, options: dict[str, Any], **contract: Any) -> Path:
    """Return a package with another network, with weights by a rule, and changes to the contract of ct-to-pet."""
    from fixed_weights import fill
    from safetensors.torch import save_file

    from medsynth_core.networks.registry import create_network

    shutil.copytree(resource_folder() / "Models" / "ct-to-pet", folder)
    weights = folder / "models" / "model.safetensors"
    save_file(fill(create_network(network, **options)).state_dict(), weights)
    path = folder / "configs" / "metadata.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    own = card["medsynth"]
    own["name"], own["network"] = "changed", {"name": network, "options": options}
    own["weights"].update(sha256=sha256(weights), precision="float32")
    own["contract"].update(contract)
    own.update(error_curve=[], comparison=[])
    path.write_text(json.dumps(card), encoding="utf-8")
    return folder


@contextmanager
def imported_runner(folder: Path) -> Iterator[Callable[[str], ModuleType]]:
    """Yield a function that imports a module of a copy of the runner in ``folder``."""
    shutil.copytree(resource_folder() / "Export" / "medsynth_runner", folder / "medsynth_runner")
    sys.path.insert(0, str(folder))
    try:
        yield lambda name: importlib.import_module(f"medsynth_runner.{name}")
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == "medsynth_runner"]:
            del sys.modules[name]
