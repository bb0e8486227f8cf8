"""Starts the test application, and what its tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import application  # noqa: E402 - the folder must be importable first

application.start()
SAMPLE_CASE = application.ROOT / "Resources" / "SampleCase"


@pytest.fixture(autouse=True)
def emptyScene():
    """Give every test an empty scene, with the modules loaded."""
    application.loadModule("MedSynth")
    application.loadModule("MedSynthTrain")
    application.clearScene()
    yield
    assert not application.followedParameterNodes()
    application.clearScene()


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
    from MedSynth import MedSynthWidget

    widget = MedSynthWidget()
    yield widget
    widget.cleanup()
    widget.parent.close()
    widget.parent.deleteLater()
