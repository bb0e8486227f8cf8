"""What the panel says of volumes that fit a model only with reservations, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from dose_helpers import phantom_body_pet
from MedSynthLib.model_section import fitInWords
from MedSynthLib.models import fitOf
from train_helpers import nodeOf

from medsynth_core.volume import Volume


def ctNode(overwritten: tuple[slice, ...] | None = None, outside: float = -1000.0):
    """Return the node of a noisy CT of an ellipse, with 0 in a part of it, or with other surroundings."""
    k, j, i = np.indices((8, 80, 88))
    body = np.hypot((j - 39.5) / 28, (i - 43.5) / 35) < 1
    noise = np.random.default_rng(0).normal(0, 10, body.shape)
    hu = np.where(body, np.where(np.hypot((j - 39.5) / 20, (i - 43.5) / 26) < 1, 50, -90) + noise, outside)
    if overwritten is not None:
        hu[overwritten] = 0
    return nodeOf(Volume(hu.astype(np.int16), np.diag([-2.0, -2.0, 3.0, 1.0]), "CT", "HU"), "CT")


def test_ACtIsUsedWithoutAWord():
    assert fitInWords(fitOf(ctNode(), "ct-to-pet")) == "✓ The volume fits the model."


def test_ACtSurroundedByZeroDoesNotFit():
    fit = fitOf(ctNode(outside=0.0), "ct-to-pet")
    assert "The surroundings of the patient have exactly the value 0 HU" in fit.misfits[0]
    assert fitInWords(fit).startswith("✗ ")


def test_ACtWithAnOverwrittenRegionIsMarked():
    fit = fitOf(ctNode((slice(1, None), slice(12, 30), slice(30, 60))), "ct-to-pet")
    assert not fit.misfits and "as if it had been overwritten" in fit.assumption
    assert fitInWords(fit).startswith("⚠ ")


@pytest.mark.parametrize(("spacing", "averaged"), [((3.39, 3.39, 2.03), True), ((4.0, 4.0, 3.0), False)])
def test_AveragingIsStatedBeforeTheRun(spacing, averaged):
    pet = phantom_body_pet()
    node = nodeOf(pet.replace(ijk_to_ras=np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])), "PET")
    fit = fitOf(node, "low-dose-pet")
    assert not fit.misfits
    assert ("averaged to 3.39 × 3.39 × 4.06 mm" in fit.assumption) == averaged
