"""The generator that comes with MedSynth is offered, and draws registered images with a tumour."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from generation_helpers import BUNDLED, folders
from scene_helpers import waitUntil

pytestmark = pytest.mark.slow
SECONDS = 120


def test_TheBundledGeneratorDrawsThreeModalitiesWithALesion(panel):
    panel.enter()
    panel.ui.generateSeedSpinBox.value = 5
    box = panel.ui.generateModelComboBox
    box.setCurrentIndex(box.findData(BUNDLED))
    box.activated.emit(box.currentIndex)
    assert panel.ui.generateButton.enabled, panel.ui.generateLabel.text
    panel.ui.generateButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, SECONDS)
    assert panel.ui.statusLabel.text == f"Done: a case in {BUNDLED} seed 5"
    [names] = folders().values()
    images = {role: name for name in names for role in ("ct", "pet", "mr_t1") if f"Synthetic {role} " in name}
    assert set(images) == {"ct", "pet", "mr_t1"}
    voxels = {role: slicer.util.arrayFromVolume(slicer.util.getNode(name)) for role, name in images.items()}
    assert {values.shape for values in voxels.values()} == {(1, 128, 128)}
    assert slicer.util.getNode(images["pet"]).GetSpacing() == pytest.approx((2.0, 2.0, 3.27))
    assert -1000 <= voxels["ct"].min() < -900 and voxels["ct"].max() > 300, "air and bone"
    assert voxels["pet"].min() >= 0 and voxels["pet"].max() > 1
    assert np.median(voxels["mr_t1"][voxels["ct"] > -200]) > 100
