"""Volumes with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from medsynth_core.volume import Volume


def pet(voxels: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), **changes: object) -> Volume:
    """Return a PET volume in SUVbw whose axes run to the left, to the back and up from the origin."""
    matrix = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    return Volume(voxels, matrix, **{"modality": "PT", "unit": "SUVbw", **changes})


@pytest.fixture(scope="session")
def golden_ct() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reference, synthetic and mask (k, j, i) whose metrics were computed with the challenges' own code."""
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, n) for n in (64, 96, 112)], indexing="ij")
    r = np.sqrt((x / 0.9) ** 2 + (y / 0.8) ** 2 + (z / 0.95) ** 2)
    truth = np.where(r < 1, 40 + 60 * np.cos(6 * x) * np.sin(5 * y) + 30 * z, -1000.0)
    truth = np.where((x / 0.25) ** 2 + ((y - 0.2) / 0.2) ** 2 + (z / 0.8) ** 2 < 1, 900.0, truth)
    truth = np.where(((x + 0.5) / 0.2) ** 2 + ((y + 0.1) / 0.3) ** 2 + (z / 0.5) ** 2 < 1, -800.0, truth)
    made = truth + 35 * np.sin(9 * x + 4 * y) * np.cos(7 * z) + 12 * np.cos(13 * y)
    reference, synthetic = np.round(truth).astype(np.int16), np.round(made).astype(np.int16)
    mask = (r < 1.02).astype(np.uint8)
    sums = reference.sum(dtype=int), synthetic.sum(dtype=int), mask.sum(dtype=int)
    assert sums == (-438047726, -437706948, 252536)
    return reference, synthetic, mask


@pytest.fixture(scope="session")
def golden_slice() -> tuple[np.ndarray, np.ndarray]:
    """Reference and synthetic slice in 0…1, as volumes of one slice."""
    y, x = np.meshgrid(*[np.linspace(0, 1, 256)] * 2, indexing="ij")
    disc = (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1
    reference = np.clip(0.5 + 0.3 * np.sin(20 * x) * np.cos(15 * y) + 0.2 * disc, 0, 1)
    synthetic = np.clip(reference + 0.05 * np.sin(90 * x + 40 * y) + 0.02, 0, 1)
    return reference[None], synthetic[None]


@pytest.fixture(scope="session")
def case() -> tuple[Volume, Volume, Volume]:
    """A small synthetic PET, its reference and a lesion mask: a ball of SUV 5 (reference) and 4 (synthetic)."""
    spacing = (2.0, 2.0, 4.0)
    k, j, i = np.meshgrid(*[np.arange(n) - n // 2 for n in (24, 40, 44)], indexing="ij")
    ball = (i * 2.0) ** 2 + (j * 2.0) ** 2 + (k * 4.0) ** 2 <= 16.0**2
    grain = 0.1 * np.sin(i) * np.cos(j * 0.7)
    reference = pet((np.where(ball, 5.0, 1.0) + grain).astype(np.float32), spacing)
    synthetic = pet((np.where(ball, 4.0, 1.1) + grain).astype(np.float32), spacing)
    return synthetic, reference, pet(ball.astype(np.uint8), spacing, modality="", unit="")
