"""What the feature extractor learns: kind of image, class of an X-ray, how it was turned, and how it was degraded.

Turning and degradation need no label. They make the features depend on where things are, and on sharpness and noise,
which a network that only names what it sees may ignore, while generators differ in just these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from monai.networks.layers import GaussianFilter
from torch import Tensor, nn
from torch.nn import functional

from medsynth_core.evaluation.features import standardised
from medsynth_core.experiments.feature_images import CLASSES, KINDS, LabelledImages

# Classes of each task.
TASKS = {"kind": len(KINDS), "class": len(CLASSES), "turn": 4, "degradation": 3}
NONE, BLURRED, NOISY = range(3)
# Ranges of the random changes: rotation in degrees, scale, shift as a share of the image, exponent of the values;
# Gaussian blur in pixels, and noise in standard deviations of the image.
ROTATION, SCALE, SHIFT, GAMMA = 10.0, (0.85, 1.2), 0.08, (0.7, 1.4)
BLUR, NOISE = (0.7, 2.5), (0.05, 0.4)


class Heads(nn.Module):
    """A linear layer for each task: features (n, d) → logits by task."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({name: nn.Linear(features, classes) for name, classes in TASKS.items()})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Return the logits."""
        return {name: layer(features) for name, layer in self.layers.items()}


def examples(data: LabelledImages, random: np.random.Generator) -> tuple[Tensor, dict[str, Tensor]]:
    """Return changed images (n, 1, 128, 128), standardised, and what each task should find; -1 for nothing."""
    images = torch.from_numpy(data.images.astype(np.float32))[:, None]
    images = _moved(images, random)
    exponent = torch.from_numpy(random.uniform(*GAMMA, (len(images), 1, 1, 1)).astype(np.float32))
    images = torch.from_numpy(standardised(images.clamp(0, 1).pow(exponent).numpy()))
    degradation = random.integers(TASKS["degradation"], size=len(images))
    images = noisy(blurred(images, degradation == BLURRED, random.uniform(*BLUR)), degradation == NOISY, random)
    turn = random.integers(TASKS["turn"], size=len(images))
    for quarter in range(1, 4):
        images[turn == quarter] = torch.rot90(images[turn == quarter], quarter, (2, 3))
    labels = {"kind": data.kinds, "class": data.classes, "turn": turn, "degradation": degradation}
    return torch.from_numpy(standardised(images.numpy())), {k: torch.from_numpy(v).long() for k, v in labels.items()}


def blurred(images: Tensor, chosen: np.ndarray, sigma: float) -> Tensor:
    """Return images of which the chosen ones are smoothed by a Gaussian filter of ``sigma`` pixels."""
    images = images.clone()
    if chosen.any():
        images[chosen] = GaussianFilter(2, sigma)(images[chosen])
    return images


def noisy(images: Tensor, chosen: np.ndarray, random: np.random.Generator) -> Tensor:
    """Return images of which the chosen ones have white noise, each of a random strength."""
    strength = random.uniform(*NOISE, (len(images), 1, 1, 1)) * chosen[:, None, None, None]
    return images + torch.from_numpy((strength * random.standard_normal(images.shape)).astype(np.float32))


def _moved(images: Tensor, random: np.random.Generator) -> Tensor:
    n = len(images)
    angle = np.radians(random.uniform(-ROTATION, ROTATION, n))
    size, shift = 1 / random.uniform(*SCALE, n), random.uniform(-2 * SHIFT, 2 * SHIFT, (2, n))
    cosine, sine = size * np.cos(angle), size * np.sin(angle)
    matrix = np.array([[cosine, -sine, shift[0]], [sine, cosine, shift[1]]]).transpose(2, 0, 1)
    places = functional.affine_grid(torch.from_numpy(matrix.astype(np.float32)), list(images.shape), False)
    return functional.grid_sample(images, places, padding_mode="border", align_corners=False)


def losses(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the cross-entropy of each task, 0 for one that no image of the batch has a label for."""
    found = {}
    for name, values in logits.items():
        known = labels[name] >= 0
        found[name] = functional.cross_entropy(values[known], labels[name][known]) if known.any() else values.sum() * 0
    return found


@torch.inference_mode()
def scores(network: nn.Module, heads: nn.Module, data: LabelledImages, seed: int) -> dict[str, float]:
    """Return the accuracy of each task, and the sum of the cross-entropies as ``loss``.

    The changes of the images depend on the seed and on the images only, so that epochs can be compared.
    """
    network.eval()
    logits: dict[str, list[Tensor]] = {name: [] for name in TASKS}
    labels: dict[str, list[Tensor]] = {name: [] for name in TASKS}
    for part in np.array_split(np.arange(len(data)), math.ceil(len(data) / 64)):
        images, wanted = examples(data.of(part), np.random.default_rng((seed, int(part[0]))))
        for name, values in heads(network(images)).items():
            logits[name].append(values)
            labels[name].append(wanted[name])
    joined, right = {k: torch.cat(v) for k, v in logits.items()}, {k: torch.cat(v) for k, v in labels.items()}
    found = {name: _accuracy(values, right[name]) for name, values in joined.items()}
    return {**found, "loss": float(sum(value.item() for value in losses(joined, right).values()))}


def _accuracy(logits: Tensor, labels: Tensor) -> float:
    known = labels >= 0
    return float((logits.argmax(1)[known] == labels[known]).float().mean())
