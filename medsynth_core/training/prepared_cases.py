"""Prepared cases, cached in memory-mapped files so that a data set may be larger than memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medsynth_core.datasets.manifest import Case
from medsynth_core.errors import MedSynthError
from medsynth_core.io.atomic import atomic_write
from medsynth_core.io.reading import read_volume
from medsynth_core.preparation.averaging import refuse_averaging
from medsynth_core.preparation.case import (
    Prepared,
    common_box,
    prepare,
    prepare_alone,
    prepare_target,
)
from medsynth_core.preparation.contract import Side, SynthesisContract
from medsynth_core.preparation.contract_images import channels_of, role_order
from medsynth_core.preparation.frame import cut_boxes
from medsynth_core.preparation.side_images import check_one_kind, read_side
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.progress import Progress
from medsynth_core.recipes.recipe import Recipe, needed_roles
from medsynth_core.training.modality_targets import PARTS, modality_case, part_of
from medsynth_core.training.simulated_doses import simulated_doses
from medsynth_core.training.structure_targets import structure_case
from medsynth_core.version import __version__
from medsynth_core.volume import Volume

_NOTHING = np.zeros((0, 1, 1), dtype=np.float32)
# Changes with the rules of preparation, so that a run that continues does not mix two.
FRAMES = "body in the middle"
# Keys of a contract that determine how a case is prepared.
RELEVANT = {"kind", "inputs", "outputs", "spacing", "body_margin", "matrix", "noise"}


def load_case(case: Case, recipe: Recipe, cache: Path | None = None, *, paired: bool = True) -> list[TrainingCase]:
    """Read and prepare one case, or load it from the folder ``cache``; a newly prepared case is stored there.

    Returns:
        One training case or, where the recipe simulates doses, one for each dose. With classes, they have the label
        ``class``, the number of the case's class.

    Raises:
        MedSynthError: a volume cannot be read or does not fit the recipe's contract, or the cache cannot be written.
    """
    # Not kept with the arrays, which do not depend on it.
    label = {"class": recipe.needs.classes.index(case.label)} if recipe.needs.classes else {}
    found = _prepared(case, recipe, paired) if cache is None else _cached(case, recipe, cache, paired)
    return [replace(one, labels={**one.labels, **label}) for one in found]


def _cached(case: Case, recipe: Recipe, cache: Path, paired: bool) -> list[TrainingCase]:
    """Return a prepared case from the folder ``cache``, where it is stored first if it is new."""
    doses = range(len(recipe.contract.dose_factors)) if recipe.dose else range(-1, 0)
    stem = _fingerprint(case, recipe, paired)
    parts = _parts(recipe)
    # Windows allows no colon in names of files.
    names = {part: part.replace(":", ".") for part in parts}
    files = [{part: cache / f"{stem}-{dose}-{names[part]}.npy" for part in parts} for dose in doses]
    if not all(file.is_file() for several in files for file in several.values()):
        for prepared, several in zip(_prepared(case, recipe, paired), files, strict=True):
            for part, array in _arrays(prepared).items():
                with atomic_write(several[part]) as temporary:
                    np.save(temporary, array)
    return [
        _from_files(_name(case, recipe, dose), several, {"dose": dose})
        for dose, several in zip(doses, files, strict=True)
    ]


def load_one(case: Case, recipe: Recipe) -> TrainingCase:
    """Read and prepare a case of a recipe without simulated doses.

    Raises:
        MedSynthError: as `load_case`.
    """
    return load_case(case, recipe)[0]


def load_cases(
    cases: list[Case], recipe: Recipe, progress: Progress, cache: Path | None = None, *, paired: bool = True
) -> list[TrainingCase]:
    """Read and prepare cases, one after the other.

    Raises:
        MedSynthError: as `load_case`; the message names the case.
    """
    found: list[TrainingCase] = []
    for index, case in enumerate(cases):
        progress(index / len(cases), f"Preparing {case.name}")
        try:
            found += load_case(case, recipe, cache, paired=paired)
        except MedSynthError as error:
            raise MedSynthError(f"Case '{case.name}': {error.message}", kind=error.kind, hint=error.hint) from error
    return found


def read_inputs(case: Case, contract: SynthesisContract, roles: Sequence[str]) -> dict[str, Volume]:
    """Return the checked inputs of a case for the given roles of a contract; optional ones may be missing.

    Raises:
        MedSynthError: a volume cannot be read or does not fit the contract.
    """
    sides = {role: contract.inputs[role] for role in roles}
    given = {
        role: contract.check(_read(case, role, side), role)
        for role, side in sides.items()
        if role in case.files or not side.optional
    }
    if contract.input_role in given:
        refuse_averaging(given[contract.input_role], contract)
    return given


def _read(case: Case, role: str, side: Side) -> Volume:
    volume = read_volume(case.files[role], modality=side.modality, unit=side.unit)
    volume.refuse_error_map(f"'{role}'", str(case.files[role]))
    return volume


def _parts(recipe: Recipe) -> list[str]:
    """Return the names of the arrays that a prepared case is stored as."""
    contract, by_modality = recipe.contract, recipe.needs.by_modality
    # Structure map and label are drawn from each image itself, so they are no inputs of a case.
    inputs = () if by_modality else contract.inputs
    parts = [part_of(role, part) for role in contract.outputs for part in PARTS] if by_modality else []
    return [
        *(f"input-{role}" for role in inputs),
        "body",
        "boxes",
        *(f"target-{role}" for role in (*channels_of(contract.outputs), *parts)),
    ]


def _arrays(prepared: TrainingCase) -> dict[str, np.ndarray]:
    inputs = {f"input-{role}": array for role, array in prepared.inputs.items()}
    # Without boxes an empty array is stored, so that every case has the same files.
    boxes = np.zeros((0, 4), dtype=int) if prepared.boxes is None else prepared.boxes
    return {
        **inputs,
        "body": prepared.body,
        "boxes": boxes,
        **{f"target-{role}": array for role, array in prepared.targets.items()},
    }


def _from_files(name: str, files: Mapping[str, Path], labels: dict[str, int]) -> TrainingCase:
    # Copy-on-write, because torch needs writable arrays although none is written to.
    arrays = {part: np.load(file, mmap_mode="c") for part, file in files.items()}

    def of(kind: str) -> dict[str, np.ndarray]:
        return {part.removeprefix(kind): array for part, array in arrays.items() if part.startswith(kind)}

    boxes = arrays["boxes"] if len(arrays["boxes"]) else None
    return TrainingCase(name, of("input-"), arrays["body"], of("target-"), labels, boxes)


def _name(case: Case, recipe: Recipe, dose: int) -> str:
    return case.name if dose < 0 else f"{case.name} DRF {recipe.contract.dose_factors[dose]:g}"


def _prepared(case: Case, recipe: Recipe, paired: bool) -> list[TrainingCase]:
    if not isinstance(recipe.contract, SynthesisContract):
        return [_prepared_alone(case, recipe)]
    if recipe.dose is not None:
        return _prepared_doses(case, recipe, recipe.contract)
    return [_prepared_pair(case, recipe, recipe.contract) if paired else _prepared_unpaired(case, recipe.contract)]


def _prepared_doses(case: Case, recipe: Recipe, contract: SynthesisContract) -> list[TrainingCase]:
    """Return a case for each of the contract's doses, all from the same simulated counts."""
    others = read_inputs(case, contract, list(contract.inputs)[1:])
    (output,) = contract.outputs
    return [
        TrainingCase(
            _name(case, recipe, dose), _inputs(prepared, contract), prepared.body, {output: target}, {"dose": dose}
        )
        for dose, (prepared, target) in enumerate(simulated_doses(case, recipe, contract, others))
    ]


def _prepared_pair(case: Case, recipe: Recipe, contract: SynthesisContract) -> TrainingCase:
    prepared = prepare(read_inputs(case, contract, list(contract.inputs)), contract)
    volumes = {role: _read(case, role, side) for role, side in contract.outputs.items()}
    inputs, body, boxes = _inputs(prepared, contract), prepared.body, prepared.boxes
    targets = {role: prepare_target(volume, prepared, contract.outputs[role]) for role, volume in volumes.items()}
    if recipe.common_field:
        for volume in volumes.values():
            # The box of the first target is used for all; they come from one examination with one field of view.
            box = common_box(prepared, volume)
            inputs, targets = ({role: array[box] for role, array in some.items()} for some in (inputs, targets))
            body, boxes = body[box], None if boxes is None else cut_boxes(boxes, box)
            break
    return TrainingCase(case.name, inputs, body, targets, {"dose": -1}, boxes)


def _prepared_unpaired(case: Case, contract: SynthesisContract) -> TrainingCase:
    """Return the inputs, the targets or both of a case; a case has all or none of each (`DataNeeds.sides`)."""
    inputs: dict[str, np.ndarray] = dict.fromkeys(contract.inputs, _NOTHING)
    body, boxes = _NOTHING.astype(bool), None
    if contract.input_role in case.files:
        prepared = prepare(read_inputs(case, contract, list(contract.inputs)), contract)
        inputs, body, boxes = _inputs(prepared, contract), prepared.body, prepared.boxes
    targets: dict[str, np.ndarray] = dict.fromkeys(contract.outputs, _NOTHING)
    if next(iter(targets)) in case.files:
        volumes = {role: _read(case, role, side) for role, side in contract.outputs.items()}
        targets = prepare_alone(volumes, contract)
    return TrainingCase(case.name, inputs, body, targets, {"dose": -1}, boxes)


def _prepared_alone(case: Case, recipe: Recipe) -> TrainingCase:
    """Return the images that a generative model learns from."""
    source, sources = getattr(recipe, "structure", None), getattr(recipe, "structures", None)
    if source is not None:
        return structure_case(case, source, recipe.contract)
    if sources is not None:
        lesion, boxes = getattr(recipe, "lesion", ""), bool(getattr(recipe, "boxes", False))
        return modality_case(case, sources, lesion, recipe.contract, boxes=boxes)
    contract = recipe.contract
    volumes: dict[str, Volume] = {}
    for role, side in {**contract.outputs, **contract.inputs}.items():
        volumes |= read_side(case.files[role], role, side)
    check_one_kind(volumes)
    made = _seen_by_all(case, prepare_alone(volumes, contract))
    targets = {name: made[name] for name in channels_of(contract.outputs)}
    body = np.ones(next(iter(targets.values())).shape, dtype=bool)
    return TrainingCase(case.name, {role: made[role] for role in contract.inputs}, body, targets, {"dose": -1})


def _seen_by_all(case: Case, images: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the slices (k, j, i) in which every image shows something: a generator would learn blank ones, too.

    Raises:
        MedSynthError: there is none.
    """
    if any(len(image) == 1 for image in images.values()):
        return images  # pictures, of which a colour may be empty
    shown = [image.reshape(len(image), -1) for image in images.values()]
    kept = np.all([image.max(axis=1) > image.min(axis=1) for image in shown], axis=0)
    if not kept.any():
        raise MedSynthError(
            f"The images of the case {case.name} have no slice in which all of them show something; check that they "
            "are of the same part of the patient."
        )
    return images if kept.all() else {name: image[kept] for name, image in images.items()}


def _inputs(prepared: Prepared, contract: SynthesisContract) -> dict[str, np.ndarray]:
    return {contract.input_role: prepared.voxels, **prepared.others}


def _fingerprint(case: Case, recipe: Recipe, paired: bool) -> str:
    """Return a name that changes with the files and with their preparation."""
    content = _origin(case, recipe, paired)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]


def _origin(case: Case, recipe: Recipe, paired: bool) -> dict[str, Any]:
    """Return everything that the prepared arrays of a case depend on."""
    files = [case.files[role] for role in needed_roles(recipe) if role in case.files]
    order = role_order(recipe.contract)
    return {
        "files": [[str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns] for file in files],
        "roles": [role in case.files for role in needed_roles(recipe)],
        "contract": recipe.contract.model_dump(mode="json", include=RELEVANT),
        "dose": recipe.dose and [recipe.dose.model_dump(mode="json"), recipe.seed, recipe.contract.dose_factors],
        # The case name seeds the noise of simulated doses, and another version may prepare cases differently.
        "case": case.name,
        "version": [__version__, FRAMES],
        "paired": paired,
        "common_field": recipe.common_field,
        **_structures(recipe),
        # Sorting the keys loses the order. Without a choice of order the name stays that of earlier run folders.
        **({"order": order} if any(len(roles) > 1 for roles in order) else {}),
    }


def _structures(recipe: Recipe) -> dict[str, Any]:
    """Return what the structure maps of a case depend on; {} if the recipe has none."""
    content = recipe.model_dump(mode="json")
    found: dict[str, Any] = {key: content[key] for key in ("structure", "structures", "lesion") if key in content}
    # Without boxes the name stays that of earlier run folders.
    return {**found, **({"boxes": True} if content.get("boxes") else {})}
