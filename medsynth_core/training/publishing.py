"""Publish the best weights of a training as a model package with a model card."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medsynth_core.compute.device import choose_device
from medsynth_core.datasets.completeness import needed_cases
from medsynth_core.datasets.manifest import Case, split_of
from medsynth_core.errors import Cancelled, MedSynthError
from medsynth_core.failures import as_user_error, reason_of
from medsynth_core.interruption import held_back
from medsynth_core.io.digest import sha256
from medsynth_core.io.json_file import write_json
from medsynth_core.io.table import write_rows
from medsynth_core.io.temporary import temporary_folder
from medsynth_core.models.card import FEWEST_VALIDATED, METADATA, RECORDS_FILE, WEIGHTS, read_metadata
from medsynth_core.models.contents import INFERENCE, INFERENCE_FILE, RECORDS, check_replaceable
from medsynth_core.models.markdown import card_text
from medsynth_core.models.records import LESIONS, SMALL_PICTURES, write_records
from medsynth_core.models.weights import check_weights
from medsynth_core.networks.registry import create_network
from medsynth_core.preparation.contract import SynthesisContract
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import About, Recipe, read_recipe
from medsynth_core.systems.base import Records
from medsynth_core.systems.registry import SYSTEMS
from medsynth_core.training.case_figure import draw_test_case
from medsynth_core.training.claims import check_claims, of_own_training
from medsynth_core.training.event_log import append_event
from medsynth_core.training.lock import RunLock
from medsynth_core.training.package_metadata import package_metadata
from medsynth_core.training.prepared_cases import load_cases
from medsynth_core.training.run_folder import RunFolder
from medsynth_core.training.run_watch import CASES, RECIPE, TEST_FIGURE, TEST_SCORES
from medsynth_core.training.stored_state import read_weights
from medsynth_core.training.validation import Trained, error_curve, mean_scores, undefined_scores

# Metrics by case or by split.
CaseScores = dict[str, dict[str, float]]
FEW_VALIDATED = (
    f"The card states no usual error, because fewer than {FEWEST_VALIDATED} patients are in the validation split; add "
    "patients to it and publish again."
)


@dataclass(frozen=True)
class Published:
    """Result of publishing a training.

    Attributes:
        package: folder of the model package.
        test: metrics of the stored weights for each case of the test split; empty if there is no test split.
        figure: picture of the first test case; None if none was drawn (see `draw_test_case`).
    """

    package: Path
    test: CaseScores
    figure: Path | None


def publish(
    recipe: Recipe, cases: list[Case], folder: RunFolder, device: torch.device, progress: Progress
) -> Published:
    """Write a model package of the best weights into the run folder.

    Weights are stored in half precision and evaluated as stored: on the validation cases and, if the manifest has
    any, on the test cases, the first of which is drawn. The package is written atomically.

    Raises:
        MedSynthError: the package cannot be written, or the training has no validated epoch yet.
        Cancelled: the progress callback requested a stop.
    """
    if not folder.best.is_file():
        raise MedSynthError(
            f"The training in {folder.path} has no validated epoch yet; train for at least one before publishing."
        )
    folder.best_epoch(recipe.choose_by)  # refuses weights that the log knows nothing of
    package = folder.package(recipe)
    check_replaceable(package)
    validated = split_of(cases, "val")
    if isinstance(recipe.contract, SynthesisContract) and not is_error_known(validated):
        progress.log(FEW_VALIDATED)
    val = load_cases(validated, recipe, progress.part(0, 0.3), _cache(folder))
    tested = [case for case in cases if case.split == "test"]
    test = load_cases(tested, recipe, progress.part(0.3, 0.9), _cache(folder))
    try:
        with temporary_folder(folder.path, ".package-") as temporary:
            made = temporary / recipe.name
            scores = _Writer(made, recipe, folder, device).write(cases, val, test)
            check_replaceable(package)
            with held_back():
                shutil.rmtree(package, ignore_errors=True)
                os.replace(made, package)
    except OSError as error:
        raise MedSynthError(f"The package {package} cannot be written: {reason_of(error)}.", kind="output") from error
    for message in undefined_scores(scores, "the card states no mean of it"):
        progress.log(message)
        append_event(folder.path, "log", message=message)
    figure = _figure(recipe, cases, folder, device, progress.part(0.95, 1))
    progress(1.0, f"The package is in {package}")
    return Published(package, scores, figure)


def _figure(
    recipe: Recipe, cases: list[Case], folder: RunFolder, device: torch.device, progress: Progress
) -> Path | None:
    """Draw the first test case; if that fails, report why: the package is complete without."""
    try:
        (folder.path / TEST_FIGURE).unlink(missing_ok=True)
        return draw_test_case(recipe, cases, folder.package(recipe), folder.path, str(device), progress)
    except Cancelled:
        raise
    except Exception as failure:
        known = as_user_error(failure)
        reason = known.message if known is not None else f"{type(failure).__name__}: {failure}"
        message = f"The figure of the test case was not drawn, but the package is complete. {reason}"
        progress.log(message)
        append_event(folder.path, "log", message=message)
        return None


def publish_run(
    run: str | Path,
    *,
    data: str | Path | None = None,
    about: About | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> Published:
    """Write a model package of a run's best weights so far; the training need not be finished.

    Args:
        run: run folder.
        data: manifest that lists the same training and validation cases, for example after files were moved; None uses
            the run's own.
        about: text of the model card, which the run keeps; None uses the kept one or that of the recipe.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        progress: receives the progress.

    Raises:
        MedSynthError: there is no such run, another process is training in it, the manifest is of other cases, or as
            `check_claims` and `publish`.
    """
    folder = RunFolder(run)
    recipe = read_recipe(folder.path / RECIPE)
    lock = RunLock(folder.path)
    try:
        cases = needed_cases(data or folder.path / CASES, recipe.needs)
        folder.check_trained_with(cases)
        shown = folder.with_kept_text(recipe) if about is None else recipe.model_copy(update={"about": about})
        check_claims(shown, cases)
        progress = progress or Progress()
        published = publish(of_own_training(shown, cases, progress), cases, folder, choose_device(device), progress)
        if about is not None:
            folder.keep_text(about)
        return published
    finally:
        lock.release()


def is_error_known(validated: list[Case]) -> bool:
    """Return whether validation cases are of enough patients to state the usual error of a model."""
    return len({case.person for case in validated}) >= FEWEST_VALIDATED


def _cache(folder: RunFolder) -> Path | None:
    return folder.arrays if folder.arrays.is_dir() else None


@dataclass(frozen=True)
class _Writer:
    """Writes the package of a training into a folder.

    Attributes:
        package: new folder.
        recipe: recipe of the training.
        folder: run folder with the best weights.
        device: where the weights are evaluated.
    """

    package: Path
    recipe: Recipe
    folder: RunFolder
    device: torch.device

    def write(self, cases: list[Case], val: list[TrainingCase], test: list[TrainingCase]) -> CaseScores:
        """Write the package and return the scores of the test cases.

        Args:
            cases: cases of all splits, for the card.
            val: prepared validation cases.
            test: prepared test cases, may be empty.
        """
        recipe, package = self.recipe, self.package
        for place in ("models", "configs", "docs/training"):
            (package / place).mkdir(parents=True)
        _store_half(self.folder.best, package / WEIGHTS)
        trained = Trained(_stored_network(recipe, package), recipe.contract, self.device)
        metrics, scores = self._scores(trained, val, test)
        curves = _error_curves(trained, val, recipe) if is_error_known(split_of(cases, "val")) else {}
        facts = {**curves, **self._records(cases), "metrics": metrics}
        write_json(package / METADATA, package_metadata(recipe, cases, self.folder, package, facts))
        write_json(package / INFERENCE_FILE, INFERENCE)
        for record in RECORDS:
            shutil.copyfile(self.folder.path / record, package / "docs" / "training" / record)
        (package / "docs" / "README.md").write_text(card_text(read_metadata(package)), encoding="utf-8")
        return scores

    def _records(self, cases: list[Case]) -> dict[str, Any]:
        """Write what the package keeps of the training cases, and return what the card says of it."""
        system = SYSTEMS[self.recipe.system]
        if not system.keeps_records:
            return {}
        paired = self.recipe.needs.paired
        known = split_of(cases, "train")
        trained = load_cases(known, self.recipe, Progress(), _cache(self.folder), paired=paired)
        patients = {case.name: " ".join(case.person) for case in known}
        records = system.records(self.recipe, trained, [patients[case.name] for case in trained])
        if records is None:
            return {}
        write_records(records.arrays, self.package / RECORDS_FILE)
        if kept := _kept(records):
            append_event(self.folder.path, "log", message=kept)
        return {"ranges": dict(records.ranges), "records": sha256(self.package / RECORDS_FILE)}

    def _scores(
        self, trained: Trained, val: list[TrainingCase], test: list[TrainingCase]
    ) -> tuple[CaseScores, CaseScores]:
        """Return the mean scores by split and the scores of each test case, which are also written as a table.

        Test scores that are not defined for all cases have no mean.
        """
        system = SYSTEMS[self.recipe.system]
        scores = {case.name: system.validate(self.recipe, case, trained) for case in test}
        means = {"val": mean_scores(system.validate(self.recipe, case, trained) for case in val)}
        means["val"] |= system.validate_set(self.recipe, val, trained)
        if test:
            # A mean over some of the cases would be taken for that of all.
            means["test"] = {
                name: value
                for name, value in mean_scores(scores.values()).items()
                if all(math.isfinite(case[name]) for case in scores.values())
            }
            means["test"] |= system.validate_set(self.recipe, test, trained)
            rows = [{"case": case, **values} for case, values in scores.items()]
            write_rows(rows, self.package / TEST_SCORES)
        return means, scores


def _kept(records: Records) -> str:
    """Return what a package keeps of the training cases in a sentence; "" if nothing."""
    pictures = (
        "pictures of 16 × 16 fields of the training images to recognise copies by (keep_pictures: false in the recipe "
        "leaves them out)"
    )
    found = [
        words
        for start, words in ((LESIONS, "lesion labels of the training cases to draw from"), (SMALL_PICTURES, pictures))
        if any(name.startswith(start) for name in records.arrays)
    ]
    return f"The package keeps {' and '.join(found)}." if found else ""


def _store_half(source: Path, target: Path) -> None:
    from safetensors.torch import save

    state = read_weights(source)
    half = {name: value.half() if value.dtype == torch.float32 else value for name, value in state.items()}
    # Half precision ends at 65,504.
    check_weights(half, str(source), "lower the learning rate and train again")
    # Not written by safetensors itself, which creates files that only their owner can read.
    target.write_bytes(save(half))


def _stored_network(recipe: Recipe, package: Path) -> torch.nn.Module:
    from safetensors.torch import load_file

    network = create_network(recipe.network.name, **recipe.network.options)
    try:
        network.load_state_dict(load_file(package / WEIGHTS))
    except RuntimeError as error:
        raise MedSynthError(
            f"The best weights of the run do not fit the network '{recipe.network.name}' of its recipe.yaml, so the "
            "run was changed; train again in another folder.",
            kind="model",
        ) from error
    return network


def _error_curves(trained: Trained, val: list[TrainingCase], recipe: Recipe) -> dict[str, Any]:
    """Return the card's error curve and, for a network with a dose head, one per dose; {} for a generative model."""
    if not isinstance(recipe.contract, SynthesisContract):
        return {}
    role, side = next(iter(recipe.contract.outputs.items()))

    def curve(cases: list[TrainingCase]) -> list[list[float]]:
        return np.round(np.array(error_curve(trained, cases, side, role)), 4).tolist()

    curves: dict[str, Any] = {"error_curve": curve(val)}
    if recipe.dose is not None and hasattr(trained.network, "with_class"):
        doses = range(len(recipe.contract.dose_factors))
        curves["dose_error_curves"] = [curve([case for case in val if case.labels["dose"] == dose]) for dose in doses]
    return curves
