"""The folder of one training run: recipe, split, logs, checkpoint and weights."""

from __future__ import annotations

import platform
import re
import shutil
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from medsynth_core.compute.hardware import processor_name, total_memory_gb
from medsynth_core.datasets.manifest import Case, write_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.json_file import write_json
from medsynth_core.io.table import read_rows, write_rows
from medsynth_core.metrics.earlier_names import todays_scores
from medsynth_core.metrics.registry import signed
from medsynth_core.preparation.contract_images import role_order
from medsynth_core.recipes.recipe import Recipe, read_recipe, write_recipe
from medsynth_core.training.event_log import METRICS
from medsynth_core.training.previews import FOLDER as PREVIEWS
from medsynth_core.training.run_watch import BEST, CASES, CHECKPOINT, RECIPE, STOP
from medsynth_core.version import __version__, library_versions, source_commit

# Names of `io.atomic` and of packages that are being written.
LEFTOVER = re.compile(r"\.[0-9a-f]{8}-.+|\.package-\d+-[0-9a-f]{8}")


class RunFolder:
    """Files of a training run, each written atomically.

    ``recipe.yaml``, ``cases.csv`` (manifest), ``split.csv`` (cases without their files, for the model's package),
    ``environment.json`` (versions and hardware), ``metrics.csv`` (one row per epoch), ``events.jsonl``, ``previews``,
    ``tensorboard``, ``checkpoint.pt`` (to resume from), ``best.safetensors`` (weights of the best validated epoch)
    and, during training, ``arrays`` (prepared cases).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def best(self) -> Path:
        """File of the best weights."""
        return self.path / BEST

    @property
    def _checkpoint(self) -> Path:
        return self.path / CHECKPOINT

    @property
    def arrays(self) -> Path:
        """Folder of the prepared cases."""
        return self.path / "arrays"

    def make(self) -> None:
        """Create the folder.

        Raises:
            MedSynthError: it cannot be created.
        """
        try:
            self.arrays.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MedSynthError(
                f"The folder {self.path} cannot be created: {reason_of(error)}; choose another.", kind="output"
            ) from error

    def stop_requested(self) -> bool:
        """Return whether there is a stop request."""
        return (self.path / STOP).exists()

    def delete_stop_request(self) -> None:
        """Delete the stop request, whether it was carried out or is stale."""
        (self.path / STOP).unlink(missing_ok=True)

    def delete_arrays(self) -> None:
        """Delete the prepared cases, which are large and can be recreated."""
        shutil.rmtree(self.arrays, ignore_errors=True)

    def remove_leftovers(self) -> None:
        """Remove temporary files that a killed process left; call it while holding the folder's lock."""
        for folder in (self.path, self.arrays, self.path / PREVIEWS):
            for path in folder.glob(".*-*"):
                if LEFTOVER.fullmatch(path.name):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def package(self, recipe: Recipe) -> Path:
        """Return the folder of the run's model package."""
        return self.path / recipe.name

    def epochs_done(self) -> int:
        """Return the number of epochs logged."""
        return len(self._read_rows(METRICS)) if (self.path / METRICS).exists() else 0

    def check_free(self) -> None:
        """Check, before any long work, that the folder contains no training.

        Raises:
            MedSynthError: the folder contains another training.
        """
        if self._checkpoint.exists():
            raise MedSynthError(
                f"The folder {self.path} already contains a training; resume it (--resume) or choose another folder.",
                kind="output",
            )

    def start(self, recipe: Recipe, cases: list[Case], device: torch.device) -> None:
        """Write recipe, manifest, split and environment of a new training."""
        write_recipe(recipe, self.path / RECIPE)
        write_manifest(cases, self.path / CASES)
        write_rows(_split_rows(cases), self.path / "split.csv")
        environment = {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "processor": processor_name(),
            "memory_gb": total_memory_gb(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "threads": torch.get_num_threads(),
            "medsynth-core": __version__,
            "commit": source_commit(),
            **library_versions(),
        }
        write_json(self.path / "environment.json", environment)

    def check_resumable(self, recipe: Recipe, cases: list[Case]) -> None:
        """Check that the folder contains a checkpoint of the same recipe and the same split.

        Raises:
            MedSynthError: there is none, or it belongs to another recipe or split, or to one with the inputs or
                outputs in another order.
        """
        if not self._checkpoint.exists():
            raise MedSynthError(f"The folder {self.path} contains no checkpoint to resume; start without --resume.")
        earlier = read_recipe(self.path / RECIPE)
        if not earlier.trains_as(recipe):
            raise MedSynthError(f"The training in {self.path} uses another recipe; resume it with its own recipe.yaml.")
        if role_order(earlier.contract) != role_order(recipe.contract):
            raise MedSynthError(
                f"The training in {self.path} has its inputs or outputs in another order, which determines the "
                "channels of the network; resume it with its own recipe.yaml."
            )
        if self._read_rows("split.csv") != _split_rows(cases):
            raise MedSynthError(
                f"The training in {self.path} uses a different split from the manifest; resume it with the cases of "
                "its own split.csv."
            )

    def check_trained_with(self, cases: list[Case]) -> None:
        """Check that training and validation cases are those of the run, because the card names them.

        Raises:
            MedSynthError: they are others.
        """
        ran, given = (
            {(row["case"], row["split"]) for row in rows if row["split"] != "test"}
            for rows in (self._read_rows("split.csv"), _split_rows(cases))
        )
        if ran != given:
            name, split = sorted(ran ^ given)[0]
            raise MedSynthError(
                f"The training in {self.path} had other cases than the manifest, which differs in '{name}' ({split}); "
                "give a manifest of its own training and validation cases."
            )

    def best_epoch(self, choose_by: str) -> int:
        """Return the epoch with the best value of a validation metric."""
        rows = [todays_scores(row, "val_") for row in self._read_rows(METRICS)]
        validated = [row for row in rows if row.get(f"val_{choose_by}")]
        best = min(validated, key=lambda row: signed(choose_by, float(row[f"val_{choose_by}"])))
        return int(best["epoch"])

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Write everything that a training needs to resume."""
        with atomic_write(self._checkpoint) as temporary:
            try:
                torch.save(state, temporary)
            except RuntimeError as error:
                # torch raises RuntimeError when writing fails.
                raise OSError("the disk is full or not writable") from error

    def read_checkpoint(self, device: torch.device) -> dict[str, Any]:
        """Return the state that `write_checkpoint` wrote.

        Raises:
            MedSynthError: the file is damaged.
        """
        try:
            return torch.load(self._checkpoint, map_location=device, weights_only=True)
        except (RuntimeError, EOFError, OSError, UnpicklingError) as error:
            raise MedSynthError(
                f"The checkpoint {self._checkpoint} is damaged; start again in another folder.", kind="model"
            ) from error

    def write_best(self, network: nn.Module) -> None:
        """Write weights as safetensors."""
        from safetensors.torch import save

        with atomic_write(self.best) as temporary:
            # Not written by safetensors itself, whose write errors are not `OSError`.
            temporary.write_bytes(save({name: value.contiguous() for name, value in network.state_dict().items()}))

    def _read_rows(self, name: str) -> list[dict[str, str]]:
        try:
            return [{column: cell or "" for column, cell in row.items()} for row in read_rows(self.path / name)]
        except (OSError, ValueError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else error
            raise MedSynthError(f"The file {self.path / name} cannot be read: {reason}.") from error


def _split_rows(cases: list[Case]) -> list[dict[str, str]]:
    return [{"case": case.name, "split": case.split} for case in cases]
