"""Scores of sets of registered synthetic images (Tables 2 and 3 of Qu), and how well modalities fit each other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.features import fid
from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.evaluation.judges.lesions import lesion_crops, resized
from medsynth_core.metrics.image_sets import ms_ssim_diversity
from medsynth_core.registration.quality import mutual_information

# Side of the crops around lesions that are compared.
CROP = 64


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of several modalities.

    Attributes:
        images: (n, rows, columns) by modality, network values from 0 to 1. Those of one number are registered, or of
            different patients where the set has no pairs.
        labels: (n, rows, columns) lesion labels of the images of each number, 0 for none; None where they are not of
            one patient.

    Raises:
        MedSynthError: the shapes differ.
    """

    images: dict[str, np.ndarray]
    labels: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.labels is None:
            return
        shapes = {self.labels.shape, *(image.shape for image in self.images.values())}
        if len(shapes) > 1:
            raise MedSynthError(f"Registered images and their labels have the shapes {shapes}; give one shape.")

    def examples(self) -> Examples:
        """Return the images as channels, with their labels.

        Raises:
            MedSynthError: there are no labels.
        """
        if self.labels is None:
            raise MedSynthError("The images have no labels; give a registered set.")
        return Examples(np.stack(list(self.images.values()), axis=1), self.labels.astype(np.uint8))


def quality_scores(real: ImageSet, made: ImageSet) -> dict[str, dict[str, float]]:
    """Return the scores of each modality.

    Returns:
        ``fid`` and ``ms_ssim_diversity`` with, for comparison, ``ms_ssim_diversity_real``; where both sets have
        lesions, also ``fid_crops``, of the surroundings of the lesions scaled to 64² ("Ours⁺" of Table 3).
    """
    found = {}
    crops, others = _crops(real), _crops(made)
    for number, (role, images) in enumerate(made.images.items()):
        found[role] = {
            "fid": fid(real.images[role], images).value,
            "ms_ssim_diversity": ms_ssim_diversity(images, 1.0),
            "ms_ssim_diversity_real": ms_ssim_diversity(real.images[role], 1.0),
        }
        if crops is not None and others is not None and min(len(crops), len(others)) > 1:
            found[role]["fid_crops"] = fid(crops[:, number], others[:, number]).value
    return found


def _crops(images: ImageSet) -> np.ndarray | None:
    if images.labels is None or not images.labels.any():
        return None
    return resized(lesion_crops(images.examples()), CROP)


def registration_scores(made: ImageSet) -> dict[str, float]:
    """Return how well the modalities of each number fit each other, as means over pairs of modalities and images.

    Returns:
        ``mutual_information`` of the pixels (nats), and ``edge_alignment``, the correlation of the lengths of their
        gradients: 1 where all edges of both are the same, about 0 where they have none in common. Both also depend on
        what the modalities show; compare values of the same modalities.
    """
    pairs = list(combinations(made.images.values(), 2))
    if not pairs:
        return {}
    values = [
        (mutual_information(one.ravel(), other.ravel()), edge_alignment(one, other))
        for first, second in pairs
        for one, other in zip(first, second, strict=True)
    ]
    information, alignment = np.mean(values, axis=0)
    return {"mutual_information": float(information), "edge_alignment": float(alignment)}


def edge_alignment(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of the lengths of the gradients of two images (rows, columns); 0 if one has no edges."""
    from skimage.filters import sobel

    edges = [sobel(image.astype(np.float64)).ravel() for image in (one, other)]
    if min(float(np.ptp(edge)) for edge in edges) == 0:
        return 0.0
    return float(np.corrcoef(*edges)[0, 1])
