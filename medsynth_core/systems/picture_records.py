"""Small pictures of training images, by which generated images that repeat one of them are recognised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from medsynth_core.metrics.image_sets import SMALL, small_pictures
from medsynth_core.models.records import PATIENTS, SMALL_PICTURES
from medsynth_core.preparation.contract import Side
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.training_case import TrainingCase


def picture_records(
    role: str, side: Side, frames: Iterable[np.ndarray], patients: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return small pictures of the images of a modality, and the number of the patient of each.

    Args:
        role: role of the modality.
        side: its side of the contract.
        frames: images (n, size, size) of each case, in network values; none of a case without the modality.
        patients: patient of each case, who may have several.

    Returns:
        Arrays by their names in `medsynth_core.models.records`; {} without images, and if they are smaller than the
        pictures.
    """
    numbers = {name: number for number, name in enumerate(dict.fromkeys(patients))}
    found = [
        (small_pictures(some, *side.intensity.mapped), numbers[patient])
        for some, patient in zip(frames, patients, strict=True)
        if min(some.shape) and some.shape[1] >= SMALL
    ]
    if not found:
        return {}
    each = [np.full(len(pictures), number, dtype=np.int32) for pictures, number in found]
    return {
        f"{SMALL_PICTURES}{role}": np.concatenate([pictures for pictures, _ in found]),
        f"{PATIENTS}{role}": np.concatenate(each),
    }


def grey_image(case: TrainingCase, role: str, side: Side) -> np.ndarray:
    """Return the images (k, j, i) of a modality, empty if the case has none; those in colour as the mean of colours."""
    channels = [case.targets[name] for name in channels_of({role: side})]
    return channels[0] if len(channels) == 1 else np.mean(channels, axis=0)
