"""Starts the test application and provides its fixtures."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

# As for the core: see its conftest.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MEDSYNTH_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).parent))

import application  # noqa: E402 - the folder must be importable first

application.start()

from application import eventloop, leaks  # noqa: E402
from application.held import unknownSignals as pythonQtWarnings  # noqa: E402

SAMPLE_CASE = application.ROOT / "Resources" / "SampleCase"


@pytest.fixture(scope="session")
def panelsOpenedOnce(tmp_path_factory):
    """Open both panels once: Qt keeps what it makes for the first of some widgets."""
    from MedSynthTrainLib import settings
    from scene_helpers import closePanel

    settings.setRunsFolder(tmp_path_factory.mktemp("first"))
    for name in ("MedSynth", "MedSynthTrain"):
        closePanel(getattr(application.loadModule(name), f"{name}Widget")())


@pytest.fixture(autouse=True)
def emptyScene(panelsOpenedOnce):
    """Give every test an empty scene, with the modules loaded; what a test leaves behind fails it."""
    application.clearScene()
    eventloop.processEvents()
    pythonQtWarnings.clear()
    before, descriptors = leaks.count(), leaks.descriptors()
    yield
    leaks.forgetLastError()
    assert not application.followedParameterNodes()
    application.clearScene()
    left = leaks.left(before)
    assert not left, Counter(leaks.descriptors()) - Counter(descriptors)
    assert not pythonQtWarnings


@pytest.fixture
def sampleCT():
    """Return the sample CT as a volume node."""
    import slicer

    return slicer.util.loadVolume(str(SAMPLE_CASE / "ct.nii.gz"), {"name": "Sarcoma CT"})


@pytest.fixture
def someSlices():
    """Return eight slices of the sample CT as a volume node: real voxels, quickly computed."""
    import slicer
    from scene_helpers import matrixOf

    whole = slicer.util.loadVolume(str(SAMPLE_CASE / "ct.nii.gz"))
    matrix, voxels = matrixOf(whole), slicer.util.arrayFromVolume(whole)[20:28].copy()
    slicer.mrmlScene.RemoveNode(whole)
    matrix[:3, 3] += 20 * matrix[:3, 2]
    return slicer.util.addVolumeFromArray(voxels, matrix, "Sarcoma CT")


@pytest.fixture
def panel():
    """Return the module's panel, entered."""
    from scene_helpers import closePanel

    from MedSynth import MedSynthWidget

    widget = MedSynthWidget()
    yield widget
    closePanel(widget)
