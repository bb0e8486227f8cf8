"""Built examples: bright discs as lesions, beside squares that are none."""

from __future__ import annotations

import numpy as np

from medsynth_core.evaluation.judges.examples import Examples


def discs(count: int, seed: int = 0, side: int = 32, contrast: float = 2.0) -> Examples:
    """Return noisy images, three of four with a bright disc, which is the label, all with a bright small square."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    images, labels = random.normal(0, 0.5, (count, 1, side, side)), np.zeros((count, side, side), np.uint8)
    for number in range(count):
        row, column = random.integers(0, side - 3, 2)
        images[number, 0, row : row + 3, column : column + 3] += contrast
        radius = random.uniform(0.15, 0.22) * side
        cy, cx = random.uniform(radius, side - radius, 2)
        if number % 4:
            disc = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
            images[number, 0] += contrast * disc
            labels[number] = disc
    patients = tuple(f"P{number // 4}" for number in range(count))
    return Examples(images.astype(np.float32), labels, tuple(f"{seed}-{name}" for name in patients))


def shuffled(examples: Examples, seed: int = 0) -> Examples:
    """Return examples whose labels belong to other images."""
    order = np.random.default_rng(seed).permutation(len(examples))
    return Examples(examples.images, examples.labels[order], examples.patients)


def classed(count: int, seed: int = 0, side: int = 32) -> Examples:
    """Return examples of three classes: nothing, one broad bright half, or many bright stripes."""
    random = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    images = random.normal(0, 0.5, (count, 1, side, side))
    images[classes == 1, :, :, : side // 2] += 2
    images[classes == 2, :, ::4] += 2
    return Examples(images.astype(np.float32), classes)
