"""What the package of a multi-modal generator keeps of its training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from medsynth_core.models.records import LESIONS
from medsynth_core.preparation.frame import framed
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.structure.lesions import is_inside
from medsynth_core.structure.quality import map_measures, ranges_of
from medsynth_core.systems.base import Records
from medsynth_core.systems.multimodal_settings import MultimodalSettings
from medsynth_core.systems.picture_records import grey_image, picture_records

# Labels to draw from; further ones of the same patients differ little.
MOST_LESIONS = 200


def records_of(settings: MultimodalSettings, cases: Sequence[TrainingCase], patients: Sequence[str]) -> Records:
    """Return lesion labels, small pictures of the images, and the ranges of measures of the maps (`System.records`)."""
    arrays: dict[str, np.ndarray] = {}
    if settings.lesion:
        arrays[LESIONS] = _lesions(settings, cases)
    for role in settings.modalities if settings.keep_pictures else ():
        arrays |= picture_records(role, settings.contract.outputs[role], _frames(settings, cases, role), patients)
    return Records(arrays, ranges_of(_measures(settings, cases)))


def _frames(settings: MultimodalSettings, cases: Sequence[TrainingCase], role: str) -> Iterator[np.ndarray]:
    """Yield the images of a modality of each case, in frames."""
    side, size = settings.contract.outputs[role], settings.generation.side
    for case in cases:
        image = grey_image(case, role, side)
        yield framed(image[_kept(case, role)] if len(image) else image, size, side.empty)


def _kept(case: TrainingCase, role: str) -> np.ndarray:
    """Return which slices of a case a training draws from: those with lines."""
    return np.any(case.targets[f"{role}:structure"], axis=(1, 2))


def _measures(settings: MultimodalSettings, cases: Sequence[TrainingCase]) -> Iterator[dict[str, float]]:
    """Yield the measures of every structure map, in its frame."""
    size = settings.generation.side
    for case, role in product(cases, settings.modalities):
        if not len(case.targets[f"{role}:structure"]):
            continue
        kept = _kept(case, role)
        masks = (case.targets[f"{role}:{part}"][kept].astype(bool) for part in ("structure", "organ"))
        lines, organ = (framed(mask, size, 0) for mask in masks)
        for one, around in zip(lines, organ, strict=True):
            yield map_measures(one, around)


def _lesions(settings: MultimodalSettings, cases: Sequence[TrainingCase]) -> np.ndarray:
    """Return lesion labels in frames, evenly from all that lie whole in the frame and in the organ."""
    found = [label for case in cases for label in _labels(settings, case)]
    if not found:
        return np.zeros((0, settings.generation.side, settings.generation.side), dtype=np.uint8)
    chosen = np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST_LESIONS)).round().astype(int))
    return np.stack([found[number] for number in chosen])


def _labels(settings: MultimodalSettings, case: TrainingCase) -> Iterator[np.ndarray]:
    """Yield the lesion labels of a case in frames, by the organ of the first modality that it has."""
    size = settings.generation.side
    role = next((role for role in settings.modalities if len(case.targets[f"{role}:structure"])), "")
    if not role:
        return
    whole = case.targets[f"{role}:lesion"].round()
    labels, organ = (framed(case.targets[f"{role}:{part}"].round(), size, 0) for part in ("lesion", "organ"))
    for number, label in enumerate(labels):
        is_whole = np.count_nonzero(label) == np.count_nonzero(whole[number])
        if is_whole and is_inside(label, 1 - organ[number]):
            yield label.astype(np.uint8)
