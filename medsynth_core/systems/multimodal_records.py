"""What the package of a multi-modal generator keeps of its training data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from medsynth_core.metrics.image_sets import small_pictures
from medsynth_core.models.records import LESIONS, PATIENTS, SMALL_PICTURES
from medsynth_core.preparation.frame import placed
from medsynth_core.preparation.training_case import TrainingCase
from medsynth_core.structure.lesions import is_inside
from medsynth_core.structure.quality import map_measures, ranges_of
from medsynth_core.systems.base import Records
from medsynth_core.systems.multimodal_settings import MultimodalSettings

# Labels to draw from; further ones of the same patients differ little.
MOST_LESIONS = 200


def records_of(settings: MultimodalSettings, cases: Sequence[TrainingCase]) -> Records:
    """Return lesion labels, small pictures of the images, and the ranges of measures of the maps."""
    size = settings.generation.matrix[-2:]
    arrays: dict[str, np.ndarray] = {}
    if settings.lesion:
        arrays[LESIONS] = _lesions(settings, cases, (size[0], size[1]))
    for role in settings.modalities if settings.keep_pictures else ():
        arrays |= _pictures(settings, cases, role)
    return Records(arrays, ranges_of(_measures(settings, cases, (size[0], size[1]))))


def _pictures(settings: MultimodalSettings, cases: Sequence[TrainingCase], role: str) -> dict[str, np.ndarray]:
    """Return small pictures of the images of a modality, and the number of the case of each; {} if there are none."""
    side, size = settings.contract.outputs[role], settings.generation.matrix[-2:]
    found = [
        small_pictures(
            framed(case.targets[role][_kept(case, role)], (size[0], size[1]), side.empty), *side.intensity.mapped
        )
        for case in cases
        if len(case.targets[role])
    ]
    if not found:
        return {}
    patients = np.repeat(np.arange(len(found), dtype=np.int32), [len(pictures) for pictures in found])
    return {f"{SMALL_PICTURES}{role}": np.concatenate(found), f"{PATIENTS}{role}": patients}


def framed(images: np.ndarray, size: tuple[int, int], empty: float) -> np.ndarray:
    """Return images (n, rows, columns) in the middle of frames of a size, as a training shows them."""
    rows, columns = images.shape[1:]
    inside, taken = placed(np.array([0, rows, 0, columns]), size)
    found = np.full((len(images), *size), empty, dtype=images.dtype)
    found[:, inside[0], inside[1]] = images[:, taken[0], taken[1]]
    return found


def _kept(case: TrainingCase, role: str) -> np.ndarray:
    """Return which slices of a case a training draws from: those with lines."""
    return np.any(case.targets[f"{role}:structure"], axis=(1, 2))


def _measures(
    settings: MultimodalSettings, cases: Sequence[TrainingCase], size: tuple[int, int]
) -> Iterator[dict[str, float]]:
    """Yield the measures of every structure map, in its frame."""
    for case in cases:
        for role in settings.modalities:
            if not len(case.targets[role]):
                continue
            kept = _kept(case, role)
            lines, organ = (
                framed(case.targets[f"{role}:{part}"][kept] > 0.5, size, 0) for part in ("structure", "organ")
            )
            for one, around in zip(lines, organ, strict=True):
                yield map_measures(one, around)


def _lesions(settings: MultimodalSettings, cases: Sequence[TrainingCase], size: tuple[int, int]) -> np.ndarray:
    """Return lesion labels in frames, evenly from all that lie whole in the frame and in the organ."""
    found = [label for case in cases for label in _labels(settings, case, size)]
    if not found:
        return np.zeros((0, *size), dtype=np.uint8)
    chosen = np.unique(np.linspace(0, len(found) - 1, min(len(found), MOST_LESIONS)).round().astype(int))
    return np.stack([found[number] for number in chosen])


def _labels(settings: MultimodalSettings, case: TrainingCase, size: tuple[int, int]) -> Iterator[np.ndarray]:
    role = next((role for role in settings.modalities if len(case.targets[role])), "")
    if not role:
        return
    whole = case.targets[f"{role}:lesion"]
    labels, organ = (framed(case.targets[f"{role}:{part}"].round(), size, 0) for part in ("lesion", "organ"))
    for number, label in enumerate(labels):
        is_whole = np.count_nonzero(label) == np.count_nonzero(whole[number].round())
        if is_whole and is_inside(label, 1 - organ[number]):
            yield label.astype(np.uint8)
