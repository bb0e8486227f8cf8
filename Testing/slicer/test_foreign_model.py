"""A network of others, imported from ONNX, runs from the panel."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from builders import phantom_ct
from foreign_models import mean_filter, write_card
from scene_helpers import matrixOf, waitUntil
from train_helpers import SECONDS, nodeOf

from medsynth_core import synthesize
from medsynth_core.models.foreign.importing import import_onnx

onnx = pytest.importorskip("onnx", reason="ONNX models need the packages of medsynth-core[export]")
pytest.importorskip("onnxruntime", reason="ONNX models need the packages of medsynth-core[export]")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    onnx.save(mean_filter(), folder / "network.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDSYNTH_MODELS", str(folder / "library"))
        import_onnx(folder / "network.onnx", write_card(folder / "card.yaml"))
        yield


def test_TheResultIsThatOfPython(panel):
    ui, ct = panel.ui, nodeOf(phantom_ct(), "CT")
    ui.inputVolumeSelector.setCurrentNode(ct)
    ui.modelComboBox.setCurrentIndex(ui.modelComboBox.findData("foreign"))
    assert ui.applyButton.enabled, ui.fitLabel.text
    ui.applyButton.click()
    assert waitUntil(lambda: not panel.logic.isRunning, SECONDS)
    result = ui.outputVolumeSelector.currentNode()
    assert result is not None, ui.statusLabel.text
    expected = synthesize(phantom_ct(), "foreign", device="cpu")
    assert np.allclose(slicer.util.arrayFromVolume(result), expected.voxels, atol=1e-5)
    assert np.array_equal(matrixOf(result), matrixOf(ct))
