"""The folder of one training: what it was, how it went, and the weights."""

from __future__ import annotations

import csv
import json
import platform
import shutil
from importlib.metadata import version
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from medsynth_core import __version__
from medsynth_core.datasets.manifest import Case, write_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.table import write_rows
from medsynth_core.training.journal import METRICS
from medsynth_core.training.recipe import Recipe, read_recipe, write_recipe
from medsynth_core.training.watching import CASES, CHECKPOINT, RECIPE, STOP

LOWER_IS_BETTER = {"mae": True, "psnr": False, "ssim": False, "nrmse": True}
PACKAGES = ("torch", "monai", "numpy", "scipy", "SimpleITK")


class RunFolder:
    """Files of a training, each written as a whole or not at all.

    ``recipe.yaml``, ``cases.csv`` (manifest), ``split.csv`` (cases without their files, for the model's package),
    ``environment.json`` (versions and hardware), ``metrics.csv`` (a row an epoch), ``events.jsonl``, ``previews``,
    ``tensorboard``, ``checkpoint.pt`` (to go on), ``best.safetensors`` (weights of the best validated epoch) and, while
    it trains, ``arrays`` (prepared cases).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def best(self) -> Path:
        """File of the best weights."""
        return self.path / "best.safetensors"

    @property
    def _checkpoint(self) -> Path:
        return self.path / CHECKPOINT

    @property
    def arrays(self) -> Path:
        """Folder of the prepared cases."""
        return self.path / "arrays"

    def make(self) -> None:
        """Make the folder.

        Raises:
            MedSynthError: it cannot be made.
        """
        try:
            self.arrays.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MedSynthError(
                f"The folder {self.path} cannot be made: {error.strerror}; choose another.", kind="output"
            ) from error

    def stop_requested(self) -> bool:
        """Return whether somebody wants the training to stop."""
        return (self.path / STOP).exists()

    def forget_stop(self) -> None:
        """Forget a wish to stop that has been heeded, or that nobody was there to heed."""
        (self.path / STOP).unlink(missing_ok=True)

    def forget_arrays(self) -> None:
        """Remove the prepared cases, which are large and can be made again."""
        shutil.rmtree(self.arrays, ignore_errors=True)

    def package(self, recipe: Recipe) -> Path:
        """Return the folder of the package that the training makes."""
        return self.path / recipe.name

    def epochs_done(self) -> int:
        """Return how many epochs are logged."""
        return len(self._read_rows(METRICS)) if (self.path / METRICS).exists() else 0

    def check_free(self) -> None:
        """Make sure, before long work, that no training is here.

        Raises:
            MedSynthError: the folder holds another training.
        """
        if self._checkpoint.exists():
            raise MedSynthError(
                f"The folder {self.path} holds a training already; resume it (--resume) or choose another folder.",
                kind="output",
            )

    def start(self, recipe: Recipe, cases: list[Case], device: torch.device) -> None:
        """Write down what a new training is."""
        write_recipe(recipe, self.path / RECIPE)
        write_manifest(cases, self.path / CASES)
        write_rows(_split_rows(cases), self.path / "split.csv")
        environment = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "threads": torch.get_num_threads(),
            "medsynth-core": __version__,
            **{package: version(package) for package in PACKAGES},
        }
        with atomic_write(self.path / "environment.json") as temporary:
            temporary.write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")

    def check_resumable(self, recipe: Recipe, cases: list[Case]) -> None:
        """Make sure that a checkpoint of the same recipe and the same split is here.

        Raises:
            MedSynthError: there is none, or it belongs to another recipe or split.
        """
        if not self._checkpoint.exists():
            raise MedSynthError(f"The folder {self.path} holds no checkpoint to resume; start without --resume.")
        if read_recipe(self.path / RECIPE) != recipe:
            raise MedSynthError(
                f"The training in {self.path} follows another recipe; resume it with its own recipe.yaml."
            )
        if self._read_rows("split.csv") != _split_rows(cases):
            raise MedSynthError(
                f"The training in {self.path} has another split of cases than the manifest; resume it with the cases "
                "of its own split.csv."
            )

    def best_epoch(self, choose_by: str) -> int:
        """Return the epoch whose weights are the best ones by a validation metric."""
        rows = [row for row in self._read_rows(METRICS) if row.get(f"val_{choose_by}")]
        best = min if LOWER_IS_BETTER[choose_by] else max
        return int(best(rows, key=lambda row: float(row[f"val_{choose_by}"]))["epoch"])

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Write what a training needs to go on."""
        with atomic_write(self._checkpoint) as temporary:
            try:
                torch.save(state, temporary)
            except RuntimeError as error:
                # What torch calls a write that failed.
                raise OSError("the disk is full or not writable") from error

    def read_checkpoint(self, device: torch.device) -> dict[str, Any]:
        """Return what `write_checkpoint` wrote.

        Raises:
            MedSynthError: the file is damaged.
        """
        try:
            return torch.load(self._checkpoint, map_location=device, weights_only=True)
        except (RuntimeError, EOFError, OSError, UnpicklingError) as error:
            raise MedSynthError(f"The checkpoint {self._checkpoint} is damaged; start anew.", kind="model") from error

    def write_best(self, network: nn.Module) -> None:
        """Write weights as safetensors."""
        from safetensors.torch import save

        with atomic_write(self.best) as temporary:
            # Not by safetensors itself, whose failures are no `OSError`.
            temporary.write_bytes(save({name: value.contiguous() for name, value in network.state_dict().items()}))

    def _read_rows(self, name: str) -> list[dict[str, str]]:
        try:
            with (self.path / name).open(newline="", encoding="utf-8") as file:
                return list(csv.DictReader(file))
        except OSError as error:
            raise MedSynthError(f"The file {self.path / name} cannot be read: {error.strerror}.") from error


def _split_rows(cases: list[Case]) -> list[dict[str, str]]:
    return [{"case": case.name, "split": case.split} for case in cases]
