"""The folder of one training run: recipe, split, logs, checkpoint and weights."""

from __future__ import annotations

import math
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medsynth_core.compute.hardware import computer
from medsynth_core.datasets.manifest import Case, write_manifest
from medsynth_core.errors import MedSynthError
from medsynth_core.failures import reason_of
from medsynth_core.io.atomic import make_folder
from medsynth_core.io.json_file import write_json
from medsynth_core.io.json_reading import read_json
from medsynth_core.io.table import read_rows, write_rows
from medsynth_core.metrics.earlier_names import todays_scores
from medsynth_core.metrics.registry import signed
from medsynth_core.models.contents import is_litter
from medsynth_core.preparation.contract_images import role_order
from medsynth_core.recipes.about import parse_about
from medsynth_core.recipes.recipe import About, Recipe, read_recipe, write_recipe
from medsynth_core.training.event_log import EVENTS, METRICS, TENSORBOARD
from medsynth_core.training.file_record import FILES, record_files
from medsynth_core.training.lock import NAME as LOCK
from medsynth_core.training.previews import FOLDER as PREVIEWS
from medsynth_core.training.run_watch import (
    BEST,
    CASES,
    CHECKPOINT,
    CONSOLE,
    RECIPE,
    REQUEST,
    REQUESTED_CASES,
    REQUESTED_RECIPE,
    STOP,
    TEST_FIGURE,
)
from medsynth_core.training.stored_state import damaged, read_state, read_weights, write_state, write_weights

PREPARED = re.compile(r"[0-9a-f]{24}-.+\.npy")
# Names of `io.atomic` and of packages that are being written.
LEFTOVER = re.compile(r"\.[0-9a-f]{8}-.+|\.package-\d+-[0-9a-f]{8}")
ENVIRONMENT = "environment.json"
ABOUT = "about.json"
SPLIT = "split.csv"
ARRAYS = "arrays"
# What a folder may contain of a training before it begins, and before its first step.
REQUESTED = {REQUEST, REQUESTED_RECIPE, REQUESTED_CASES, CONSOLE, EVENTS, LOCK, STOP}
BEGUN = REQUESTED | {ENVIRONMENT, RECIPE, CASES, FILES, SPLIT, ARRAYS, PREVIEWS, TENSORBOARD, CHECKPOINT}
WRITTEN = BEGUN | {METRICS, BEST, ABOUT, TEST_FIGURE}


class RunFolder:
    """Files of a training run, each written atomically.

    ``recipe.yaml``, ``cases.csv`` (manifest), ``files.csv`` (what identifies its files), ``split.csv`` (cases without
    their files, for the model's package), ``environment.json`` (versions and hardware), ``metrics.csv`` (one row per
    epoch), ``events.jsonl``, ``previews``, ``tensorboard``, ``checkpoint.pt`` (to resume from), ``best.safetensors``
    (weights of the best validated epoch), ``about.json`` (a later text of the card) and, during training, ``arrays``
    (prepared cases).
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
        return self.path / ARRAYS

    def make(self) -> None:
        """Create the folder.

        Raises:
            MedSynthError: it cannot be created.
        """
        make_folder(self.path)

    def make_arrays(self) -> None:
        """Create the folder of the prepared cases.

        Raises:
            MedSynthError: it cannot be created.
        """
        make_folder(self.arrays)

    def stop_requested(self) -> bool:
        """Return whether there is a stop request."""
        return (self.path / STOP).exists()

    def delete_stop_request(self) -> None:
        """Delete the stop request, whether it was carried out or is stale."""
        (self.path / STOP).unlink(missing_ok=True)

    def delete_arrays(self) -> None:
        """Delete the prepared cases, which are large and can be recreated; nothing else is deleted."""
        for path in self.arrays.glob("*.npy"):
            if PREPARED.fullmatch(path.name):
                with suppress(OSError):
                    path.unlink()
        with suppress(OSError):
            self.arrays.rmdir()

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
        """Check, before anything is written, that a new training would replace nothing in the folder.

        It may contain what comes before the first step (the request of a window, and what an earlier process wrote
        that was killed or failed early), and files of other names, such as a console's log.

        Raises:
            MedSynthError: the folder contains another training, or a file or folder of a name that a training writes.
        """
        if self._checkpoint.exists() and self._has_taken_steps():
            raise MedSynthError(
                f"The folder {self.path} already contains a training; resume it (--resume) or choose another folder.",
                kind="output",
            )
        replaced = sorted(self._names() & WRITTEN - (BEGUN if self._begun() else REQUESTED))
        if replaced:
            raise MedSynthError(
                f"The folder {self.path} contains '{replaced[0]}', which a training would replace; choose a new folder "
                "for the training.",
                kind="output",
            )

    def _has_taken_steps(self) -> bool:
        """Return whether the checkpoint holds more than a training at its very beginning."""
        try:
            return self.read_checkpoint(torch.device("cpu")).get("step") != 0
        except MedSynthError:
            return True

    def _names(self) -> set[str]:
        """Return the names of what is in the folder, without what file managers and killed processes leave."""
        if not self.path.is_dir():
            return set()
        try:
            names = {path.name for path in self.path.iterdir()}
        except OSError as error:
            raise MedSynthError(
                f"The folder {self.path} cannot be read: {reason_of(error)}; choose another one.", kind="output"
            ) from error
        return {name for name in names if not is_litter(name) and not LEFTOVER.fullmatch(name)}

    def _begun(self) -> bool:
        """Return whether a training has begun in the folder."""
        try:
            content = read_json(self.path / ENVIRONMENT)
        except (OSError, ValueError):
            return False
        return isinstance(content, dict) and "medsynth-core" in content

    def start(self, recipe: Recipe, cases: list[Case], device: torch.device, precision: str) -> None:
        """Write environment, with the precision of computation, recipe, manifest and split of a new training."""
        environment = {
            **computer(),
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
            "precision": precision,
            "threads": torch.get_num_threads(),
        }
        # First, because it marks a folder in which a training has begun.
        write_json(self.path / ENVIRONMENT, environment)
        write_recipe(recipe, self.path / RECIPE)
        write_rows(_split_rows(cases), self.path / SPLIT)
        self.record(cases)

    def record(self, cases: list[Case]) -> None:
        """Write the manifest and what identifies its files; a run that continues may find its files elsewhere."""
        record_files(self.path, cases)
        write_manifest(cases, self.path / CASES)

    def keep_text(self, about: About) -> None:
        """Keep a text of the model card that was given to publish the run."""
        write_json(self.path / ABOUT, about.model_dump(mode="json"))

    def take_text(self, recipe: Recipe) -> None:
        """Keep the text of a recipe that the run is resumed with, if it is not the one that it began with."""
        if recipe.about != read_recipe(self.path / RECIPE).about:
            self.keep_text(recipe.about)

    def with_kept_text(self, recipe: Recipe) -> Recipe:
        """Return the recipe of the run with the text that was kept, unless its own is not the one that it began with.

        Raises:
            MedSynthError: the kept text is damaged.
        """
        if not (self.path / ABOUT).is_file() or recipe.about != read_recipe(self.path / RECIPE).about:
            return recipe
        try:
            content = read_json(self.path / ABOUT)
        except (OSError, ValueError) as error:
            raise MedSynthError(
                f"The text {self.path / ABOUT} of the model card cannot be read; remove it and publish again with the "
                "text that you want."
            ) from error
        return recipe.model_copy(update={"about": parse_about(content)})

    def check_resumable(self, recipe: Recipe, cases: list[Case]) -> None:
        """Check that the folder contains a checkpoint of the same recipe and the same split.

        Raises:
            MedSynthError: there is none, or it belongs to another recipe or split, or to one with the inputs or
                outputs in another order.
        """
        if not self._checkpoint.exists():
            raise MedSynthError(
                f"The folder {self.path} contains no checkpoint to resume; start the training "
                "again in a new folder, without --resume."
            )
        earlier = read_recipe(self.path / RECIPE)
        if not earlier.trains_as(recipe):
            raise MedSynthError(f"The training in {self.path} uses another recipe; resume it with its own recipe.yaml.")
        if role_order(earlier.contract) != role_order(recipe.contract):
            raise MedSynthError(
                f"The training in {self.path} has its inputs or outputs in another order, which determines the "
                "channels of the network; resume it with its own recipe.yaml."
            )
        if self._read_rows(SPLIT) != _split_rows(cases):
            classes = " or different classes" if any(case.label for case in cases) else ""
            raise MedSynthError(
                f"The training in {self.path} uses a different split{classes} from the manifest; resume it with the "
                "cases of its own split.csv."
            )

    def check_trained_with(self, cases: list[Case]) -> None:
        """Check that training and validation cases are those of the run, because the card names them.

        Raises:
            MedSynthError: they are others.
        """
        ran, given = (
            {(row["case"], row["split"], row.get("class", "")) for row in rows if row["split"] != "test"}
            for rows in (self._read_rows(SPLIT), _split_rows(cases))
        )
        if ran != given:
            name, split, _ = sorted(ran ^ given)[0]
            raise MedSynthError(
                f"The training in {self.path} had other cases than the manifest, which differs in '{name}' ({split}); "
                "give a manifest of its own training and validation cases."
            )

    def best_epoch(self, choose_by: str) -> int:
        """Return the epoch with the best value of a validation metric.

        Raises:
            MedSynthError: no epoch has one, or the log cannot be read.
        """
        rows = [todays_scores(row, "val_") for row in self._read_rows(METRICS)]
        try:
            validated = [row for row in rows if math.isfinite(float(row.get(f"val_{choose_by}") or "nan"))]
        except ValueError as error:
            raise MedSynthError(
                f"The log {self.path / METRICS} is damaged: '{choose_by}' is not a number in a line; put the original "
                "back, or train again in another folder."
            ) from error
        if not validated:
            raise MedSynthError(
                f"The training in {self.path} has no validated epoch yet; train for at least one before publishing."
            )
        best = min(validated, key=lambda row: signed(choose_by, float(row[f"val_{choose_by}"])))
        return int(best["epoch"])

    def write_checkpoint(self, state: dict[str, Any]) -> None:
        """Write everything that a training needs to resume."""
        write_state(state, self._checkpoint)

    def read_checkpoint(self, device: torch.device) -> dict[str, Any]:
        """Return the state that `write_checkpoint` wrote.

        Raises:
            MedSynthError: the file is damaged.
        """
        return read_state(self._checkpoint, device)

    def damaged_checkpoint(self) -> MedSynthError:
        """Return the refusal of a checkpoint whose content is not that of this training."""
        return damaged(self._checkpoint)

    def write_best(self, network: nn.Module) -> None:
        """Write weights as safetensors."""
        write_weights(network.state_dict(), self.best)

    def check_best(self) -> None:
        """Check the best weights so far.

        Raises:
            MedSynthError: they are missing or damaged.
        """
        read_weights(self.best)

    def _read_rows(self, name: str) -> list[dict[str, str]]:
        try:
            return [{column: cell or "" for column, cell in row.items()} for row in read_rows(self.path / name)]
        except (OSError, ValueError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else error
            raise MedSynthError(f"The file {self.path / name} cannot be read: {reason}.") from error


def _split_rows(cases: list[Case]) -> list[dict[str, str]]:
    """Return the split of each case and, in a training with classes, its class."""
    classified = any(case.label for case in cases)
    rows = [{"case": case.name, "split": case.split} for case in cases]
    return [{**row, "class": case.label} for row, case in zip(rows, cases, strict=True)] if classified else rows
