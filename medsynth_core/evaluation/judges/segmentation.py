"""Judges that segment: lesions (Tables 4 and 5 of Qu's thesis), and vessels (Table 6)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.evaluation.judges.judge import Judge, Scores
from medsynth_core.losses.segmentation import border_weights, class_weights, weighted_cross_entropy
from medsynth_core.networks.registry import create_network

# Channels of each level, as multiples of the width: a U-Net with one level fewer than the published one.
LEVELS = (1, 2, 4, 8)


class Segmenter(Judge):
    """U-Net with batch normalisation that learns by the weighted cross-entropy of Ronneberger et al. (2015).

    A lesion is what has any label but 0. Its metrics are ``dice`` (mean over the images with a lesion), ``dice_pooled``
    (of all pixels of the set, so that what is found in images without a lesion counts) and ``segmentation_mse`` (of
    the probability of a lesion and the label, over all pixels).

    Raises:
        MedSynthError: the labels are classes of images, or none of them has a lesion.
    """

    metrics = ("dice", "dice_pooled", "segmentation_mse")
    gaps = True

    def __init__(self, training: Examples, width: int) -> None:
        _check_maps(training)
        if not training.labels.any():
            raise MedSynthError("None of the training images of the judge has a lesion; give images with lesions.")
        classes = int(training.labels.max()) + 1
        self.weights = class_weights(training.labels, classes)
        self.network = create_network(
            "unet-ctmr",
            in_channels=training.images.shape[1],
            out_channels=classes,
            batch_norm=True,
            channels=[width * factor for factor in LEVELS],
        )
        self.network = _Padded(self.network)

    def loss(self, images: Tensor, examples: Examples) -> Tensor:
        """Return the weighted cross-entropy."""
        labels = torch.from_numpy(examples.labels.astype(np.int64)).to(images.device)
        border = None
        if self.gaps:
            border = torch.from_numpy(np.stack([border_weights(one) for one in examples.labels])).to(images.device)
        return weighted_cross_entropy(self.network(images), labels, self.weights.to(images.device), border)

    def probabilities(self, test: Examples) -> np.ndarray:
        """Return the probability of a lesion: (n, rows, columns)."""
        _check_maps(test)
        parts = [1 - found.softmax(dim=1)[:, 0] for found in self.outputs(test) if isinstance(found, Tensor)]
        return torch.cat(parts).numpy()

    def scores(self, test: Examples) -> Scores:
        """Return Dice and MSE; an image without a lesion has no Dice of its own (NaN)."""
        likely, real = self.probabilities(test), test.labels != 0
        found = likely > 0.5
        axes = (1, 2)
        both, sizes = (found & real).sum(axes), found.sum(axes) + real.sum(axes)
        with_lesion = real.any(axis=axes)
        dice = np.where(with_lesion, 2 * both / np.maximum(sizes, 1), math.nan)
        error = ((likely - real) ** 2).mean(axis=axes)
        pooled = 2 * both.sum() / sizes.sum() if sizes.sum() else math.nan
        of_set = {
            "dice": float(dice[with_lesion].mean()) if with_lesion.any() else math.nan,
            "dice_pooled": float(pooled),
            "segmentation_mse": float(error.mean()),
        }
        return Scores(of_set, {"dice": dice, "segmentation_mse": error})


class VesselSegmenter(Segmenter):
    """The same network for vessels, which are judged inside the field of view.

    Its metrics are sensitivity and accuracy at the probability 0.5, and the area under the ROC curve. Gaps between
    vessels have no weight of their own.
    """

    metrics = ("vessel_auc", "vessel_accuracy", "vessel_sensitivity")
    gaps = False

    def scores(self, test: Examples) -> Scores:
        """Return the metrics over all pixels in the field of view, and for each image."""
        likely, real = self.probabilities(test), test.labels != 0
        inside = np.ones(real.shape, bool) if test.field is None else test.field != 0
        each = [_vessel_scores(likely[n][inside[n]], real[n][inside[n]]) for n in range(len(test))]
        return Scores(
            _vessel_scores(likely[inside], real[inside]),
            {name: np.array([one[name] for one in each]) for name in self.metrics},
        )


class _Padded(torch.nn.Module):
    """A network whose images may have any size: they are padded with their outermost pixels, and the result is cut."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.inner = network

    def forward(self, images: Tensor) -> Tensor:
        rows, columns = images.shape[-2:]
        several = int(self.inner.multiple_of)  # type: ignore[arg-type]
        framed = pad(images, (0, -columns % several, 0, -rows % several), mode="replicate")
        return self.inner(framed)[..., :rows, :columns]


def _check_maps(examples: Examples) -> None:
    if examples.labels.ndim != 3:
        raise MedSynthError(
            "A judge that segments needs labels of the shape of the images, and these are classes; give maps."
        )


def _vessel_scores(likely: np.ndarray, real: np.ndarray) -> dict[str, float]:
    found = likely > 0.5
    return {
        "vessel_auc": area_under_curve(likely, real),
        "vessel_accuracy": float((found == real).mean()) if real.size else math.nan,
        "vessel_sensitivity": float(found[real].mean()) if real.any() else math.nan,
    }


def area_under_curve(likely: np.ndarray, real: np.ndarray) -> float:
    """Return the area under the ROC curve: the probability that a real one is more likely than another; NaN if one kind
    is missing.

    Own implementation by ranks (Mann and Whitney 1947): MONAI's goes through the pixels in a loop of Python.

    Args:
        likely: (n) numbers, the higher the more likely.
        real: (n) bool.
    """
    from scipy.stats import rankdata

    count = int(real.sum())
    others = real.size - count
    if not count or not others:
        return math.nan
    ranks = rankdata(likely)[real].sum()
    return float((ranks - count * (count + 1) / 2) / (count * others))
