"""Small pictures of training images, by which generated images that repeat one of them are recognised."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from medsynth_core.metrics.image_sets import SMALL, small_pictures
from medsynth_core.models.records import PATIENTS, SMALL_PICTURES
from medsynth_core.preparation.contract import Side
from medsynth_core.preparation.contract_images import channels_of
from medsynth_core.preparation.training_case import TrainingCase


def picture_records(role: str, side: Side, frames: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Return small pictures of the images of a modality, and the number of the case of each.

    Args:
        role: role of the modality.
        side: its side of the contract.
        frames: images (n, size, size) of each case, in network values; none of a case without the modality.

    Returns:
        Arrays by their names in `medsynth_core.models.records`; {} without images, and if they are smaller than the
        pictures.
    """
    found = [
        small_pictures(some, *side.intensity.mapped) for some in frames if min(some.shape) and some.shape[1] >= SMALL
    ]
    if not found:
        return {}
    patients = np.repeat(np.arange(len(found), dtype=np.int32), [len(pictures) for pictures in found])
    return {f"{SMALL_PICTURES}{role}": np.concatenate(found), f"{PATIENTS}{role}": patients}


def grey_image(case: TrainingCase, role: str, side: Side) -> np.ndarray:
    """Return the images (k, j, i) of a modality, empty if the case has none; those in colour as the mean of colours."""
    channels = [case.targets[name] for name in channels_of({role: side})]
    return channels[0] if len(channels) == 1 else np.mean(channels, axis=0)
