"""The judge that classifies, for example X-rays as normal, bacterial or viral pneumonia (Table 7 of Qu's thesis)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medsynth_core.errors import MedSynthError
from medsynth_core.evaluation.judges.examples import Examples
from medsynth_core.evaluation.judges.judge import Judge, Scores
from medsynth_core.networks.registry import create_network


class Classifier(Judge):
    """VGG-11 (``lesion-classifier``), as in the thesis, that learns by cross-entropy.

    Its metrics are ``accuracy`` and ``balanced_accuracy`` (mean over the classes).

    Raises:
        MedSynthError: the labels are maps, there is one class only, or the images have fewer than 32 rows or columns.
    """

    metrics = ("accuracy", "balanced_accuracy")

    def __init__(self, training: Examples, width: int) -> None:
        _check_classes(training)
        classes = int(training.labels.max()) + 1
        if classes < 2:
            raise MedSynthError("The training images of the judge are of one class only; give images of several.")
        if min(training.images.shape[2:]) < 32:
            raise MedSynthError(
                f"The judge that classifies needs images of at least 32 × 32 pixels, not {training.images.shape[2:]}; "
                "resample them."
            )
        channels = training.images.shape[1]
        self.network = create_network("lesion-classifier", in_channels=channels, classes=classes, channels=width)

    def loss(self, images: Tensor, examples: Examples) -> Tensor:
        """Return the cross-entropy."""
        labels = torch.from_numpy(examples.labels.astype(np.int64)).to(images.device)
        return functional.cross_entropy(self.network(images), labels)

    def scores(self, test: Examples) -> Scores:
        """Return the accuracies; that of an image is 1 if its class is found."""
        _check_classes(test)
        logits = torch.cat([found for found in self.outputs(test) if isinstance(found, Tensor)])
        right = (logits.argmax(dim=1).numpy() == test.labels).astype(np.float64)
        by_class = [right[test.labels == number].mean() for number in np.unique(test.labels)]
        of_set = {"accuracy": float(right.mean()), "balanced_accuracy": float(np.mean(by_class))}
        return Scores(of_set, {"accuracy": right})


def _check_classes(examples: Examples) -> None:
    if examples.labels.ndim != 1:
        raise MedSynthError("A judge that classifies needs one label for each image, and these are maps; give classes.")
