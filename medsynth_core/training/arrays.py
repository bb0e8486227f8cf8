"""Prepared cases, kept in files that are mapped into memory, so that a data set may be larger than it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medsynth_core import __version__
from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.case import common_box, prepare, prepare_alone, prepare_target
from medsynth_core.preparation.contract import Contract
from medsynth_core.progress import Progress
from medsynth_core.training.doses import simulated_doses
from medsynth_core.training.recipe import Recipe, needed_roles

PARTS = ("voxels", "body", "target")
_NOTHING = np.zeros((0, 1, 1), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Pair:
    """A case on the grid of the model.

    Attributes:
        name: of the case.
        voxels: (k, j, i) float32 network input.
        body: (k, j, i) bool: the patient.
        target: (k, j, i) float32 network target; on a grid of its own where nothing pairs it with the input.
        dose: which of the contract's dose factors the input has; -1 for an input that is no simulation.
    """

    name: str
    voxels: np.ndarray
    body: np.ndarray
    target: np.ndarray
    dose: int = -1


def load_case(case: Case, recipe: Recipe, cache: Path | None = None, *, paired: bool = True) -> list[Pair]:
    """Read and prepare one case, or take it from ``cache`` (a folder), where it is put otherwise.

    It is one pair or, where the recipe simulates doses, one for each of them.

    Raises:
        MedSynthError: a volume cannot be read or does not fit the recipe's contract, or the cache cannot be written.
    """
    doses = range(len(recipe.contract.dose_factors)) if recipe.dose else range(-1, 0)
    if cache is None:
        return _prepared(case, recipe, paired)
    stem = _fingerprint(case, recipe, paired)
    files = [{part: cache / f"{stem}-{dose}-{part}.npy" for part in PARTS} for dose in doses]
    if not all(file.is_file() for parts in files for file in parts.values()):
        for pair, parts in zip(_prepared(case, recipe, paired), files, strict=True):
            for part, file in parts.items():
                with atomic_write(file) as temporary:
                    np.save(temporary, getattr(pair, part))
    # Copy on write: torch wants arrays that could be written to, though nobody does.
    return [
        Pair(_name(case, recipe, dose), dose=dose, **{part: np.load(parts[part], mmap_mode="c") for part in PARTS})
        for dose, parts in zip(doses, files, strict=True)
    ]


def load_pair(case: Case, recipe: Recipe) -> Pair:
    """Read and prepare a case of a recipe that simulates no doses.

    Raises:
        MedSynthError: as `load_case`.
    """
    return load_case(case, recipe)[0]


def load_pairs(
    cases: list[Case], recipe: Recipe, progress: Progress, cache: Path | None = None, *, paired: bool = True
) -> list[Pair]:
    """Read and prepare cases, one after the other.

    Raises:
        MedSynthError: as `load_case`, with the name of the case.
    """
    pairs: list[Pair] = []
    for index, case in enumerate(cases):
        progress(index / len(cases), f"Preparing {case.name}")
        try:
            pairs += load_case(case, recipe, cache, paired=paired)
        except MedSynthError as error:
            raise MedSynthError(f"Case '{case.name}': {error.message}", kind=error.kind, hint=error.hint) from error
    return pairs


def _name(case: Case, recipe: Recipe, dose: int) -> str:
    return case.name if dose < 0 else f"{case.name} DRF {recipe.contract.dose_factors[dose]:g}"


def _prepared(case: Case, recipe: Recipe, paired: bool) -> list[Pair]:
    contract = recipe.contract
    if recipe.dose is not None:
        doses = enumerate(simulated_doses(case, recipe))
        return [
            Pair(_name(case, recipe, dose), prepared.voxels, prepared.body, target, dose)
            for dose, (prepared, target) in doses
        ]
    voxels, body, target = _NOTHING, _NOTHING.astype(bool), _NOTHING
    # Unpaired cases may have one of the two only.
    if paired or recipe.input_role in case.files:
        wanted = contract.input
        volume = read_volume(case.files[recipe.input_role], modality=wanted.modality, unit=wanted.unit)
        prepared = prepare(contract.check(volume), contract)
        voxels, body = prepared.voxels, prepared.body
    if paired or recipe.target_role in case.files:
        wanted = contract.output
        volume = read_volume(case.files[recipe.target_role], modality=wanted.modality, unit=wanted.unit)
        target = prepare_target(volume, prepared, contract) if paired else prepare_alone(volume, contract)
        if paired and recipe.common_field:
            box = common_box(prepared, volume)
            voxels, body, target = voxels[box], body[box], target[box]
    return [Pair(case.name, voxels, body, target)]


def _fingerprint(case: Case, recipe: Recipe, paired: bool) -> str:
    """Return a name that changes with the files and with what is done to them."""
    files = [case.files[role] for role in needed_roles(recipe) if role in case.files]
    content = {
        "files": [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files],
        "roles": [role in case.files for role in (recipe.input_role, recipe.target_role)],
        "contract": _relevant(recipe.contract),
        "dose": recipe.dose and [recipe.dose.model_dump(mode="json"), recipe.seed, recipe.contract.dose_factors],
        # The name seeds the noise of simulated doses, and another version may prepare otherwise.
        "case": case.name,
        "version": __version__,
        "paired": paired,
        "common_field": recipe.common_field,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _relevant(contract: Contract) -> dict[str, object]:
    return contract.model_dump(mode="json", include={"input", "output", "spacing", "body_margin"})
